"""Start and `migrate` refuse tables of another version with a sentence, before anything is changed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings

from tests.processes import BEFORE_LAST, environment, manage, prepare, sqlite

COMMANDS = {
    "migrate": ["manage.py", "migrate", "--verbosity", "0"],
    "web": ["-c", "import config.wsgi"],
    "worker": ["-m", "celery", "--app", "config", "worker", "--pool", "solo"],
}
HARM = {
    "newer": (
        "INSERT INTO django_migrations (app, name, applied) VALUES ('tenants', '0099_from_the_future', '2030-01-01')",
        "tenants.0099_from_the_future",
    ),
    "edited": ("ALTER TABLE tenants_apikey RENAME COLUMN secret_hash TO hash_now", "lacks secret_hash"),
    "extra": ("ALTER TABLE recognition_gallery ADD COLUMN old INTEGER", "recognition_gallery has old"),
    "lost": ("DROP TABLE tenants_tasklock", "there is no tenants_tasklock"),
    "order": ("DELETE FROM django_migrations WHERE app = 'tenants' AND name = '0001_release_0_2_0'", "order"),
}


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make the tables."""
    folder = tmp_path_factory.mktemp("schema")
    env = environment(folder, DATABASE_URL=sqlite(folder), CELERY_BROKER_URL="filesystem://")
    prepare(env)
    return env


def harmed(env: dict[str, str], folder: Path, sql: str) -> dict[str, str]:
    """Return the environment of a copy of the database, after the statement."""
    copy = folder / "copy.sqlite3"
    original = env["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute(sql)
        target.commit()
    return env | {"DATABASE_URL": f"sqlite:///{copy}"}


@pytest.mark.parametrize("harm", HARM)
def test_tables_of_another_version_are_refused(migrated: dict[str, str], tmp_path: Path, harm: str) -> None:
    sql, sentence = HARM[harm]
    env = harmed(migrated, tmp_path, sql)
    before = (tmp_path / "copy.sqlite3").read_bytes()
    for command in COMMANDS.values() if harm in {"newer", "edited"} else [COMMANDS["migrate"]]:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode != 0
        assert sentence in done.stderr
        assert "This database" in done.stderr
    assert (tmp_path / "copy.sqlite3").read_bytes() == before


def test_pending_migrations_stop_neither_start_nor_migrate(migrated: dict[str, str], tmp_path: Path) -> None:
    env = harmed(migrated, tmp_path, "SELECT 1")
    manage(env, "migrate", *BEFORE_LAST, "--verbosity", "0")
    subprocess.run([sys.executable, *COMMANDS["web"]], cwd=settings.BASE_DIR, env=env, timeout=120, check=True)
    manage(env, "migrate", "--verbosity", "0")
