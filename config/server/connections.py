"""Connections: how many there may be, how long one may wait, how slowly an answer may be taken.

uvicorn gives a silent client all the time of the world until its first request, and a deaf one for its answer. Here a
request's head comes within `head_seconds`, and an answer is taken at PACE, measured by what the socket took. There are
no more connections than file descriptors allow; beyond, the address with most of them loses the one that waits longest.
"""

import asyncio
import resource
from collections import Counter
from typing import Any, ClassVar

from django.conf import settings
from uvicorn.protocols.http.h11_impl import H11Protocol

PACE = 100_000  # bytes a second of an answer that a client has to take, beyond a request's time
_OWN_DESCRIPTORS = 256  # databases, files, pipes
_MOST = 4000  # a connection may hold some 64 kB of a head
_ANSWERS_BYTES = 256_000_000  # of answers that wait for their readers


class Connection(H11Protocol):
    """A client's connection."""

    head_seconds: ClassVar[int] = min(15, settings.REQUEST_SECONDS)
    most: ClassVar[int] = max(16, min(_MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OWN_DESCRIPTORS))
    # Connections with the time at which they are late: without a request, and with an answer that waits for its reader.
    _idle: ClassVar[dict["Connection", float]] = {}
    _deaf: ClassVar[dict["Connection", float]] = {}

    @classmethod
    def sweep(cls) -> None:
        """End what is late; called a few times a second."""
        for late in (cls._idle, cls._deaf):
            for each, due in list(late.items()):
                if due <= each.loop.time() and not (late is cls._idle and each in cls._deaf):
                    each.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, and leave another one if there are too many."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self.most:
            _longest_waiting(self.connections, self._idle).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._idle.pop(self, None)
        self._deaf.pop(self, None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what came; a request that has begun is its own deadline's matter."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._idle.pop(self, None)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; if the answer has begun, all that is left is to end the connection."""
        if self.cycle is not None and self.cycle.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait_for_head()
        super().on_response_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has said all it will; a body that ends too early is found to be too short."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        if self.cycle.more_body and any(name == b"transfer-encoding" for name, _ in self.headers):
            return False  # nobody could see that it is too short
        self.cycle.keep_alive = self.cycle.more_body = False
        self.cycle.message_event.set()
        return True

    def pause_writing(self) -> None:
        """Give the reader time for what lies here, and others the room."""
        size = self.transport.get_write_buffer_size()
        self._deaf[self] = self.loop.time() + settings.REQUEST_SECONDS + size / PACE
        held = {each: each.transport.get_write_buffer_size() for each in self._deaf}
        if sum(held.values()) > _ANSWERS_BYTES:
            next(iter(held)).transport.abort()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on with the answer."""
        self._deaf.pop(self, None)
        if self in self._idle:
            self._wait_for_head()
        super().resume_writing()

    def _wait_for_head(self) -> None:
        self._idle.pop(self, None)  # the order is that of waiting
        self._idle[self] = self.loop.time() + self.head_seconds


def _longest_waiting(connections: set[Any], idle: dict[Connection, float]) -> Connection:
    """Return one of the address that has most: one that waits for a request, else for a body, else any."""
    address = Counter(map(_address, connections)).most_common(1)[0][0]
    own = [each for each in connections if _address(each) == address]
    waiting = (each for each in idle if _address(each) == address)  # in the order of waiting
    bodies = (each for each in own if each.cycle is not None and each.cycle.more_body)
    chosen: Connection = next(waiting, None) or next(bodies, None) or own[0]
    return chosen


def _address(connection: Any) -> str:  # noqa: ANN401 -- uvicorn's union of protocols
    return connection.client[0] if connection.client else ""
