"""The WSGI side of the bridge: one call of Django in a thread, with a deadline.

Every call ends. PostgreSQL itself ends a statement that takes too long (statement_timeout), but waiting for a
database, a network or a pooler that has gone silent could last for ever. So at the deadline the event loop shuts down
the socket of the database connection (the thread's, or the committer's if it waits for a group commit), and the driver
raises OperationalError.
"""

import asyncio
import io
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.server.connections import MIN_BYTES_PER_SECOND
from tenants import commits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]

CONNECT_SECONDS = 2  # the limit for opening a new database connection
_BUFFERED_BYTES = 2_000_000  # an answer up to this size is handed over whole: its thread need not wait for the reader
_BODILESS = {204, 304}
_LENGTH_HEADERS = {b"content-length", b"transfer-encoding"}


class BodyNeeded(BaseException):
    """The view reads a body that has not been received yet. A BaseException, so that no view catches it."""


class UnreceivedBody(io.RawIOBase):
    """The `wsgi.input` of a request whose body has not been received: reading it raises BodyNeeded."""

    def read(self, size: int = -1) -> bytes:
        """Raise BodyNeeded."""
        raise BodyNeeded

    def readline(self, size: int | None = -1) -> bytes:
        """Raise BodyNeeded."""
        raise BodyNeeded


class TruncatedBody(io.RawIOBase):
    """The `wsgi.input` of a request whose body ended early: reading it raises OSError."""

    def read(self, size: int = -1) -> bytes:
        """Raise OSError."""
        message = "The body ended too early."
        raise OSError(message)

    def readline(self, size: int | None = -1) -> bytes:
        """Raise OSError."""
        return self.read()


class Response:
    """Sends Django's answer to the client."""

    def __init__(self, send: Send, *, close: bool) -> None:
        """Keep `send`; with `close` the connection is closed after the answer."""
        self._send = send
        self._headers = [(b"connection", b"close")] if close else []
        self._start: Message | None = None

    def start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        """Accept status and headers: WSGI's `start_response`."""
        for name, value in headers:  # Django's cookies begin with a space
            self._headers.append((name.lower().encode("latin-1"), value.strip().encode("latin-1")))
        self._start = {"type": "http.response.start", "status": int(status[:3]), "headers": self._headers}
        return bytes  # WSGI's legacy write(), which Django never calls

    async def send_part(self, data: bytes) -> None:
        """Send a part of the body; wait while the client reads too slowly."""
        if self._start:
            await self._send(self._start)
            self._start = None
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def send_last(self, data: bytes) -> None:
        """Send the last part of the body; add Content-Length if this is the whole of it."""
        has_length = any(name == b"content-length" for name, _ in self._headers)
        if self._start and not has_length and self._start["status"] not in _BODILESS:
            self._headers.append((b"content-length", str(len(data)).encode()))
        await self.send_part(data)

    async def end(self) -> None:
        """Mark the answer as complete."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class WsgiCall:
    """A call of Django in a thread, and its deadline."""

    def __init__(self, application: "WSGIApplication", environ: dict[str, Any], response: Response) -> None:
        """Start the clock.

        After its socket is shut down, Django tries a new connection once; the deadline is earlier by CONNECT_SECONDS.
        """
        self.response = response
        self._application = application
        self._environ = environ
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + settings.REQUEST_SECONDS - CONNECT_SECONDS
        self._database: BaseDatabaseWrapper | None = None

    async def enforce_deadline(self) -> None:
        """Shut down the database's socket at the deadline, and each new one that is opened after it."""
        while True:
            await asyncio.sleep(max(1, self.deadline - self._loop.time()))
            if self._database and self.deadline <= self._loop.time():
                _shut_down(commits.waits_for(self._database))

    def run(self) -> bytes:
        """Call Django, in a thread; return the part of the body that is still to be sent."""
        if self.deadline <= self._loop.time():
            self.response.start("503 Service Unavailable", [("Retry-After", "2"), ("Content-Type", "text/plain")])
            return b"All threads are at work. Try again in a moment."
        self._database = connections[DEFAULT_DB_ALIAS]
        parts = self._application(self._environ, self.response.start)
        try:
            return self._collect(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def _collect(self, parts: Iterable[bytes]) -> bytes:
        """Join the parts of the body; send a long one in between, and extend the deadline for its reader."""
        data = bytearray()
        for part in parts:
            data += part
            if len(data) > _BUFFERED_BYTES:
                asyncio.run_coroutine_threadsafe(self.response.send_part(bytes(data)), self._loop).result()
                self.deadline += len(data) / MIN_BYTES_PER_SECOND
                data.clear()
        return bytes(data)


def _shut_down(database: BaseDatabaseWrapper) -> None:
    """Shut down the socket of a PostgreSQL connection; SQLite has none, and limits its waiting itself."""
    raw: Any = database.connection
    if database.vendor != "postgresql" or raw is None or raw.closed:
        return
    with suppress(OSError, psycopg.Error):  # it may be closed already
        connection = socket.socket(fileno=raw.fileno())
        try:
            connection.shutdown(socket.SHUT_RDWR)
        finally:
            connection.detach()  # the driver closes the descriptor


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """Return the WSGI environ of an ASGI scope, without `wsgi.input` and CONTENT_LENGTH.

    Raises:
        ValueError: the request target is a malformed absolute URL.
    """
    target = scope["raw_path"]
    if not target.startswith(b"/"):  # the absolute form, as sent to proxies
        target = urlsplit(target).path
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(target).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name in _LENGTH_HEADERS:  # X_Forwarded_For must not pass for X-Forwarded-For
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
