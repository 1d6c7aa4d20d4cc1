"""Health checks. /healthz: the process answers. /readyz: what works, what does not, and why. /metrics: in figures.

/readyz runs those of config.checks that a function depends on. Only a broken search answers 503, so that a load
balancer stops using this process; if something else is broken, the status is "degraded", with 200. Anybody can read
the sentences, so they name no host and no path; the log has the error itself.
"""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from config import metrics
from config.checks import Check, Finding, Severity
from config.checks.outside import seen
from config.checks.table import CHECKS, FUNCTIONS
from tenants import heartbeat

logger = logging.getLogger("faceplane.health")


def health_checks(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer health checks for any Host and scheme: a monitor may know only the process's address."""
    views: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": alive, "/readyz": ready}
    if settings.METRICS_TOKEN:
        views["/metrics"] = metrics.page
    return lambda request: views.get(request.path_info, get_response)(request)


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer "ready", "degraded" or "unavailable", with the state of each function and check; 503 if search fails.

    `manage.py doctor --url`, which signs its request, is also told how the request looked when it arrived.
    """
    needed = [check for check in CHECKS if check.functions]
    errors = {check.name: _errors(check) for check in needed}
    broken = {function for check in needed if errors[check.name] for function in check.functions}
    searchable = "search" not in broken
    body = {
        "status": "unavailable" if not searchable else "degraded" if broken else "ready",
        "functions": {name: "unavailable" if name in broken else "ok" for name in FUNCTIONS},
        "checks": {name: " ".join(texts) or "ok" for name, texts in errors.items()},
        "queue_lag_seconds": _lag(),
        **seen(request),
    }
    return JsonResponse(body, status=200 if searchable else 503)


def examine() -> list[tuple[str, Finding]]:
    """Return the findings of all checks by the check's name, the worst first, for the operator's dashboard."""
    rows = [(check.name, finding) for check in CHECKS for finding in check.findings()]
    return sorted(rows, key=lambda row: -row[1].severity)


def _errors(check: Check) -> list[str]:
    """Run a check, log its errors, and return their sentences."""
    errors = [finding for finding in check.findings() if finding.severity is Severity.ERROR]
    for each in errors:
        logger.warning("Not ready", extra={"check": check.name, "error": each.detail or each.text})
    return [each.text for each in errors]


def _lag() -> float | None:
    """Return how many seconds the last scheduled task waited for a worker."""
    try:
        lag = heartbeat.signs().lag_seconds
    except Exception:  # noqa: BLE001 -- the database check reports it
        return None
    return None if lag is None else round(lag, 1)
