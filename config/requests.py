"""One log line per request, and the request's id in every log line.

The line of a refusal has its code and reason. It never holds a credential of a path, a body, an image or a vector: it
names the route, not the URL.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from tenants.database import at_fault, reopen_if_replaced

logger = logging.getLogger("faceplane.requests")
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_KEPT = "faceplane.request_id"
RETRY_SECONDS = "2"
_QUOTED = re.compile(r"(?<=Can't decode message body).*|The full contents of the message.*", re.DOTALL)
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdFilter(logging.Filter):
    """Add the current request's id to each log record, and remove what clients sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `request_id`, empty outside a request; keep the record.

        Removed: `request` (Django's, with the path) and `data` (Celery's, with a task's arguments). Messages of
        django.security and of Celery's consumer quote what was sent, so the former are replaced and the latter cut.
        """
        record.request_id = _request_id.get()
        record.__dict__.pop("request", None)
        record.__dict__.pop("data", None)
        if record.name.startswith("django.security"):
            record.msg, record.args, record.exc_info, record.exc_text = "Refused", (), None, None
        elif record.name.startswith("celery.worker.consumer"):
            record.msg, record.args = _QUOTED.sub("", record.getMessage()).strip(), ()
        return True


def address_of(environ: Mapping[str, Any]) -> str:
    """Return the caller's address: the connection's, or what the outermost of our own proxies saw.

    Each proxy appends the address that connected to it, so counting from the right skips what the caller wrote himself.
    """
    forwarded = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    proxies = settings.TRUSTED_PROXIES
    return forwarded[-proxies] if 0 < proxies <= len(forwarded) else str(environ.get("REMOTE_ADDR", ""))


def without_prefix(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Remove the path of PUBLIC_URL from a request's path, unless a proxy has: the URL configuration excludes it."""

    def answer(request: HttpRequest) -> HttpResponse:
        prefix = settings.FORCE_SCRIPT_NAME or ""
        if prefix and (request.path_info == prefix or request.path_info.startswith(f"{prefix}/")):
            request.path_info = request.path_info.removeprefix(prefix) or "/"
            request.path = prefix + request.path_info
        return get_response(request)

    return answer


def current_request_id() -> str:
    """Return the id of the request that this thread answers; empty outside of one."""
    return _request_id.get()


class Unforeseen(logging.Filter):
    """Of Django's messages about requests, keep unhandled exceptions only, without the path."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the traceback."""
        record.msg, record.args = "Unforeseen error", ()
        return bool(record.exc_info)


class RequestLog:
    """Accept or create an X-Request-Id, echo it, and log the request once it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with its id set."""
        received = request.META.get(_KEPT) or request.headers.get("X-Request-Id", "")  # config.server may call twice
        request_id = received if _USABLE.fullmatch(received) else secrets.token_hex(16)
        token = _request_id.set(request_id)
        request.META[_KEPT] = request_id
        request.META["REMOTE_ADDR"] = address_of(request.META)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = request_id
            match = request.resolver_match
            logger.info(
                "request",
                extra={
                    "method": request.method,
                    "route": match.route if match else None,
                    "status": response.status_code,
                    **request.META.get("faceplane.refusal", {}),
                    "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                },
            )
            return response
        finally:
            _request_id.reset(token)


class DatabaseAway:
    """Answer 503 if the database fails in a page; dialect views handle this earlier, in their own words.

    A thread keeps its connection from request to request, so it looks first whether SQLite's file is still the same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        reopen_if_replaced()
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 with Retry-After."""
        if not at_fault(exception):
            return None
        headers = {"Retry-After": RETRY_SECONDS}
        return HttpResponse("The database does not answer. Try again in a moment.", status=503, headers=headers)
