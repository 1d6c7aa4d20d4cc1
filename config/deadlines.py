"""Every request ends: with an answer in time, or with a refusal soon after its deadline.

PostgreSQL ends a statement that takes too long by itself. What it cannot end is a wait for a server, a network or a
proxy that says nothing any more: the driver would wait for ever. One watching thread a process shuts the sockets of a
request that is past its deadline: the database's, so that the wait becomes an OperationalError, and the client's where
its body is still being read, so that the wait becomes an UnreadablePostError, and the request an answer.
"""

import heapq
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse

from tenants.database import at_fault

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

CONNECT_SECONDS = 2  # what a new connection to the database may take
PACE = 100_000  # bytes a second of an answer that a client has to take, beyond a request's time
RETRY_SECONDS = "2"


class Watch:
    """The requests under way with their deadlines, and the thread that holds them to these."""

    def __init__(self) -> None:
        """Start without a thread: a server forks first."""
        self._changed = threading.Condition()
        self._numbers = count()
        self._due: list[tuple[float, int]] = []
        self._under_way: dict[int, Callable[[], float]] = {}
        self._watching = 0

    def begin(self, seconds: float, late: Callable[[], float]) -> int:
        """Call `late` then, and again after as many seconds as it returns, if any; return the number to end it by."""
        with self._changed:
            number = next(self._numbers)
            self._under_way[number] = late
            heapq.heappush(self._due, (time.monotonic() + seconds, number))
            if self._watching != os.getpid():
                self._watching = os.getpid()
                threading.Thread(target=self._work, name="deadlines", daemon=True).start()
            self._changed.notify()
            return number

    def end(self, number: int) -> None:
        """Leave the request alone from now on."""
        with self._changed:
            del self._under_way[number]

    def _work(self) -> None:
        with self._changed:
            while True:
                while self._due and self._due[0][1] not in self._under_way:
                    heapq.heappop(self._due)
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    number = heapq.heappop(self._due)[1]
                    if more := self._under_way[number]():
                        heapq.heappush(self._due, (time.monotonic() + more, number))
                else:
                    self._changed.wait(wait)


_watch = Watch()


@contextmanager
def _watched(seconds: float, late: Callable[[], float]) -> Iterator[None]:
    number = _watch.begin(seconds, late)
    try:
        yield
    finally:
        _watch.end(number)


def _shut(database: BaseDatabaseWrapper) -> float:
    """Shut the socket under a connection to PostgreSQL; SQLite has none, and its own limit on waiting."""
    raw: Any = database.connection
    if database.vendor == "postgresql" and raw is not None and not raw.closed:
        with socket.socket(fileno=os.dup(raw.fileno())) as line, suppress(OSError):  # it may be down already
            line.shutdown(socket.SHUT_RDWR)
    return 0


class Bounded:
    """A WSGI application whose requests are held to their deadline.

    From before Django's first look at its connections until after its last, which comes when the answer has been sent.
    What is shut down is tried once more over a new connection, so it is shut by as much earlier as connecting may take.
    """

    def __init__(self, application: "WSGIApplication", seconds: float) -> None:
        """Keep the application and how long a request may wait."""
        self._application = application
        self._seconds = seconds

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request under watch."""
        database, line = connections[DEFAULT_DB_ALIAS], environ.get("gunicorn.socket")
        body = environ["wsgi.input"] = _Asked(environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0), line)
        with _watched(self._seconds - CONNECT_SECONDS, lambda: body.shut() or _shut(database)):
            answer = self._application(environ, start_response)
        return _Answer(answer, self._seconds, line, database)


class _Asked:
    """A request's body, which says so when it ends too early."""

    def __init__(self, body: "InputStream", length: int, line: socket.socket | None) -> None:
        self._body = body
        self._left = length
        self._line = line

    def read(self, size: int) -> bytes:
        """Read as many bytes."""
        return self._counted(self._body.read(size), min(size, self._left))

    def readline(self, size: int) -> bytes:
        """Read a line of so many bytes at most."""
        return self._counted(self._body.readline(size), min(1, size, self._left))

    def _counted(self, data: bytes, least: int) -> bytes:
        self._left -= len(data)
        if len(data) < least:
            message = "The body ended too early."
            raise OSError(message)
        return data

    def shut(self) -> float:
        """Let nothing more of it come."""
        if self._left and self._line:
            with suppress(OSError):  # the client may be gone
                self._line.shutdown(socket.SHUT_RD)
        return 0


class _Answer:
    """An answer's body. Django makes it without the database, and looks at its connections again when it is closed."""

    def __init__(
        self, body: Iterable[bytes], seconds: float, line: socket.socket | None, database: BaseDatabaseWrapper
    ) -> None:
        self._body = body
        self._seconds = seconds
        self._line = line
        self._database = database
        self._due = time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        """Hand it to the client, who has to take it."""
        with _watched(self._seconds, self._late):
            for piece in self._body:
                self._due += len(piece) / PACE
                yield piece

    def _late(self) -> float:
        """Leave a client who takes it too slowly."""
        more = self._due - time.monotonic()
        if more <= 0 and self._line:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
        return max(0, more)

    def close(self) -> None:
        """Close the body, under a watch of its own."""
        with _watched(self._seconds - CONNECT_SECONDS, partial(_shut, self._database)):
            if hasattr(self._body, "close"):
                self._body.close()


class DatabaseAway:
    """Answer 503 where a page finds the database gone; a dialect's view has said so in its own words before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Say that it will be back."""
        if not at_fault(exception):
            return None
        headers = {"Retry-After": RETRY_SECONDS}
        return HttpResponse("The database does not answer. Try again in a moment.", status=503, headers=headers)
