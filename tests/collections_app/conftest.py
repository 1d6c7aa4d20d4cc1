"""Fixtures that several files here use."""

import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.collections_app.doors import Door
from tests.collections_app.erasures import stored  # noqa: F401 -- a fixture
from tests.collections_app.receivers import receiver  # noqa: F401 -- a fixture
from tests.collections_app.urls import ZONE
from tests.conftest import Customer

_connections: list[Any] = []
_watching = threading.Event()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _watching.is_set():
        _connections.append(arguments[1])


sys.addaudithook(_watch)  # sees the connections of every library; a hook cannot be removed


@pytest.fixture
def connections() -> Iterator[list[Any]]:
    """Every address that a socket was connected to."""
    _connections.clear()
    _watching.set()
    yield _connections
    _watching.clear()


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for .example from ZONE; addresses and localhost go to the real resolver, which asks nobody for them."""
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **how: Any) -> list[Any]:
        if not host.rstrip(".").endswith(".example"):
            return real(host, port, *rest, **how)
        if host not in ZONE:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ZONE[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def local(settings: Any) -> None:
    """Allow local addresses."""
    settings.ALLOW_PRIVATE_URLS = True


@pytest.fixture
def door(acme: Customer) -> Door:
    """Two people at it."""
    return Door(acme)
