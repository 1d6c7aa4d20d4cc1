"""From uvicorn's event loop to Django's threads.

A body small enough to be anybody's is read before a thread is taken. Of a larger one Django is shown the head alone:
where the view first looks at the body, having found the caller, `BodyWanted` ends the attempt; the thread is free
while the body comes, and Django is asked again when it is there. What refuses without looking leaves the
body unread. Chunked bodies are counted as they come and bounded alike.

Every request ends: a body within REQUEST_SECONDS, and the answer within as many more. PostgreSQL ends a statement that
takes too long by itself; a wait for a server, a network or a proxy that says nothing any more would last for ever: the
event loop shuts the sockets under it, and the driver raises OperationalError.
"""

import asyncio
import io
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.requests import address_of
from config.server.connections import PACE
from config.server.lanes import Crowded, Lanes, UnderWay
from tenants.access import CROWDED

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONNECT_SECONDS = 2  # what a new connection to the database may take
_ANSWER_BYTES = 2_000_000  # of an answer that is handed over whole, so that its thread need not wait for its reader
_SPARE_THREADS = 2  # for what needs no database: static files and the probe of the process
_SPARE = re.compile(rf"({re.escape(settings.URL_PREFIX)})?(/static/|/healthz$)")
_BODILESS = {204, 304}
_OWN_HEADERS = {b"content-length", b"transfer-encoding"}
_KEPT = "faceplane."  # what the first attempt found out, for the second


class BodyWanted(BaseException):
    """The view looks at a body that is still to come."""


class _Wanted(io.RawIOBase):
    """A body that nobody has asked the client for yet."""

    def read(self, size: int = -1) -> bytes:
        raise BodyWanted

    def readline(self, size: int | None = -1) -> bytes:
        raise BodyWanted


class _Broken(io.RawIOBase):
    """A body that ended too early."""

    def read(self, size: int = -1) -> bytes:
        message = "The body ended too early."
        raise OSError(message)

    def readline(self, size: int | None = -1) -> bytes:
        return self.read()


class _Gone(Exception):
    """The client has left."""


class Bridge:
    """An ASGI application that calls a WSGI application in threads."""

    def __init__(self, application: "WSGIApplication", *, threads: int) -> None:
        """Keep the application, and so many threads for it."""
        self._application = application
        self._threads = ThreadPoolExecutor(threads, "request")
        self._spare = ThreadPoolExecutor(_SPARE_THREADS, "spare")
        self._lanes = Lanes(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        body = _Body(scope, receive)
        if body.ambiguous:
            await _refuse(send, 400, "The length of the body is said twice.")
            return
        try:
            environ = _environ(scope)
        except ValueError:
            await _refuse(send, 400, "The address is none.")
            return
        with suppress(_Gone):
            try:
                with self._lanes.under_way(environ, address_of(environ)) as request:
                    await self._exchange(environ, body, send, request)
            except Crowded:
                await self._answered(environ | {CROWDED: True, "wsgi.input": _Broken()}, body, send)

    async def _exchange(self, environ: dict[str, Any], body: "_Body", send: Send, request: UnderWay) -> None:
        """Read the body, or have the view ask for it, and answer.

        Raises:
            Crowded: it would have to wait for too long, or too many wait already; nothing was answered.
        """
        if body.announced <= settings.STRANGER_BYTES:
            await self._take(body, settings.STRANGER_BYTES)
        async with AsyncExitStack() as memory:
            if not body.complete and not body.broken:
                head = environ | {"wsgi.input": _Wanted()}
                if await self._answered(head, body, send, request):
                    return
                environ |= {name: value for name, value in head.items() if name.startswith(_KEPT)}
                size = min(body.announced or settings.MAX_BODY_BYTES, settings.MAX_BODY_BYTES)
                due = asyncio.get_running_loop().time() + settings.REQUEST_SECONDS
                await _in_time(memory.enter_async_context(self._lanes.bodies.hold(request.lane, size)), due)
                await self._take(body, settings.MAX_BODY_BYTES)
            given = io.BytesIO(body.data) if body.complete else _Broken()
            await self._answered(environ | {"wsgi.input": given}, body, send, request)

    async def _take(self, body: "_Body", most: int) -> None:
        """Take the body as far as it comes in time and is not too large."""
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.REQUEST_SECONDS):
                while not body.complete and not body.broken and len(body.data) <= most:
                    await body.more()
                return
        body.broken = True

    async def _answered(
        self, environ: dict[str, Any], body: "_Body", send: Send, request: UnderWay | None = None
    ) -> bool:
        """Have Django answer in a thread, and send it; return False if it wants the body first.

        Raises:
            Crowded: see _exchange.
        """
        environ["CONTENT_LENGTH"] = str(max(body.announced, len(body.data)))
        call = _Call(self._application, environ, _Answer(send, close=not body.complete))
        watching = asyncio.create_task(call.watch())
        try:
            rest = await self._called(call, environ, request)
        except BodyWanted:
            return False
        finally:
            watching.cancel()
        await call.answer.rest(rest)
        if not body.complete:  # a connection that is closed on what the client still sends would take the answer along
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.REQUEST_SECONDS):
                    await body.drop()
        await call.answer.end()
        return True

    async def _called(self, call: "_Call", environ: dict[str, Any], request: UnderWay | None) -> bytes:
        """Call Django in a thread, and learn whose request it is; without a request in a thread that is spare."""
        loop = asyncio.get_running_loop()
        if request is None or _SPARE.match(environ["PATH_INFO"]):
            return await loop.run_in_executor(self._spare, call.run)
        async with AsyncExitStack() as thread:
            await _in_time(thread.enter_async_context(self._lanes.threads.hold(request.lane)), call.due)
            try:
                rest = await loop.run_in_executor(self._threads, call.run)
            except BodyWanted:
                if lanes := self._lanes.learn(environ):
                    request.move(lanes)
                raise
            self._lanes.learn(environ)
            return rest


async def _in_time(turn: Coroutine[Any, Any, None], due: float) -> None:
    """Wait for one's turn.

    Raises:
        Crowded: it does not come in time.
    """
    try:
        async with asyncio.timeout_at(due):
            await turn
    except TimeoutError:
        raise Crowded from None


class _Body:
    """What of a request's body has come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Learn from the head what is to come; uvicorn has looked at the syntax."""
        self._receive = receive
        lengths = [int(value) for name, value in scope["headers"] if name == b"content-length"]
        chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        self.ambiguous = chunked and bool(lengths)
        self.announced = lengths[0] if lengths else 0
        self.data = bytearray()
        self.complete = not chunked and not self.announced
        self.broken = False

    async def more(self) -> int:
        """Wait for more; return how many bytes came.

        Raises:
            _Gone: the client has left.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        self.data += message["body"]
        if not message["more_body"]:
            self.broken = len(self.data) < self.announced
            self.complete = not self.broken
        return len(message["body"])

    async def drop(self) -> None:
        """Let the rest come and go."""
        while (message := await self._receive())["type"] != "http.disconnect" and message["more_body"]:
            pass


class _Answer:
    """What Django answers, on its way to the client."""

    def __init__(self, send: Send, *, close: bool) -> None:
        """Keep the way; `close` ends the connection afterwards."""
        self._send = send
        self._headers = [(b"connection", b"close")] if close else []
        self._start: Message | None = None

    def start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        """Take status and headers, as WSGI hands them over."""
        for name, value in headers:  # Django's cookies begin with a space
            self._headers.append((name.lower().encode("latin-1"), value.strip().encode("latin-1")))
        self._start = {"type": "http.response.start", "status": int(status[:3]), "headers": self._headers}
        return bytes  # WSGI's old way to write, which Django does not know

    async def piece(self, data: bytes) -> None:
        """Send a part of the body; wait while the client takes too little."""
        if self._start:
            await self._send(self._start)
            self._start = None
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def rest(self, data: bytes) -> None:
        """Send all of the body that is left; say how long it is if nothing was sent before."""
        told = any(name == b"content-length" for name, _ in self._headers)
        if self._start and not told and self._start["status"] not in _BODILESS:
            self._headers.append((b"content-length", str(len(data)).encode()))
        await self.piece(data)

    async def end(self) -> None:
        """Say that this was all."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Call:
    """A call of Django in a thread, and its deadline."""

    def __init__(self, application: "WSGIApplication", environ: dict[str, Any], answer: _Answer) -> None:
        """Begin the deadline: what is shut down is tried once more over a new connection, so it is earlier by that."""
        self.answer = answer
        self._application = application
        self._environ = environ
        self._loop = asyncio.get_running_loop()
        self.due = self._loop.time() + settings.REQUEST_SECONDS - CONNECT_SECONDS
        self._database: BaseDatabaseWrapper | None = None

    async def watch(self) -> None:
        """Shut the database's socket when the request is late, and whatever is connected in its place."""
        while True:
            await asyncio.sleep(max(1, self.due - self._loop.time()))
            if self._database and self.due <= self._loop.time():
                _shut(self._database)

    def run(self) -> bytes:
        """Call Django, in a thread; return what is still to be sent of the answer's body."""
        if self.due <= self._loop.time():
            self.answer.start("503 Service Unavailable", [("Retry-After", "2"), ("Content-Type", "text/plain")])
            return b"All threads are at work. Try again in a moment."
        self._database = connections[DEFAULT_DB_ALIAS]
        pieces = self._application(self._environ, self.answer.start)
        try:
            return self._collected(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _collected(self, pieces: Iterable[bytes]) -> bytes:
        """Gather the body; of a long one, send what there is and go on."""
        data = bytearray()
        for piece in pieces:
            data += piece
            if len(data) > _ANSWER_BYTES:
                sent = asyncio.run_coroutine_threadsafe(self.answer.piece(bytes(data)), self._loop)
                sent.result()
                self.due += len(data) / PACE
                data.clear()
        return bytes(data)


def _shut(database: BaseDatabaseWrapper) -> None:
    """Shut the socket under a connection to PostgreSQL; SQLite has none, and its own limit on waiting."""
    raw: Any = database.connection
    if database.vendor != "postgresql" or raw is None or raw.closed:
        return
    with suppress(OSError, psycopg.Error):  # it may be down already
        line = socket.socket(fileno=raw.fileno())
        try:
            line.shutdown(socket.SHUT_RDWR)
        finally:
            line.detach()  # it is the driver's to close


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _environ(scope: Scope) -> dict[str, Any]:
    """Say in WSGI's terms what was asked.

    Raises:
        ValueError: the whole URL that was asked for is none.
    """
    target = scope["raw_path"]
    if not target.startswith(b"/"):  # a whole URL, as proxies are asked for it
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
        if b"_" in name or name in _OWN_HEADERS:  # X_Forwarded_For would stand where X-Forwarded-For belongs
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
