"""Every request ends: with an answer in time, or with a refusal soon after its deadline.

PostgreSQL ends a statement that takes too long by itself. What it cannot end is a wait for a server, a network or a
proxy that says nothing any more: the driver would wait for ever. One watching thread a process shuts the socket of a
request that is past its deadline, so the wait becomes an OperationalError and the request an answer.
"""

import heapq
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONNECT_SECONDS = 2  # what a new connection to the database may take
RETRY_SECONDS = "2"


class Watch:
    """The requests under way with their deadlines, and the thread that holds them to these."""

    def __init__(self) -> None:
        """Start without a thread: a server forks first."""
        self._changed = threading.Condition()
        self._numbers = count()
        self._due: list[tuple[float, int]] = []
        self._under_way: dict[int, BaseDatabaseWrapper] = {}
        self._watching = 0

    def begin(self, seconds: float, database: BaseDatabaseWrapper) -> int:
        """Watch over a request that uses this connection; return the number to end it by."""
        with self._changed:
            number = next(self._numbers)
            self._under_way[number] = database
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
                    _shut(self._under_way[heapq.heappop(self._due)[1]])
                else:
                    self._changed.wait(wait)


def _shut(database: BaseDatabaseWrapper) -> None:
    """Shut the socket under a connection to PostgreSQL; SQLite has none, and its own limit on waiting."""
    raw: Any = database.connection
    if database.vendor != "postgresql" or raw is None or raw.closed:
        return
    with socket.socket(fileno=os.dup(raw.fileno())) as line, suppress(OSError):  # it may be down already
        line.shutdown(socket.SHUT_RDWR)


_watch = Watch()


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
        with self._watched():
            return _Body(self._application(environ, start_response), self._watched)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        number = _watch.begin(self._seconds - CONNECT_SECONDS, connections[DEFAULT_DB_ALIAS])
        try:
            yield
        finally:
            _watch.end(number)


class _Body:
    """An answer's body. Django makes it without the database, and looks at its connections again when it is closed."""

    def __init__(self, body: Iterable[bytes], watched: Callable[[], AbstractContextManager[None]]) -> None:
        self._body = body
        self._watched = watched

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the body, under a watch of its own."""
        with self._watched():
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
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        headers = {"Retry-After": RETRY_SECONDS}
        return HttpResponse("The database does not answer. Try again in a moment.", status=503, headers=headers)
