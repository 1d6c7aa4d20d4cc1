"""Attacks on a server's connections, and another tenant's client (the neighbour) during them.

    python -m tests.strangers URL NEIGHBOUR_KEY ATTACKER_KEY [ATTACK ...]

prints, for each attack, how long the neighbour waited for a list of faces (p50 and p95, milliseconds) and how many of
its calls failed, and first the same without an attack. Each attack holds its connections for SECONDS.
"""

import asyncio
import contextlib
import http.client
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlsplit

SECONDS = 5
STATIC = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


@dataclass(frozen=True)
class Target:
    """The server under attack, and an attacker's key."""

    host: str
    port: int
    key: str

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect with a small receive buffer; ignore it when the server disconnects."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536
        )  # so that the network buffers little of an answer
        connection.setblocking(False)  # noqa: FBT003
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.get_running_loop().sock_connect(connection, (self.host, self.port))
            reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
            try:
                yield reader, writer
                return
            finally:
                writer.transport.abort()
        raise asyncio.CancelledError  # the server disconnected: this attacker is done


def head(method: str, path: str, *fields: str) -> bytes:
    """Return a request's head."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


async def _send_and_wait(target: Target, *, first: bytes, more: bytes = b"", every: float = 1) -> None:
    """Send `first`, and `more` at an interval in seconds; read nothing."""
    async with target.connected() as (_, writer):
        writer.write(first)
        while True:
            await asyncio.sleep(every)
            writer.write(more)
            await writer.drain()


def _padded_length(target: Target) -> Awaitable[None]:
    """Send a length with leading zeros, and no body."""
    form = ("Content-Type: application/x-www-form-urlencoded", "Cookie: csrftoken=" + "a" * 32)
    return _send_and_wait(target, first=head("POST", "/account/login/", *form, "Content-Length: 0000000000000000009"))


def _not_reading(target: Target) -> Awaitable[None]:
    """Request the largest file, and read nothing."""
    return _send_and_wait(target, first=head("GET", STATIC))


def _silent_key(target: Target) -> Awaitable[None]:
    """Send a valid key, and a body that never comes."""
    fields = ("Content-Type: application/json", f"x-api-key: {target.key}", "Content-Length: 1000000")
    return _send_and_wait(target, first=head("POST", "/api/v1/detect", *fields) + b"{")


def _idle(target: Target) -> Awaitable[None]:
    """Open a connection, and send nothing."""
    return _send_and_wait(target, first=b"")


def _loris(target: Target) -> Awaitable[None]:
    """Send a head that grows by a line a second and never ends."""
    return _send_and_wait(target, first=head("GET", "/healthz")[:-2], more=b"X: y\r\n")


def _endless(target: Target) -> Awaitable[None]:
    """Send a chunked body that never ends."""
    fields = ("Content-Type: application/json", f"x-api-key: {target.key}", "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    return _send_and_wait(target, first=head("POST", "/api/v1/detect", *fields), more=chunk, every=0.01)


ATTACKS: dict[str, tuple[Callable[[Target], Awaitable[None]], int]] = {
    "padded length": (_padded_length, 70),
    "deaf": (_not_reading, 40),
    "silent key": (_silent_key, 40),
    "idle": (_idle, 2000),
    "loris": (_loris, 200),
    "endless chunks": (_endless, 10),
}


class Neighbour:
    """Another tenant's client: one connection, a list of faces twenty times a second."""

    def __init__(self, host: str, port: int, key: str) -> None:
        """Connect on the first call."""
        self._client = http.client.HTTPConnection(host, port, timeout=30)
        self._key = key
        self.failed = 0
        self.waited: list[float] = []

    def call(self) -> bool:
        """List faces; return whether that was answered."""
        try:
            self._client.request("GET", "/faces?collectionId=people&page=1", headers={"x-api-key": self._key})
            answer = self._client.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._client.close()
            return False
        return answer.status == 200

    def run(self, seconds: float) -> None:
        """Call for this many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            self.failed += not self.call()
            self.waited.append(time.monotonic() - began)
            time.sleep(0.05)
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._client.close()

    def milliseconds(self) -> tuple[int, int]:
        """Return p50 and p95."""
        cuts = quantiles(self.waited, n=20, method="inclusive") if len(self.waited) > 1 else self.waited * 20
        return round(1000 * cuts[9]), round(1000 * cuts[18])


@contextlib.contextmanager
def under_attack(target: Target, name: str) -> Iterator[None]:
    """Attack while the block runs."""
    attack, size = ATTACKS[name]
    loop = asyncio.new_event_loop()
    attackers = [loop.create_task(_quiet(attack(target))) for _ in range(size)]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        for each in attackers:
            loop.call_soon_threadsafe(each.cancel)
        loop.call_soon_threadsafe(loop.call_later, 0.2, loop.stop)
        thread.join()
        loop.close()


async def _quiet(attack: Awaitable[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError, OSError):
        await attack


def during(target: Target, neighbour_key: str, name: str, seconds: float = SECONDS) -> Neighbour:
    """Return the neighbour after it has run during an attack."""
    neighbour = Neighbour(target.host, target.port, neighbour_key)
    # Strangers at the same address could use up the address's share, but not that of a key that the process knows. The
    # server may close the neighbour's connection while it rests, so every process has to know it.
    for _ in range(20):
        neighbour.call()
        neighbour.close()
    with under_attack(target, name):
        neighbour.run(seconds)
    return neighbour


def main(url: str, neighbour_key: str, attacker_key: str, *names: str) -> None:
    """Print the table."""
    where = urlsplit(url)
    target = Target(str(where.hostname), int(where.port or 80), attacker_key)
    calm = Neighbour(target.host, target.port, neighbour_key)
    calm.run(SECONDS)
    print("attack", "clients", "p50", "p95", "failed", sep="\t")  # noqa: T201
    print("none", 0, *calm.milliseconds(), calm.failed, sep="\t")  # noqa: T201
    for name in names or ATTACKS:
        harmed = during(target, neighbour_key, name)
        row = (name, ATTACKS[name][1], *harmed.milliseconds(), f"{harmed.failed}/{len(harmed.waited)}")
        print(*row, sep="\t", flush=True)  # noqa: T201
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
