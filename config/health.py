"""/healthz: the process answers. /readyz: everything that a request needs is there."""

import logging
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from config.celery import app
from recognition import packs
from recognition.packs import sessions

logger = logging.getLogger("faceplane.health")


def probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer the probes by whatever name and scheme: who watches a process may know no more than its address."""
    views = {"/healthz": alive, "/readyz": ready}
    return lambda request: views.get(request.path, get_response)(request)


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every check holds, else 503; either way say which do."""
    checks: dict[str, Callable[[], None]] = {"database": _database, "broker": _broker, "models": _models}
    found = {name: _tried(name, check) for name, check in checks.items()}
    sound = all(state == "ok" for state in found.values())
    return JsonResponse({"status": "ok" if sound else "unavailable", "checks": found}, status=200 if sound else 503)


def _tried(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 -- whatever it is, the answer is "not ready"
        logger.warning("Not ready", extra={"check": name, "error": str(error)})
        return type(error).__name__
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)


def _models() -> None:
    sessions.preload(packs.DEFAULT)
