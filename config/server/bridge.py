"""Connects uvicorn's event loop to Django's threads: receives a request's body, has Django answer, sends the answer.

A small body (STRANGER_BYTES, which anybody may send) is received before a thread is used. For a larger one Django is
first called with the head alone. If the view refuses without reading the body (no valid key, say), the body stays
unread. If the view starts to read it, having authenticated the caller, BodyNeeded ends that call and frees the
thread; the body is received, and Django is called again with it. With a credential that was verified before, a body up
to KNOWN_BYTES is received at once, which saves the first call. Chunked bodies are counted as they arrive, under the
same limits.

Every request ends: its body arrives within REQUEST_SECONDS, and the answer follows within as many more.
"""

import asyncio
import io
import re
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from django.conf import settings

from config.requests import address_of
from config.server.lanes import ActiveRequest, Crowded, Lanes
from config.server.wsgi_call import (
    BodyNeeded,
    Message,
    Response,
    Send,
    TruncatedBody,
    UnreceivedBody,
    WsgiCall,
    environ_of,
)
from tenants.access import CROWDED, MOST_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

KNOWN_BYTES = 1_000_000  # a usual picture
_SPARE_THREADS = 2  # for requests that need no database: static files, /healthz, refusals of crowded requests
_SPARE = re.compile(rf"({re.escape(settings.URL_PREFIX)})?(/static/|/healthz$)")
_BODILESS = {"GET", "HEAD", "DELETE", "OPTIONS"}
_KEPT = "faceplane."  # environ entries with this prefix are passed from the first call to the second


class _ClientGone(Exception):
    """The client has disconnected."""


class Bridge:
    """An ASGI application that calls a WSGI application in threads."""

    def __init__(self, application: "WSGIApplication", *, threads: int) -> None:
        """Keep the application, and start a pool of `threads` for it."""
        self._application = application
        self._threads = ThreadPoolExecutor(threads, "request")
        self._spare = ThreadPoolExecutor(_SPARE_THREADS, "spare")
        self._lanes = Lanes(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        body = _Body(scope, receive)
        if body.ambiguous:
            await _refuse(send, 400, "Content-Length and Transfer-Encoding contradict each other.")
            return
        try:
            environ = environ_of(scope)
        except ValueError:
            await _refuse(send, 400, "The request target is not a valid URL.")
            return
        with suppress(_ClientGone):
            try:
                with self._lanes.active(environ, address_of(environ)) as request:
                    await self._exchange(environ, body, send, request)
            except Crowded:  # Django words the refusal as the dialect does
                await self._respond(environ | {CROWDED: True, "wsgi.input": TruncatedBody()}, body, send)

    async def _exchange(self, environ: dict[str, Any], body: "_Body", send: Send, request: ActiveRequest) -> None:
        """Receive the body, before the first call or when the view reads it, and answer.

        Raises:
            Crowded: the request would wait too long, or too many are active; nothing was sent.
        """
        if body.announced <= settings.STRANGER_BYTES:
            await self._receive_body(body, settings.STRANGER_BYTES, request)
        async with AsyncExitStack() as memory:
            if not body.complete and not body.truncated:
                most = min(KNOWN_BYTES, settings.MAX_BODY_BYTES)
                if not (request.known and 0 < body.announced <= most):
                    head = environ | {"wsgi.input": UnreceivedBody()}
                    if await self._respond(head, body, send, request):
                        return
                    environ |= {name: value for name, value in head.items() if name.startswith(_KEPT)}
                    most = environ.get(MOST_BYTES, settings.MAX_BODY_BYTES)
                size = min(body.announced or most, most)
                deadline = asyncio.get_running_loop().time() + settings.REQUEST_SECONDS
                await _wait_for(memory.enter_async_context(self._lanes.bodies.hold(request.lane, size)), deadline)
                await self._receive_body(body, most, request)
            source = io.BytesIO(body.data) if body.complete else TruncatedBody()
            await self._respond(environ | {"wsgi.input": source}, body, send, request)

    async def _receive_body(self, body: "_Body", most: int, request: ActiveRequest) -> None:
        """Receive the body until it is complete or exceeds `most` bytes; a late one counts as truncated.

        Raises:
            Crowded: the request gave way to a newer one.
        """
        patience = asyncio.timeout(settings.REQUEST_SECONDS)
        with self._lanes.receiving(request, patience), suppress(TimeoutError):
            async with patience:
                while not body.complete and not body.truncated and len(body.data) <= most:
                    await body.receive_part()
                return
        body.truncated = True

    async def _respond(
        self, environ: dict[str, Any], body: "_Body", send: Send, request: ActiveRequest | None = None
    ) -> bool:
        """Have Django answer in a thread, and send the answer; return False if the view needs the body first.

        Raises:
            Crowded: see _exchange.
        """
        environ["CONTENT_LENGTH"] = str(max(body.announced, len(body.data)))
        call = WsgiCall(self._application, environ, Response(send, close=not body.complete))
        watching = asyncio.create_task(call.enforce_deadline())
        try:
            last = await self._run(call, environ, request)
        except BodyNeeded:
            return False
        finally:
            watching.cancel()
        await call.response.send_last(last)
        if not body.complete:  # closing while the client still sends would reset the connection and lose the answer
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.REQUEST_SECONDS):
                    await body.discard()
        await call.response.end()
        return True

    async def _run(self, call: WsgiCall, environ: dict[str, Any], request: ActiveRequest | None) -> bytes:
        """Run the call in a thread of the request's lane; a spare thread serves static files and crowded requests."""
        loop = asyncio.get_running_loop()
        if request is None or _SPARE.match(environ["PATH_INFO"]):
            return await loop.run_in_executor(self._spare, call.run)
        async with AsyncExitStack() as thread:
            if environ["REQUEST_METHOD"] not in _BODILESS and not isinstance(environ["wsgi.input"], UnreceivedBody):
                await _wait_for(thread.enter_async_context(self._lanes.with_body.hold(request.lane)), call.deadline)
            await _wait_for(thread.enter_async_context(self._lanes.threads.hold(request.lane)), call.deadline)
            try:
                last = await loop.run_in_executor(self._threads, call.run)
            except BodyNeeded:
                if lanes := self._lanes.learn(environ):
                    request.move(lanes)
                raise
            self._lanes.learn(environ)
            return last


async def _wait_for(share: Coroutine[Any, Any, None], deadline: float) -> None:
    """Wait for a share of threads or memory.

    Raises:
        Crowded: there is none by the deadline.
    """
    try:
        async with asyncio.timeout_at(deadline):
            await share
    except TimeoutError:
        raise Crowded from None


class _Body:
    """A request's body, as far as it was received."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Read the announced length from the head; uvicorn has checked the syntax."""
        self._receive = receive
        lengths = [int(value) for name, value in scope["headers"] if name == b"content-length"]
        chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        self.ambiguous = chunked and bool(lengths)
        self.announced = lengths[0] if lengths else 0
        self.data = bytearray()
        self.complete = not chunked and not self.announced
        self.truncated = False

    async def receive_part(self) -> None:
        """Wait for the next part.

        Raises:
            _ClientGone: the client has disconnected.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        self.data += message["body"]
        if not message["more_body"]:
            self.truncated = len(self.data) < self.announced
            self.complete = not self.truncated

    async def discard(self) -> None:
        """Receive the rest and drop it."""
        while (message := await self._receive())["type"] != "http.disconnect" and message["more_body"]:
            pass


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
