"""A released migration never changes, and an upgrade keeps everything in a release's database."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tenants import online
from tests.make import base64_of, portrait
from tests.processes import BEFORE_LAST, call, environment, manage, sqlite, web_server
from tests.released import DIGESTS, FOLDER, MASTER_KEYS, migrations
from tests.services import POSTGRES_PORT, SUPERUSER, database, needs_postgres

KEPT = sorted(FOLDER.glob("*.sql"))
_READ_ALL = """
from django.apps import apps
from collections_app.models.fields import KeyField
for model in apps.get_models():
    rows = list(model._base_manager.all())
    for key in (field for field in model._meta.concrete_fields if isinstance(field, KeyField)):
        assert all(getattr(row, key.name) == key.pre_save(row, False) != "" for row in rows), key
    print(model._meta.label, len(rows))
"""


def test_a_released_migration_never_changes() -> None:
    released = dict(line.split("  ")[::-1] for line in DIGESTS.read_text(encoding="ascii").splitlines())
    assert len(released) >= 3
    for name, digest in released.items():
        assert hashlib.sha256((settings.BASE_DIR / name).read_bytes()).hexdigest() == digest, name


def test_no_name_of_a_migration_is_that_of_a_database_from_before_the_first_release() -> None:
    assert [file for file in migrations() if file.stem == "0001_initial"] == []


def test_both_databases_of_each_release_are_kept() -> None:
    kinds = {file.stem.rpartition("-")[2] for file in KEPT}
    versions = {file.stem.rpartition("-")[0] for file in KEPT}
    assert kinds == {"sqlite", "postgresql"}
    assert len(KEPT) == 2 * len(versions)


@pytest.mark.parametrize("kept", [file for file in KEPT if "sqlite" in file.name], ids=lambda file: file.stem)
def test_a_kept_sqlite_database_is_upgraded(kept: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), MASTER_KEYS=MASTER_KEYS)
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(env["DATABASE_URL"].removeprefix("sqlite:///"))) as there:
        there.executescript(kept.read_text(encoding="utf-8"))
    _check(env, _token(kept))


@needs_postgres
@pytest.mark.parametrize("kept", [file for file in KEPT if "postgresql" in file.name], ids=lambda file: file.stem)
def test_a_kept_postgresql_database_is_upgraded(kept: Path, tmp_path: Path) -> None:
    with database() as name:
        with psycopg.connect(f"{SUPERUSER}/{name}") as there:
            there.execute(f"SET ROLE {name}".encode())
            there.execute(kept.read_text(encoding="utf-8").encode())
        url = f"postgresql://{name}@127.0.0.1:{POSTGRES_PORT}/{name}"
        _check(environment(tmp_path, DATABASE_URL=url, MASTER_KEYS=MASTER_KEYS), _token(kept))


def test_the_changelog_names_each_migration_that_needs_the_services_stopped() -> None:
    unreleased = (settings.BASE_DIR / "CHANGELOG.md").read_text().split("\n## ")[1]
    names = [f"{file.parent.parent.name}.{file.stem}" for file in migrations() if "release" not in file.stem]
    stopped = {name: why for name in names if (why := online.reasons(name))}
    assert {name: why for name, why in stopped.items() if f"`{name[: name.index('.') + 5]}`" not in unreleased} == {}
    assert stopped["collections_app.0003_people_by_reference_in_any_case"] == [
        "person.reference_folded is not filled by the database",
        "writes to person wait while an index is built",
        "rows are rewritten",
    ]
    assert "tenants.0003_plain_help_texts" not in stopped  # columns that the database does not see change
    assert "collections_app.0004_scale_and_calibration" not in stopped  # columns that the database fills
    assert "tenants.0004_request_log" not in stopped  # a table, with its policy


def test_a_plan_says_whether_an_upgrade_can_be_online(tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path))
    manage(env, "migrate", "--verbosity", "0")
    assert "Up to date." in manage(env, "plan_upgrade")
    manage(env, "migrate", *BEFORE_LAST, "--verbosity", "0")
    assert "tenants.0011_scheduled_runs: online" in manage(env, "plan_upgrade")
    env = environment(tmp_path / "older", DATABASE_URL=sqlite(tmp_path / "older"))
    manage(env, "migrate", "tenants", "0007", "--verbosity", "0")
    with pytest.raises(AssertionError, match="Stop the services"):
        manage(env, "plan_upgrade")


def _token(kept: Path) -> str:
    version, _, kind = kept.stem.rpartition("-")
    return str(json.loads((FOLDER / f"{version}.json").read_text(encoding="utf-8"))[kind])


def _check(env: dict[str, str], token: str) -> None:
    """Migrate it, and ask it for what it knew."""
    manage(env, "migrate", "--verbosity", "0")
    assert "tenants.AuditEntry" in manage(env, "shell", "--verbosity", "0", "-c", _READ_ALL)
    with web_server(env, workers=1) as (url, _):
        for name, known in {"macron_2014": ["macron_2025"], "obama": ["obama"], "sunak": []}.items():
            body = {"image": base64_of(portrait(name))}
            status, found = call(f"{url}/api/v1/collections/people/search", "POST", body, **{"x-api-key": token})
            assert status == 200, found
            assert [match["face"]["person"]["reference"] for match in found["matches"]] == known
        headers = {"x-api-key": token}
        status, people = call(f"{url}/api/v1/collections/people/people", **headers)
        assert {person["reference"] for person in people["people"]} == {"macron_2025", "obama"}
        status, verified = call(f"{url}/api/v1/audit/verification", **headers)
        assert (status, verified["sound"], verified["broken_at"]) == (200, True, None)
