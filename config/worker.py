"""The web server's worker: a thread is for a request that is there, never for one that may still come.

gunicorn's threaded worker waits in a thread for the first byte and the head, and in its loop for a client to hang up. A
few clients that say nothing would stop it. Here the loop takes what comes, from all connections at once, and a thread
goes on when the head is there, and with it a body that is small enough to be anybody's. A larger one is read by the
view, which knows the caller by then; config.deadlines ends it when it is late.
"""

import re
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from gunicorn.http.body import LengthReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

_CHUNK = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?:\r\n|$)", re.IGNORECASE)
_NO_LENGTH = {1: 0}
_EXPECTS = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class _Request(Request):  # type: ignore[misc]  # gunicorn has no types
    """A request that knows whether its body is here."""

    def set_body_reader(self) -> None:
        """Ask nobody for a body that has come already."""
        super().set_body_reader()
        self._expected_100_continue &= not self._here()

    def should_close(self) -> bool:
        """Keep no connection on which a refused body is still to come."""
        return bool(super().should_close()) or not self._here()

    def _here(self) -> bool:
        body = self.body.reader
        return isinstance(body, LengthReader) and body.length <= len(self.unreader.buf.getvalue())


class _Parser(RequestParser):  # type: ignore[misc]  # gunicorn has no types
    mesg_class = _Request


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Threads for requests, and a loop for everything that has to be waited for."""

    def enqueue_req(self, conn: TConn) -> None:
        """Give the connection to a thread, now or when what it has to say has come."""
        if self.cfg.is_ssl:  # only a thread can unwrap it
            super().enqueue_req(conn)
            return
        if not conn.initialized:
            conn.initialized = True
            conn.parser = _Parser(self.cfg, conn.sock, conn.client)
        conn.sock.settimeout(0)
        if _has_come(conn):
            super().enqueue_req(conn)
        else:
            self._wait(conn, self.on_pending_socket_readable)

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Take what has come."""
        if _has_come(conn):
            self._end_wait(conn)
            super().enqueue_req(conn)

    def finish_request(self, conn: TConn, done: "Future[Any]") -> None:
        """Keep the connection, or end it without waiting for the client to do so."""
        if not done.cancelled() and not done.exception() and done.result():
            super().finish_request(conn, done)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client was quicker
            self._close(conn)
        else:
            self._wait(conn, self._drop)

    def _drop(self, conn: TConn, client: socket.socket) -> None:
        """Drop what the client still sends: a connection that is closed on it would take the answer along."""
        with suppress(BlockingIOError):
            if not _received(client):
                self._end_wait(conn)
                self._close(conn)

    def _wait(self, conn: TConn, go_on: Callable[[TConn, socket.socket], None]) -> None:
        """Go on when something comes; after a request's time `murder_pending` closes the connection."""
        conn.sock.settimeout(0)
        conn.timeout = time.monotonic() + (settings.REQUEST_SECONDS if self.alive else STOP_KEEPALIVE_LINGER)
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(go_on, conn))

    def _end_wait(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Let a worker that stops wait for nobody's next request, and for nobody's first."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


def _received(client: socket.socket) -> bytes:
    """Return what lies there, nothing if the client is gone.

    Raises:
        BlockingIOError: nothing lies there yet.
    """
    try:
        return client.recv(_CHUNK)
    except BlockingIOError:
        raise
    except OSError:
        return b""


def _has_come(conn: TConn) -> bool:
    """Take what lies there; say whether a thread has nothing more to wait for."""
    buffer = conn.parser.unreader.buf
    before = said = buffer.getvalue()
    with suppress(BlockingIOError):
        more = _received(conn.sock)
        if not more:
            return True  # for the parser to find
        buffer.seek(len(before))
        buffer.write(more)
        said += more
    head, end, body = said.partition(_HEAD_END)
    if not end:
        return _is_too_long(conn, head)
    length = int((_LENGTH.search(head) or _NO_LENGTH)[1])
    if len(body) >= length or length > settings.STRANGER_BYTES:
        return True
    if _HEAD_END not in before and _EXPECTS.search(head):
        with suppress(OSError):
            conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return False


def _is_too_long(conn: TConn, head: bytes) -> bool:
    """Cut off a head that does not end, for the parser to find."""
    if len(head) <= settings.STRANGER_BYTES:
        return False
    with suppress(OSError):
        conn.sock.shutdown(socket.SHUT_RD)
    return True
