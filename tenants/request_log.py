"""The request log: each request with a known key, refused ones too, without anything that it sent or got.

A request costs no statement of its own: its row waits in memory and is inserted with the process's next group commit
(tenants.commits), at the latest after a few seconds, which a killed process loses. Unknown keys leave no row: anybody
could fill the log with them; the metrics count them.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tenants import commits
from tenants.models import LoggedRequest, Tenant


@dataclass(slots=True)
class Seen:
    """What is known of the running request: the tenant of its key, the key, the dialect, the collection it named."""

    tenant: Tenant | None = None
    key: str = ""
    via: str = ""
    collection: int | None = None


# A key of a request's META: the name of the dialect's operation, once a view knows it.
OPERATION = "faceplane.operation"
_current: ContextVar[Seen | None] = ContextVar("seen", default=None)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Log each request whose key is known, once it is answered."""

    def answer(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        seen = Seen()
        token = _current.set(seen)
        try:
            response = get_response(request)
        finally:
            _current.reset(token)
        if seen.tenant:
            commits.defer(_row(seen, seen.tenant, request, response.status_code, time.perf_counter() - started))
        return response

    return answer


def used_key(tenant: Tenant, key: str, via: str) -> None:
    """Note the key whose secret the request has, before anything refuses it."""
    if seen := _current.get():
        seen.tenant, seen.key, seen.via = tenant, key, via


def leave_out() -> None:
    """Log no row of this request: it is one of very many that one use of the service takes."""
    if seen := _current.get():
        seen.tenant = None


def named_collection(collection: int) -> None:
    """Note the collection that the request is about."""
    if seen := _current.get():
        seen.collection = collection


def _row(seen: Seen, tenant: Tenant, request: HttpRequest, status: int, seconds: float) -> LoggedRequest:
    refusal = request.META.get("faceplane.refusal", {})
    return LoggedRequest(
        tenant=tenant,
        at=timezone.now(),
        request_id=request.META.get("faceplane.request_id", ""),
        via=seen.via,
        operation=request.META.get(OPERATION, ""),
        status=status,
        code=str(refusal.get("code", "")),
        reason=refusal.get("reason", ""),
        key=seen.key,
        collection_id=seen.collection,
        milliseconds=round(seconds * 1000, 1),
    )
