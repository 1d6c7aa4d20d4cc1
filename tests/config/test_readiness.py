"""/readyz against a real server: what is broken is named, and only what searches need takes a server out of service."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.config.conftest import fill, worker
from tests.make import base64_of, portrait
from tests.processes import BEFORE_LAST, call, environment, manage, prepare, sqlite, until, web_server

OK = {"search": "ok", "enrol": "ok", "background": "ok", "storage": "ok", "console": "ok"}
ALBUM = """
from collections_app.operations.collections import create_collection
from tenants.access import system
from tenants.models import Tenant
create_collection(system(Tenant.objects.get(slug="acme"), "tests"), name="album", images="original")
"""


class Server:
    """A running server of one tenant, and its folder."""

    def __init__(self, url: str, key: str, env: dict[str, str], folder: Path) -> None:
        """Keep its URL and key."""
        self.url, self.env, self.folder = url, env, folder
        self.headers = {"x-api-key": key}

    def ready(self) -> tuple[int, str, set[str], dict[str, str]]:
        """Return the code, the status, the functions that fail, and the failed checks with their sentences."""
        status, answer = call(f"{self.url}/readyz")
        failed = {name: result for name, result in answer["checks"].items() if result != "ok"}
        return status, answer["status"], {name for name, state in answer["functions"].items() if state != "ok"}, failed

    def search(self) -> tuple[int, Any]:
        """Search through the Argos dialect."""
        body = {"collectionId": "people", "requestName": "x", "faceImage": base64_of(portrait("obama"))}
        return call(f"{self.url}/search", "POST", body, **self.headers)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server with one process, on SQLite and files."""
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), CELERY_BROKER_URL="filesystem://")
    key = prepare(env, acme="people")["acme"]
    with web_server(env, workers=1) as (url, _):
        yield Server(url, key, env, tmp_path)


def test_only_background_work_fails_without_a_worker(server: Server, tmp_path: Path) -> None:
    """An earlier version answered "ok" with no worker alive."""
    status, verdict, broken, failed = server.ready()
    assert (status, verdict, broken, set(failed)) == (200, "degraded", {"background"}, {"workers"})
    assert "No worker has given a sign of life yet." in failed["workers"]
    log = tmp_path / "log"
    with worker(server.env, "--beat", "--pool", "threads", "--concurrency", "1", log=log):
        until(lambda: server.ready()[:2] == (200, "ready"), log=log)
        assert call(f"{server.url}/readyz")[1]["functions"] == OK
        assert call(f"{server.url}/readyz")[1]["queue_lag_seconds"] < 60
    assert server.ready()[:3] == (200, "degraded", {"background"})
    assert server.search()[0] == 200


def test_searches_work_without_the_queue(tmp_path: Path) -> None:
    """An earlier version answered 503."""
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    key = prepare(env, acme="people")["acme"]
    with web_server(env, workers=1) as (url, _):
        server = Server(url, key, env, tmp_path)
        status, verdict, broken, failed = server.ready()
        assert (status, verdict, broken) == (200, "degraded", {"background"})
        assert {"broker", "workers"} == set(failed)
        assert server.search()[0] == 200


def test_a_missing_database_file_is_reported(server: Server) -> None:
    """SQLite creates an empty file in its place, which answers "SELECT 1"."""
    for file in (server.folder / "data").glob("faceplane.sqlite3*"):
        file.unlink()
    status, verdict, broken, failed = server.ready()
    assert (status, verdict, "schema" in failed) == (503, "unavailable", True)
    assert broken >= {"search", "enrol", "background", "console"}
    assert "migrate" in failed["schema"]
    assert (server.search()[0], server.search()[1].get("errorCode")) != (500, None)


def test_a_damaged_database_is_answered_in_the_dialects_words(server: Server) -> None:
    file = server.folder / "data" / "faceplane.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xa5" * (file.stat().st_size - 4096))
    status, answer = server.search()
    assert (status, answer["errorCode"]) == (503, 6038)
    assert server.ready()[:2] == (503, "unavailable")
    problem = call(f"{server.url}/api/v1/collections", **server.headers)
    assert (problem[0], problem[1]["code"]) == (503, "unavailable")


def test_a_full_disk_stops_enrolments_and_no_search(small_disk: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), CELERY_BROKER_URL="filesystem://")
    (tmp_path / "data").mkdir()
    env["STORAGE_URL"] = f"file://{small_disk}"
    key = prepare(env, acme="people")["acme"]
    manage(env, "shell", "--verbosity", "0", "-c", ALBUM)
    ballast = fill(small_disk)
    with web_server(env, workers=1) as (url, _):
        server = Server(url, key, env, tmp_path)
        status, verdict, broken, failed = server.ready()
        assert (status, verdict) == (200, "degraded")
        assert broken == {"background", "storage"}
        assert set(failed) == {"storage", "workers"}
        assert server.search()[0] == 200
        body = {"collectionId": "album", "userName": "x", "faceImage": base64_of(portrait("obama"))}
        status, answer = call(f"{url}/faces", "POST", body, **server.headers)
        assert (status, answer["errorCode"]) == (503, 6012)  # it was 500
        assert [file for file in small_disk.rglob("*") if file.is_file()] == [ballast]


def test_pending_migrations_are_reported(server: Server) -> None:
    manage(server.env, "migrate", *BEFORE_LAST, "--verbosity", "0")
    status, verdict, _, failed = server.ready()
    assert (status, verdict) == (503, "unavailable")
    assert failed["schema"] == "Migrations that are not applied: 1. Run manage.py migrate."
