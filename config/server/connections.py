"""Limits on connections: how many there are, how long one may be idle, how slowly an answer may be read.

uvicorn sets no time limit for a connection's first request, nor for reading an answer. Here a request's head must
arrive within `head_seconds`, and an answer must be read at MIN_BYTES_PER_SECOND, measured by what the socket accepted.
File descriptors bound the number of connections: at the limit, the address with the most connections loses the one
that has been idle longest.
"""

import asyncio
import resource
from collections import Counter
from typing import Any, ClassVar

from django.conf import settings
from uvicorn.protocols.http.h11_impl import H11Protocol

from config.server.sharing import Listener

MIN_BYTES_PER_SECOND = 100_000  # a client must read a large answer this fast, beyond REQUEST_SECONDS
_OWN_DESCRIPTORS = 256  # databases, files, pipes
_MOST = 4000  # a connection may hold some 64 kB of a head
_ANSWERS_BYTES = 256_000_000  # answers in memory that wait for slow readers, all connections together


class Connection(H11Protocol):
    """A client's connection."""

    head_seconds: ClassVar[int] = min(15, settings.REQUEST_SECONDS)
    most: ClassVar[int] = max(16, min(_MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OWN_DESCRIPTORS))
    # Connections and their deadlines: those without a request, and those whose client reads its answer too slowly.
    _idle: ClassVar[dict["Connection", float]] = {}
    _slow: ClassVar[dict["Connection", float]] = {}
    listener: ClassVar[Listener]

    @classmethod
    def sweep(cls) -> None:
        """End connections that are past their deadline; called a few times a second."""
        for waiting in (cls._idle, cls._slow):
            for each, deadline in list(waiting.items()):
                if deadline <= each.loop.time() and not (waiting is cls._idle and each in cls._slow):
                    each.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept it; with too many connections, end another one."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self.most:
            _longest_waiting(self.connections, self._idle).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.listener.closed()
        self._idle.pop(self, None)
        self._slow.pop(self, None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle received data; once a request has begun, the bridge sets its deadline."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._idle.pop(self, None)

    def send_400_response(self, msg: str) -> None:
        """Refuse malformed HTTP; if an answer has begun, only close the connection."""
        if self.cycle is not None and self.cycle.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait_for_head()
        super().on_response_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Still answer a client that has closed its sending side; the bridge notices a truncated body."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        if self.cycle.more_body and any(name == b"transfer-encoding" for name, _ in self.headers):
            return False  # a truncated chunked body would look complete
        self.cycle.keep_alive = self.cycle.more_body = False
        self.cycle.message_event.set()
        return True

    def pause_writing(self) -> None:
        """Set a deadline for reading the buffered answer; with too many bytes buffered, end the oldest connection."""
        size = self.transport.get_write_buffer_size()
        self._slow[self] = self.loop.time() + settings.REQUEST_SECONDS + size / MIN_BYTES_PER_SECOND
        held = {each: each.transport.get_write_buffer_size() for each in self._slow}
        if sum(held.values()) > _ANSWERS_BYTES:
            next(iter(held)).transport.abort()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Continue the answer."""
        self._slow.pop(self, None)
        if self in self._idle:
            self._wait_for_head()
        super().resume_writing()

    def _wait_for_head(self) -> None:
        self._idle.pop(self, None)  # the dictionary is ordered by the start of waiting
        self._idle[self] = self.loop.time() + self.head_seconds


def _longest_waiting(connections: set[Any], idle: dict[Connection, float]) -> Connection:
    """Return a connection of the address with the most: the longest idle, else one that waits for a body, else any."""
    address = Counter(map(_address, connections)).most_common(1)[0][0]
    own = [each for each in connections if _address(each) == address]
    waiting = (each for each in idle if _address(each) == address)  # longest first
    bodies = (each for each in own if each.cycle is not None and each.cycle.more_body)
    chosen: Connection = next(waiting, None) or next(bodies, None) or own[0]
    return chosen


def _address(connection: Any) -> str:  # noqa: ANN401 -- uvicorn's union of protocols
    return connection.client[0] if connection.client else ""
