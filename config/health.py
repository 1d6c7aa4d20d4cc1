"""/healthz: the process answers. /readyz: what works, what does not, and why.

A check says in a sentence what is wrong; the table below says which functions need it. Searches decide whether this
process should be asked: when only something else is away, the answer is "degraded", with 200. The sentences go to
whoever asks, so they name no host and no path; the log has the error itself.
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
_STORAGE_SECONDS = 15.0  # an S3 that is away takes seconds to ask


class Fault(Exception):
    """What is wrong, in a sentence."""


def probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer the probes by whatever name and scheme: who watches a process may know no more than its address."""
    views = {"/healthz": alive, "/readyz": ready}
    return lambda request: views.get(request.path_info, get_response)(request)


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Say "ready", "degraded" or "unavailable", each function's state, and each check's; 503 where no search works."""
    checks = {name: _told(name, check) for name, (check, _) in CHECKS.items()}
    broken = {name for name, told in checks.items() if told != "ok"}
    functions = {
        function: "unavailable" if broken & {name for name, (_, needs) in CHECKS.items() if function in needs} else "ok"
        for function in FUNCTIONS
    }
    searches = functions["search"] == "ok"
    status = "unavailable" if not searches else "degraded" if broken else "ready"
    lag = _lag()
    body = {"status": status, "functions": functions, "checks": checks, "queue_lag_seconds": lag}
    return JsonResponse(body, status=200 if searches else 503)


def _told(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Fault as fault:
        logger.warning("Not ready", extra={"check": name, "error": str(fault)})
        return str(fault)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the answer is "not ready"
        logger.warning("Not ready", extra={"check": name, "error": str(error)})
        return f"It does not answer ({type(error).__name__})."
    return "ok"


def _schema() -> None:
    if waiting := schema.pending():
        message = f"{len(waiting)} migrations wait. Run manage.py migrate first."
        raise Fault(message)


def _models() -> None:
    sessions.preload(packs.DEFAULT)


def _disk() -> None:
    """Write to every disk that the product keeps something on."""
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
    """The storage of images, asked once in a while."""

    def __init__(self) -> None:
        self._due = 0.0
        self._fault: Exception | None = None

    def __call__(self) -> None:
        if time.monotonic() >= self._due:
            try:
                storage.check()
                self._fault = None
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is told
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
    except Exception:  # noqa: BLE001 -- the database's own check has told
        return None
    return None if lag is None else round(lag, 1)


FUNCTIONS = ("search", "enrol", "background", "storage", "console")
# A check, and the functions that do not work without what it looks at.
CHECKS: dict[str, tuple[Callable[[], None], set[str]]] = {
    "database": (database.check, {"search", "enrol", "background", "console"}),
    "schema": (_schema, {"search", "enrol", "background", "console"}),
    "models": (_models, {"search", "enrol"}),
    "disk": (_disk, {"enrol", "background"}),
    "storage": (_Storage(), {"storage"}),
    "broker": (_broker, {"background"}),
    "workers": (_workers, {"background"}),
}
