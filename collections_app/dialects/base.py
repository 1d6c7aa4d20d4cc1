"""The base of every dialect's views: credentials -> caller -> operation -> response; errors in the dialect's terms.

Longer than 300 lines: one class, whose steps are the life of a request.
"""

import base64
import binascii
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.views import defaults
from rest_framework.exceptions import APIException, MethodNotAllowed, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Field, Serializer
from rest_framework.views import APIView

from collections_app import errors, reasons
from collections_app.dialects.descriptor import Dialect
from collections_app.dialects.parsers import Json, Negotiation
from recognition.errors import ImageTooLarge
from tenants import access, limits, request_log, rls, usage
from tenants import errors as tenants
from tenants.access import CALLER, CROWDED, MOST_BYTES, Caller, Limit
from tenants.database import at_fault

logger = logging.getLogger("faceplane.dialects")
_LONGEST_REASON = 300
_CROWDED_RETRY = 1.0  # seconds after which a refused request may be repeated
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_IN_QUERY = frozenset({"GET", "HEAD", "DELETE"})  # methods whose input is the query
_METHOD_NOT_ALLOWED = 405
_POLICY = {Limit.MINUTE: '"minute"', Limit.DAY: '"day"'}  # names of the windows, as structured fields write strings
_REFUSED = "faceplane.refused"  # in META: the exception with which Django refused the request before any view

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a dialect answers an error: HTTP status, the vendor's code and the vendor's text."""

    status: int
    code: int | str
    text: str


# Errors of operations that our own API offers. A vendor's table answers them all alike, since its operations raise none
# of them; one that they do raise has an entry of its own below.
OWN_API_ONLY: tuple[type[Exception], ...] = (
    tenants.CaptureNotFound,
    tenants.CaptureUnusable,
    tenants.KeyNotFound,
    tenants.InvitationUnusable,
    tenants.MemberNotFound,
    tenants.TenantNotFound,
    tenants.OwnerNeeded,
    errors.JobNotFound,
    errors.JobOver,
    errors.FileChanged,
    errors.ChallengeUnusable,
    errors.ReceiptNotFound,
    errors.SearchNotFound,
    errors.WebhookNotFound,
    errors.ImageNotKept,
    errors.PersonExists,
    errors.KeyReused,
    errors.KeyInUse,
    errors.UnknownCursor,
)


class DialectView(APIView):
    """The base class of endpoints. Each dialect defines `dialect` and overrides the methods that raise."""

    dialect: ClassVar[Dialect]
    parser_classes = [Json]
    content_negotiation_class = Negotiation
    metadata_class = None  # no contract has OPTIONS
    caller: Caller

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key's id and secret from where the vendor's client sends them.

        Raises:
            MissingKey: the request has none.
        """
        raise NotImplementedError

    def find_caller(self, request: Request, **origin: str) -> Caller:
        """Return the caller of the request's key; a contract whose clients sign requests overrides this.

        Raises:
            MissingKey, UnknownKey, RevokedKey, ExpiredKey, AddressRefused, TenantSuspended: it is not accepted.
        """
        return access.caller_for_key(*self.credentials(request), **origin)

    def answer(self, error: Exception) -> Answer | None:
        """Return the dialect's answer to the error; None if its table has no entry."""
        raise NotImplementedError

    def internal_error(self) -> Answer:
        """Return the dialect's answer to an unexpected error."""
        raise NotImplementedError

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render an error in the dialect's envelope."""
        raise NotImplementedError

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Decode every body and query as UTF-8: some charsets that a client could name decompress, such as zlib."""
        with suppress(SuspiciousOperation):  # too many query fields: raised again when the query is read
            request.encoding = "utf-8"
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate before the body is read."""
        super().initial(request, *args, **kwargs)
        if refused := request.META.get(_REFUSED):
            raise refused
        request.META[request_log.OPERATION] = self.dialect.operation(request)
        if request.method == "OPTIONS":  # a browser's preflight, which has no key
            raise MethodNotAllowed("OPTIONS")
        if request.META.get(CROWDED):
            raise tenants.TooManyRequests(_CROWDED_RETRY)
        self._refuse_large_body(request)
        self.identify(request)

    def identify(self, request: Request) -> None:
        """Find out who is calling; operations that no tenant's key may ask for override this."""
        caller: Caller | None = request.META.get(
            CALLER
        )  # set if config.server authenticated the request before it read a large body
        if caller:
            rls.set_tenant(caller.tenant)
            request_log.used_key(caller.tenant, caller.id, caller.via)
        self.caller = caller or self._authenticate(request)
        request.META[CALLER] = self.caller

    def _refuse_large_body(self, request: Request) -> None:
        """Refuse a body that is announced to be too large, and tell the server when to stop receiving another."""
        most = min(self.dialect.most_bytes or settings.MAX_BODY_BYTES, settings.MAX_BODY_BYTES)
        request.META[MOST_BYTES] = most
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
        if announced > most:
            raise ImageTooLarge(limit=most, actual=announced, unit="bytes")

    def _authenticate(self, request: Request) -> Caller:
        """Return the caller of the request's key, within its rate limits, and count the call."""
        caller = self.find_caller(
            request,
            via=self.dialect.name,
            address=request.META.get("REMOTE_ADDR", ""),
            request_id=request.META.get("faceplane.request_id", ""),
        )
        rls.set_tenant(caller.tenant)
        self.caller = caller  # also of a refusal, which tells what remains
        limits.admit(caller)
        usage.count(caller.tenant, f"{self.dialect.name} {request.META[request_log.OPERATION]}")
        return caller

    def parse(self, body: type[Serializer[Any]]) -> dict[str, Any]:
        """Validate the request's body, or its query for GET and DELETE, and return the values.

        Raises:
            rest_framework.exceptions.ValidationError: a field is missing or wrong.
        """
        form = _shared(body)
        return dict(form.run_validation(without_nulls(self.values(), form.fields)))

    def values(self) -> Any:
        """Return what `parse` validates; a contract that reads query and body together overrides this."""
        return self.request.query_params if self.request.method in _IN_QUERY else self.request.data

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Tell what is left of the caller's limits, if it has any, in the fields of the IETF's RateLimit draft."""
        response = super().finalize_response(request, response, *args, **kwargs)
        caller: Caller | None = getattr(self, "caller", None)
        if caller and (left := limits.room(caller)):
            response["RateLimit-Policy"] = ", ".join(
                f"{_POLICY[one.window]};q={one.most};w={one.window}" for one in left
            )
            response["RateLimit"] = ", ".join(f"{_POLICY[one.window]};r={one.left};t={one.seconds}" for one in left)
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error from the dialect's table; an error without an entry is logged and answered as internal."""
        if at_fault(exc):
            exc = errors.Unavailable("database")
        elif isinstance(exc, UnreadablePostError):  # the client disconnected, or was too slow
            exc = ParseError("The body ended before its length.")
        answer = self.answer(exc)
        if answer is None:
            logger.error("Unforeseen error", exc_info=exc, extra={"via": self.dialect.name})
            answer = self.internal_error()
        response = self.refuse(answer, exc)
        response.exception = True
        if self.request.method == "OPTIONS" and isinstance(exc, MethodNotAllowed):
            response.status_code = _METHOD_NOT_ALLOWED  # also where the contract's errors have another status
        why = in_ascii(reason(exc))
        if why:
            response["X-Reason"] = why
        self.request.META["faceplane.refusal"] = {
            "code": answer.code,
            "reason": why,
            "error": type(exc).__name__,
        }
        wait = getattr(exc, "retry_after", None)
        if wait is not None:
            response["Retry-After"] = str(max(1, round(wait)))
        return response


@cache
def _shared(body: type[Serializer[Any]]) -> Serializer[Any]:
    """Return a body's declaration, made once: it holds no values, and a new one would copy each of its fields."""
    return body()


def shown(body: type[Serializer[Any]], value: object) -> dict[str, Any]:
    """Render a value as its body declares."""
    return dict(_shared(body).to_representation(value))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a request that Django refuses before any view, such as one to an unknown host, as its path's dialect."""
    view = resolve(request.path_info)
    if not issubclass(getattr(view.func, "view_class", object), DialectView):
        return defaults.bad_request(request, exception)
    request.resolver_match = view
    request.META[_REFUSED] = exception
    response: HttpResponseBase = view.func(request, *view.args, **view.kwargs)
    return response


def without_nulls(body: Any, fields: Mapping[str, Field[Any, Any, Any, Any]]) -> Any:
    """Return a JSON body without its null fields, except those that mean something: many clients write every field."""
    if type(body) is not dict:
        return body
    inner = {name: field.fields for name, field in fields.items() if isinstance(field, Serializer)}
    return {
        name: without_nulls(value, inner[name]) if name in inner else value
        for name, value in body.items()
        if value is not None or (name in fields and fields[name].allow_null)
    }


def translate(error: Exception, answers: Mapping[type[Exception], A]) -> A | None:
    """Return the entry of the error's class or of its nearest base class."""
    return next((answers[kind] for kind in type(error).__mro__ if kind in answers), None)


def first_problem(detail: Any, field: str = "") -> tuple[str, str, str]:
    """Return of a ValidationError's detail the first wrong field, its message and its code; field "": none is named."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        inside = "" if name == "non_field_errors" else f"[{name}]" if isinstance(name, int) else f".{name}"
        return first_problem(inner, f"{field}{inside}".removeprefix("."))
    if isinstance(detail, list):  # in a list of bodies, the right ones have no errors
        return first_problem(next(filter(None, detail)), field)
    return field, str(detail), str(detail.code)


def problem(detail: Any) -> str:
    """Return the first wrong field of a ValidationError's detail, with its message."""
    field, text, code = first_problem(detail)
    text = "is none of the choices" if code == "invalid_choice" else text  # DRF's message would repeat the value
    return f"{field}: {text}" if field else text


def reason(error: Exception) -> str:
    """Return why a request was refused: what, which input, which limit. Empty for an unexpected error."""
    if isinstance(error, ValidationError):
        return problem(error.detail)
    if isinstance(error, APIException):
        return str(error.detail).rstrip(".")
    return reasons.reason(error)


def in_ascii(text: str) -> str:
    """Return the text for a header or a log line: one line of printable ASCII, at most 300 characters."""
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(one if one.isprintable() else " " for one in plain)[:_LONGEST_REASON]


def image_bytes(text: str) -> bytes:
    """Decode an image from base64, with or without the prefix `data:…;base64,`.

    Raises:
        ValueError: the text is not base64.
    """
    body = _DATA_URI.sub("", text, count=1) if text[:5].lower() == "data:" else text
    try:
        with suppress(ValueError):
            return base64.b64decode(body, validate=True)
        return base64.b64decode("".join(body.split()), validate=True)  # in lines, as some clients send it
    except binascii.Error as error:
        raise ValueError(str(error)) from None
