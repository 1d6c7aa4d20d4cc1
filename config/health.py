"""Health checks. /healthz: the process answers. /readyz: what works, what does not, and why.

A check raises Fault with a sentence; the table CHECKS says which functions depend on it. Only a broken search answers
503, so that a load balancer stops using this process; if something else is broken, the status is "degraded", with 200.
Anybody can read the sentences, so they name no host and no path; the log has the error itself.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from collections_app import storage
from config.celery import app
from recognition import packs
from recognition.packs import sessions
from tenants import database, heartbeat, schema

logger = logging.getLogger("faceplane.health")
_LEAST_FREE = 100_000_000  # bytes
_STORAGE_SECONDS = 15.0  # checking an S3 that does not answer takes seconds


class Fault(Exception):
    """A failed check, with a sentence that says what is wrong."""


def health_checks(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer health checks for any Host and scheme: a monitor may know only the process's address."""
    views = {"/healthz": alive, "/readyz": ready}
    return lambda request: views.get(request.path_info, get_response)(request)


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer "ready", "degraded" or "unavailable", with the state of each function and check; 503 if search fails."""
    checks = {name: _result(name, check) for name, (check, _) in CHECKS.items()}
    broken = {name for name, result in checks.items() if result != "ok"}
    functions = {
        function: "unavailable" if broken & {name for name, (_, needs) in CHECKS.items() if function in needs} else "ok"
        for function in FUNCTIONS
    }
    searchable = functions["search"] == "ok"
    status = "unavailable" if not searchable else "degraded" if broken else "ready"
    lag = _lag()
    body = {"status": status, "functions": functions, "checks": checks, "queue_lag_seconds": lag}
    return JsonResponse(body, status=200 if searchable else 503)


def _result(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Fault as fault:
        logger.warning("Not ready", extra={"check": name, "error": str(fault)})
        return str(fault)
    except Exception as error:  # noqa: BLE001 -- any error means "not ready"
        logger.warning("Not ready", extra={"check": name, "error": str(error)})
        return f"It does not answer ({type(error).__name__})."
    return "ok"


def _schema() -> None:
    if pending := schema.pending():
        message = f"Migrations that are not applied: {len(pending)}. Run manage.py migrate."
        raise Fault(message)


def _models() -> None:
    sessions.preload(packs.DEFAULT)


def _disk() -> None:
    """Write to every disk that holds data, and check its free space."""
    folders = [settings.DATA_DIR, settings.INDEX_DIR]
    if connection.vendor == "sqlite":
        folders.append(Path(str(connection.settings_dict["NAME"])).parent)
    for folder in {folder for folder in folders if folder.is_dir()}:
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < _LEAST_FREE:
            message = f"The disk is nearly full: less than {_LEAST_FREE // 1_000_000} MB are free."
            raise Fault(message)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))


class _Storage:
    """The storage of images, checked at most every _STORAGE_SECONDS."""

    def __init__(self) -> None:
        self._due = 0.0
        self._fault: Exception | None = None

    def __call__(self) -> None:
        if time.monotonic() >= self._due:
            try:
                storage.check()
                self._fault = None
            except Exception as error:  # noqa: BLE001 -- any error is reported
                self._fault = error
            self._due = time.monotonic() + _STORAGE_SECONDS
        if self._fault:
            raise self._fault


def _broker() -> None:
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)


def _workers() -> None:
    if faults := heartbeat.signs().faults:
        raise Fault(" ".join(faults.values()))


def _lag() -> float | None:
    """Return how many seconds the last scheduled task waited for a worker."""
    try:
        lag = heartbeat.signs().lag_seconds
    except Exception:  # noqa: BLE001 -- the database check reports it
        return None
    return None if lag is None else round(lag, 1)


FUNCTIONS = ("search", "enrol", "background", "storage", "console")
# Each check, and the functions that depend on it.
CHECKS: dict[str, tuple[Callable[[], None], set[str]]] = {
    "database": (database.check, {"search", "enrol", "background", "console"}),
    "schema": (_schema, {"search", "enrol", "background", "console"}),
    "models": (_models, {"search", "enrol"}),
    "disk": (_disk, {"enrol", "background"}),
    "storage": (_Storage(), {"storage"}),
    "broker": (_broker, {"background"}),
    "workers": (_workers, {"background"}),
}
