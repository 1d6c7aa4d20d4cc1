"""What every dialect does alike: credentials -> caller -> operation -> answer, each error in the dialect's words."""

import base64
import binascii
import json
import logging
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, ClassVar, TypeVar

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.utils.json import strict_constant
from rest_framework.views import APIView

from collections_app import reasons
from collections_app.dialects.descriptor import Dialect
from collections_app.errors import Unavailable
from recognition.errors import ImageTooLarge
from tenants import access, limits, rls, usage
from tenants.access import CALLER, CROWDED, Caller
from tenants.database import at_fault
from tenants.errors import TooManyRequests

logger = logging.getLogger("faceplane.dialects")
# What a JSON body may be made of. A contract's longest list has 1,000 entries, its longest text 10,000 characters that
# may all be commas, and its deepest object 3 levels.
_MOST_PARTS, _MOST_LEVELS = 12_000, 16
_LONGEST_REASON = 300
_MOMENT = 1.0  # until fewer requests are under way
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,")

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a dialect answers an error: HTTP status, the vendor's code and the vendor's text."""

    status: int
    code: int | str
    text: str


class _FirstRenderer(BaseContentNegotiation):
    """The vendors' contracts know one format each, whatever a client's Accept header says."""

    def select_parser(self, request: Request, parsers: list[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        """Choose by content type."""
        kind = request.content_type.split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Choose the first."""
        return renderers[0], str(renderers[0].media_type)


class Json(JSONParser):
    """A JSON body that costs no more than its bytes."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read it."""
        return read_json(stream.read())


class Form(MultiPartParser):
    """A form with files, of whose names nobody reads more than that they are there: they may be in any encoding."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read it."""
        return super().parse(_LegibleHeaders(stream), media_type, parser_context)  # type: ignore[arg-type]


class _LegibleHeaders:
    """A form's stream in which a part's header that is no UTF-8 has question marks: Django skips the part otherwise."""

    _HEADER = re.compile(rb"^Content-Disposition:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
    _LONGEST = 1024

    def __init__(self, stream: IO[bytes]) -> None:
        """Keep the stream, and a line's beginning until its rest has come."""
        self._stream = stream
        self._held = b""

    def read(self, size: int) -> bytes:
        """Return about as many bytes; none only at the end."""
        while True:
            read = self._stream.read(size)
            chunk = self._held + read
            line = chunk.rfind(b"\n") + 1
            if not read or len(chunk) - line > self._LONGEST:
                line = len(chunk)
            chunk, self._held = chunk[:line], chunk[line:]
            if chunk or not read:
                return self._HEADER.sub(self._legible, chunk)

    @staticmethod
    def _legible(header: re.Match[bytes]) -> bytes:
        try:
            header[0].decode()
        except UnicodeDecodeError:
            return header[0].decode("ascii", "replace").replace("\ufffd", "?").encode()
        return header[0]


class DialectView(APIView):
    """A vendor's endpoint. A subclass for the dialect gives `dialect`, `credentials`, `answer` and `refuse`."""

    dialect: ClassVar[Dialect]
    parser_classes = [Json]
    content_negotiation_class = _FirstRenderer
    metadata_class = None  # OPTIONS is no operation of any contract
    caller: Caller

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key's id and secret, from where the vendor's client puts them.

        Raises:
            MissingKey: they are not there.
        """
        raise NotImplementedError

    def answer(self, error: Exception) -> Answer | None:
        """Look the error up in the dialect's table; None: it has none."""
        raise NotImplementedError

    def internal_error(self) -> Answer:
        """Return the dialect's answer to what nobody foresaw."""
        raise NotImplementedError

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render a refusal in the dialect's envelope."""
        raise NotImplementedError

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Read every body and query as UTF-8: a charset of the client's choice may be one that unpacks, as zlib."""
        with suppress(SuspiciousOperation):  # a query of too many fields: who reads it is told
            request.encoding = "utf-8"
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find the caller before anything of the body is looked at."""
        super().initial(request, *args, **kwargs)
        if request.META.get(CROWDED):
            raise TooManyRequests(_MOMENT)
        _refuse_large_body(request)
        known: Caller | None = request.META.get(CALLER)  # config.server asks again when a large body has come
        if known:
            rls.set_tenant(known.tenant)
        self.caller = known or self._admitted(request)
        request.META[CALLER] = self.caller

    def _admitted(self, request: Request) -> Caller:
        """Find the caller, and count the call."""
        caller = access.caller_for_key(
            *self.credentials(request),
            via=self.dialect.name,
            address=request.META.get("REMOTE_ADDR", ""),
            request_id=request.META.get("faceplane.request_id", ""),
        )
        rls.set_tenant(caller.tenant)
        limits.admit(caller)
        usage.count(caller.tenant, f"{self.dialect.name} {self.dialect.operation(request)}")
        return caller

    def parse(self, body: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the request's body, or for GET and DELETE its query, as the wire describes it.

        Raises:
            rest_framework.exceptions.ValidationError: a field is missing or wrong.
        """
        query = self.request.method in {"GET", "DELETE"}
        form = body(data=self.request.query_params if query else self.request.data)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error from the dialect's table; log what has no entry and answer it as an internal error."""
        if at_fault(exc):
            exc = Unavailable("database")
        elif isinstance(exc, UnreadablePostError):  # the client went away, or took too long
            exc = ParseError("The body ended before its length.")
        answer = self.answer(exc)
        if answer is None:
            logger.error("Unforeseen error", exc_info=exc, extra={"via": self.dialect.name})
            answer = self.internal_error()
        response = self.refuse(answer, exc)
        response.exception = True
        why = in_ascii(reason(exc))
        if why:
            response["X-Reason"] = why
        self.request.META["faceplane.refusal"] = {"code": answer.code, "reason": why}
        wait = getattr(exc, "retry_after", None)
        if wait is not None:
            response["Retry-After"] = str(max(1, round(wait)))
        return response


def translate(error: Exception, answers: Mapping[type[Exception], A]) -> A | None:
    """Find the answer of the error's class, or of the nearest of its parents."""
    return next((answers[kind] for kind in type(error).__mro__ if kind in answers), None)


def problem(detail: Any, field: str = "") -> str:
    """Name the first wrong field of a ValidationError's detail and say what is wrong with it."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        if name == "non_field_errors":
            return problem(inner, field)
        inside = f"[{name}]" if isinstance(name, int) else f".{name}"
        return problem(inner, f"{field}{inside}".removeprefix("."))
    if isinstance(detail, list):
        return problem(detail[0], field)
    if getattr(detail, "code", "") == "invalid_choice":  # its own words repeat what was sent
        detail = "is none of the choices"
    return f"{field}: {detail}" if field else str(detail)


def reason(error: Exception) -> str:
    """Say why something was refused: what, which input, how much was allowed; empty: nobody foresaw the error."""
    if isinstance(error, ValidationError):
        return problem(error.detail)
    if isinstance(error, APIException):
        return str(error.detail).rstrip(".")
    return reasons.reason(error)


def in_ascii(text: str) -> str:
    """Write a sentence as a header may hold it, and a log's line: one line of printable ASCII, and not a long one."""
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(one if one.isprintable() else " " for one in plain)[:_LONGEST_REASON]


def read_json(body: bytes) -> Any:
    """Read JSON, if it is made of few parts: a million of them would take a minute and a hundred times their bytes.

    Every value but the first follows a comma or a bracket, so these are counted before anything is made of them; an
    image has none. Commas in texts count along.

    Raises:
        rest_framework.exceptions.ParseError: it is no JSON, or too many parts, or they are nested too deep.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_PARTS:
        raise ParseError("The body has too many parts.")
    try:
        value = json.loads(body.decode(), parse_constant=strict_constant)
    except (ValueError, RecursionError):
        raise ParseError("The body is no JSON.") from None
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ParseError("The body is nested too deep.")
    return value


def _inside(value: Any) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def image_bytes(text: str) -> bytes:
    """Decode an image in base64, with or without a `data:…;base64,` before it.

    Raises:
        ValueError: it is no base64.
    """
    body = _DATA_URI.sub("", text, count=1) if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _refuse_large_body(request: Request) -> None:
    announced = int(request.META.get("CONTENT_LENGTH") or 0)
    if announced > settings.MAX_BODY_BYTES:
        raise ImageTooLarge(limit=settings.MAX_BODY_BYTES, actual=announced, unit="bytes")
