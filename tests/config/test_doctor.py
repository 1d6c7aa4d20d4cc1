"""`manage.py doctor` finds each fault and says what to do; the operator's dashboard and /readyz read the same list."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from config import checks
from config.checks import Severity
from config.checks.outside import Outside
from config.checks.table import CHECKS
from recognition.models import IndexSegment
from tenants import commits, heartbeat, tasks
from tenants.models import AuditEntry, Heartbeat, Tenant, UsageDay
from tests.config.conftest import worker
from tests.conftest import ArgosClient, Customer
from tests.processes import call, environment, prepare, until, web_server
from tests.proxy import NGINX, nginx


def _doctor(env: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "manage.py", "doctor", "--json", *arguments]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1, 2}, done.stderr
    return done.returncode, json.loads(done.stdout)


def _worst(report: dict[str, Any]) -> dict[str, str]:
    order = ("ok", "warning", "error")
    found = report["checks"].items()
    return {
        name: max((each["severity"] for each in findings), key=order.index, default="ok") for name, findings in found
    }


def test_a_running_installation_is_checked_from_inside_and_through_its_proxy(tmp_path: Path) -> None:
    """The doctor finds the worker and the proxy right, then names a number of proxies that is wrong."""
    if not NGINX:
        pytest.skip("nginx is not installed (apt install nginx-light)")
    env = environment(tmp_path, TRUSTED_PROXIES="1", ALLOWED_HOSTS="127.0.0.1")
    prepare(env, acme="people")
    log = tmp_path / "log"
    with (
        web_server(env, workers=1) as (url, _),
        nginx(tmp_path, url) as public,
        worker(env, "--beat", "--pool", "threads", "--concurrency", "1", log=log),
    ):
        until(lambda: call(f"{public}/readyz")[1]["status"] == "ready", log=log)
        assert "seen" not in call(f"{public}/readyz", **{"X-Faceplane-Doctor": "doctor:1:forged"})[1]
        status, report = _doctor(env, "--url", public)
        worst = _worst(report)
        assert (status, report["status"]) == (1, "warning")  # HTTPS is off, mail and backups are not set up
        assert {name for name, severity in worst.items() if severity == "error"} == set()
        texts = [each["text"] for each in report["checks"]["outside"]]
        assert worst["outside"] == "ok", texts
        assert "TRUSTED_PROXIES=1 is right: the server sees the client as 127.0.0.1." in texts
        assert "Bodies of 5 MB pass." in texts
        for trusted, words in (("0", "Set TRUSTED_PROXIES=1."), ("2", "clients choose their address")):
            status, report = _doctor(env | {"TRUSTED_PROXIES": trusted}, "--url", public)
            assert status == 2
            assert words in json.dumps(report["checks"]["outside"])


def test_a_proxy_in_front_that_refuses_pictures_or_drops_the_host_is_named(tmp_path: Path) -> None:
    if not NGINX:
        pytest.skip("nginx is not installed (apt install nginx-light)")
    env = environment(tmp_path, TRUSTED_PROXIES="1", ALLOWED_HOSTS="127.0.0.1")
    prepare(env, acme="people")
    wrong = {
        "client_max_body_size 60m": "client_max_body_size 1m",
        "proxy_set_header Host $http_host": "proxy_set_header Host elsewhere.example",
        "alias /opt/faceplane/static/": "alias /opt/faceplane/elsewhere/",
    }
    with web_server(env, workers=1) as (url, _), nginx(tmp_path, url, changed=wrong) as public:
        status, report = _doctor(env, "--url", public)
        texts = [each["text"] for each in report["checks"]["outside"] if each["severity"] == "error"]
    assert status == 2
    assert len(texts) == 4, texts
    assert "refuses bodies of 5 MB" in texts[3]
    assert "answers 404" in texts[2]
    assert ["elsewhere.example" in text for text in texts] == [True, True, False, False]


def test_nothing_at_the_address_is_an_error_with_its_reason() -> None:
    (finding,) = checks.Check("outside", Outside("http://127.0.0.1:1")).findings()
    assert (finding.severity, "refused" in finding.detail) == (Severity.ERROR, True)


def _damaged_segment(acme: Customer, tmp_path: Path, settings: Any) -> None:
    facts = {"kind": "flat", "pack": "light", "low": 0, "high": 1, "rows": 1, "bytes": 1, "rank1": 1, "recall": 1}
    of = {"tenant": acme.tenant, "gallery": acme.people.gallery, "name": "x"}
    IndexSegment.unscoped.create(**of, **facts, condition=IndexSegment.Condition.DAMAGED)


def _another_key(acme: Customer, tmp_path: Path, settings: Any) -> None:
    settings.MASTER_KEYS = ["A" * 43]


def _no_models(acme: Customer, tmp_path: Path, settings: Any) -> None:
    settings.MODELS_HOME = tmp_path


def _readable_secret(acme: Customer, tmp_path: Path, settings: Any) -> None:
    settings.SECRETS_DIR = tmp_path
    (tmp_path / "master.key").touch()
    (tmp_path / "master.key").chmod(0o644)


def _clock_ahead(acme: Customer, tmp_path: Path, settings: Any) -> None:
    heartbeat.beat_worker("w1")
    Heartbeat.objects.update(at=Heartbeat.objects.get().at.replace(year=2100))


def _broken_chain(acme: Customer, tmp_path: Path, settings: Any) -> None:
    AuditEntry.unscoped.filter(number=1).update(address="elsewhere")
    tasks.verify_audits.run()


def _many_slots(acme: Customer, tmp_path: Path, settings: Any) -> None:
    settings.COMPUTE_SLOTS = 1000


def _host_dir_on_disk(acme: Customer, tmp_path: Path, settings: Any) -> None:
    settings.INDEX_OPEN_DIR = Path("/proc/version")  # a path on a file system that is neither a disk nor in memory


def _too_little_memory(acme: Customer, tmp_path: Path, settings: Any) -> None:
    settings.INDEX_MEMORY_BYTES = 10**15


def _old_backup(acme: Customer, tmp_path: Path, settings: Any) -> None:
    heartbeat.note("backup")
    Heartbeat.objects.update(at="2020-01-01T00:00:00Z")


def _open_table(acme: Customer, tmp_path: Path, settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no row-level security")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE collections_app_face NO FORCE ROW LEVEL SECURITY")


Break = Callable[[Customer, Path, Any], None]


@pytest.mark.parametrize(
    "fault",
    [
        ("index", Severity.WARNING, "1 segments are damaged", _damaged_segment),
        ("master_key", Severity.ERROR, "does not open this database", _another_key),
        ("model_files", Severity.ERROR, "is not installed", _no_models),
        ("secrets", Severity.WARNING, "Other users may read", _readable_secret),
        ("workers", Severity.WARNING, "The clock of w1 is", _clock_ahead),
        ("audit_log", Severity.ERROR, "An audit chain was found broken", _broken_chain),
        ("cores", Severity.WARNING, "COMPUTE_SLOTS=1000", _many_slots),
        ("shared_memory", Severity.WARNING, "holds decrypted templates", _host_dir_on_disk),
        ("memory", Severity.WARNING, "may take", _too_little_memory),
        ("backups", Severity.WARNING, "hours ago", _old_backup),
        ("row_level_security", Severity.ERROR, "collections_app_face", _open_table),
    ],
    ids=lambda fault: fault[0],
)
def test_a_fault_is_found_with_its_remedy(
    fault: tuple[str, Severity, str, Break],
    acme: Customer,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, severity, words, break_it = fault
    for variable in [one for one in os.environ if one.startswith(("MASTER_KEYS", "SECRET_KEY"))]:
        monkeypatch.delenv(variable)
    (check,) = (each for each in CHECKS if each.name == name)
    assert not [finding for finding in check.findings() if finding.remedy and words in finding.text]
    break_it(acme, tmp_path, settings)
    found = [finding for finding in check.findings() if finding.remedy and words in finding.text]
    assert {finding.severity for finding in found} == {severity}, check.findings()


def test_the_operators_dashboard_shows_the_findings_and_a_mere_member_of_staff_none(db: None) -> None:
    client = Client()
    backend = "django.contrib.auth.backends.ModelBackend"
    client.force_login(User.objects.create_superuser("operator"), backend=backend)
    page = client.get("/operator/").content.decode()
    assert "No worker has given a sign of life yet." in page
    assert "Start the worker and the beat" in page
    client.force_login(User.objects.create_user("staff", is_staff=True), backend=backend)
    for path in ("/operator/", "/admin/"):
        assert "sign of life" not in client.get(path).content.decode()


def test_the_operators_dashboard_shows_tenants_work_and_sign_ins_that_failed(
    acme: Customer, argos: ArgosClient
) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(face_quota=7_000, calls_per_day=90_000)
    UsageDay.unscoped.create(tenant=acme.tenant, day=timezone.now().date(), operation="x", calls=1_234)
    argos("GET", "/faces", collectionId="nowhere", page="1")
    commits.write_deferred()
    heartbeat.note("backup")
    AccessAttempt.objects.create(username="somebody", ip_address="192.0.2.7", failures_since_start=3)
    client = Client(headers={"Accept-Language": "ko"})
    operator = User.objects.create_superuser("operator")
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    shown = client.get("/operator/")
    (row,) = (each for each in shown.context["tenants"] if each.tenant == acme.tenant)
    assert (row.today, row.week, row.failed, row.collections) == (1_234, 1_234, 1, 1)
    assert row.last
    page = shown.content.decode()
    assert all(
        word in page for word in ("/ 7,000", "1,234 / 90,000", "backup", "192.0.2.7", "실패한 로그인", "테넌트 만들기")
    )
