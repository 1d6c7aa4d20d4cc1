"""Parsers of request bodies: which one by content type, what they accept of sloppy clients, and their bounds."""

import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Mapping
from typing import IO, Any, ClassVar

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.json import strict_constant

from recognition.errors import ImageTooLarge

# Bounds of a JSON body: commas and brackets, levels of nesting. The contracts need less: lists of 1,000 entries, texts
# of 10,000 characters (which may all be commas), 3 levels.
_MOST_PARTS, _MOST_LEVELS = 12_000, 16


class Negotiation(BaseContentNegotiation):
    """Render the dialect's one format, whatever the Accept header asks for."""

    def select_parser(self, request: Request, parsers: list[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        """Choose the parser by content type."""
        kind = request.content_type.split(";")[0].strip().lower()
        parser = next((parser for parser in parsers if parser.media_type == kind), None)
        packed = request.headers.get("Content-Encoding", "").strip().lower() in {"gzip", "x-gzip"}
        return _Unpacked(parser) if parser and packed else parser

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Choose the first renderer."""
        return renderers[0], str(renderers[0].media_type)


class Json(JSONParser):
    """A parser of JSON bodies that bounds their number of parts and their nesting."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body."""
        return read_json(stream.read())


class Raw(BaseParser):
    """A parser that returns the body as it is."""

    def __init__(self, media_type: str) -> None:
        """Take bodies of this type."""
        self.media_type = media_type.split(";", maxsplit=1)[0].strip().lower()

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the body's bytes."""
        return stream.read()


class Form(MultiPartParser):
    """A parser of multipart forms that accepts file names in any encoding; the names are not used.

    The parts called `files` are files even without a file name.
    """

    files: ClassVar[frozenset[str]] = frozenset()

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the fields and files."""
        return super().parse(_LegibleHeaders(stream, self.files), media_type, parser_context)  # type: ignore[arg-type]


class _Unpacked(BaseParser):
    """A parser of gzip'd bodies: what they unpack to has the same limit as other bodies."""

    def __init__(self, parser: BaseParser) -> None:
        """Wrap the parser of the content type."""
        self._parser = parser

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Unpack the body and parse it.

        Raises:
            rest_framework.exceptions.ParseError: it is not gzip.
            ImageTooLarge: it unpacks to more than MAX_BODY_BYTES.
        """
        packed, most = stream.read(), settings.MAX_BODY_BYTES
        try:
            body = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(most + 1)
        except (OSError, EOFError, zlib.error):
            raise ParseError("The body is not gzip.") from None
        if len(body) > most:
            raise ImageTooLarge(limit=most, actual=len(body), unit="bytes")
        return self._parser.parse(io.BytesIO(body), media_type, parser_context)


class _LegibleHeaders:
    """A form's stream with part headers that Django reads as meant.

    It puts question marks for non-UTF-8 bytes, since Django would skip such a part, and a file name where a file has
    none, since Django would take it for text.
    """

    _NAMED = re.compile(rb';\s*name="?([^";]*)')
    _FILE = re.compile(rb';\s*filename\*?="?[^";]', re.IGNORECASE)
    _HEADER = re.compile(rb"^Content-Disposition:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
    _LONGEST = 1024

    def __init__(self, stream: IO[bytes], files: Collection[str] = ()) -> None:
        """Wrap the stream; an incomplete line is held back until the rest of it is read."""
        self._stream = stream
        self._files = {name.encode() for name in files}
        self._held = b""

    def read(self, size: int) -> bytes:
        """Return about `size` bytes; an empty result only at the end of the stream."""
        while True:
            read = self._stream.read(size)
            chunk = self._held + read
            line = chunk.rfind(b"\n") + 1
            if not read or len(chunk) - line > self._LONGEST:
                line = len(chunk)
            chunk, self._held = chunk[:line], chunk[line:]
            if chunk or not read:
                return self._HEADER.sub(self._legible, chunk)

    def _legible(self, header: re.Match[bytes]) -> bytes:
        named = self._NAMED.search(header[0])
        nameless = named and named[1] in self._files and not self._FILE.search(header[0])
        text = header[0] + b'; filename="file"' if nameless else header[0]
        try:
            text.decode()
        except UnicodeDecodeError:
            return text.decode("ascii", "replace").replace("\ufffd", "?").encode()
        return text


def read_json(body: bytes) -> Any:
    """Parse JSON with a bounded number of parts and levels: a million parts take a minute and 100 times their bytes.

    Every value but the first follows a comma or a bracket, so these are counted before parsing. Base64 contains
    neither; commas inside texts are counted too. A byte order mark before it, as .NET writes, is skipped.

    Raises:
        rest_framework.exceptions.ParseError: not JSON, too many parts, or nested too deep.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_PARTS:
        raise ParseError("The body has too many parts.")
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=strict_constant)
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
