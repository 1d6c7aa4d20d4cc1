"""Connections are shared between the processes of the web server."""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from config.server.sharing import Listener, counts, memory

Pair = tuple[Listener, Listener]


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def pair(clients: ExitStack) -> Pair:
    """The listeners of two processes on one socket, which accept connections."""
    first = clients.enter_context(socket.create_server(("127.0.0.1", 0)))
    first.settimeout(0)
    shared = memory()
    listeners = []
    for place in (3, 7):
        listener = clients.enter_context(Listener(fileno=os.dup(first.fileno())))
        listener.share(counts(shared), place)
        listeners.append(listener)
    clients.callback(os.close, shared)
    return listeners[0], listeners[1]


def _connect(clients: ExitStack, listener: Listener) -> None:
    clients.enter_context(socket.create_connection(listener.getsockname()))


def _accepts(clients: ExitStack, listener: Listener) -> bool:
    """Return whether it accepts a connection, of which one waits."""
    assert select.select([listener], [], [], 10)[0]
    try:
        clients.enter_context(listener.accept()[0])
    except BlockingIOError:
        return False
    return True


def test_a_process_leaves_a_connection_to_one_that_has_fewer(clients: ExitStack, pair: Pair) -> None:
    first, second = pair
    for _ in range(4):
        _connect(clients, first)
    assert [_accepts(clients, one) for one in (first, first, second, first, first, second)] == [
        *(True, False, True),
        *(True, False, True),
    ]
    first.closed()
    _connect(clients, first)
    _connect(clients, first)
    assert [_accepts(clients, one) for one in (second, first, first)] == [False, True, True]


def test_one_that_has_left_or_does_not_accept_keeps_nobody_waiting(clients: ExitStack, pair: Pair) -> None:
    first, second = pair
    for _ in range(3):
        _connect(clients, first)
    assert _accepts(clients, first)
    tries = 1
    while not _accepts(clients, first):  # the second one is busy
        tries += 1
    assert 2 <= tries < 40
    second.leave()
    assert _accepts(clients, first)
