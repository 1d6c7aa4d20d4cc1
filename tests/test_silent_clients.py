"""Check 16: clients that send nothing, send a byte a second, or do not read delay nobody else."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.staticfiles import finders

from config.server.connections import MIN_BYTES_PER_SECOND
from tests.make import base64_of, portrait
from tests.processes import environment, prepare, web_server

DEADLINE = 5
THREADS = 2
LARGE = 1_000_000
LIBRARY = "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-standalone-preset.js"


@dataclass(frozen=True)
class Server:
    """Its address, a key, and the folder for temporary files."""

    env: dict[str, str]
    host: str
    port: int
    key: str
    temporary: Path

    def connect(self) -> socket.socket:
        """Connect as a client with a small receive buffer."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        connection.settimeout(4 * DEADLINE)
        connection.connect((self.host, self.port))
        return connection

    @contextmanager
    def crowd(self, data: bytes, size: int = THREADS) -> Iterator[list[socket.socket]]:
        """Open several connections that send this and no more."""
        with ExitStack() as stack:
            connections = [stack.enter_context(self.connect()) for _ in range(size)]
            for connection in connections:
                with suppress(ConnectionError):  # a head that is too long is refused while it is sent
                    connection.sendall(data)
            yield connections

    def alive(self) -> float:
        """Return the seconds until another client is answered."""
        began = time.monotonic()
        with self.client() as client:
            client.request("GET", "/healthz")
            assert client.getresponse().status == 200
        return time.monotonic() - began

    @contextmanager
    def client(self) -> Iterator[http.client.HTTPConnection]:
        """Yield a normal client."""
        client = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            yield client
        finally:
            client.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with one worker process."""
    folder = tmp_path_factory.mktemp("silent")
    temporary = folder / "tmp"
    temporary.mkdir()
    env = environment(folder, REQUEST_SECONDS=str(DEADLINE), WEB_THREADS=str(THREADS))
    key = prepare(env, acme="people")["acme"]
    env["TMPDIR"] = str(temporary)
    with web_server(env, workers=1) as (url, _):
        where = urlsplit(url)
        yield Server(env, str(where.hostname), int(where.port or 0), key, temporary)


def _head(path: str, *fields: str, method: str = "POST") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


FORM = ("Content-Type: application/x-www-form-urlencoded", "Cookie: csrftoken=" + "a" * 32)
FILES = ("Content-Type: multipart/form-data; boundary=x", "Cookie: csrftoken=" + "a" * 32)
STRANGERS = {
    "nothing": b"",
    "half a head": _head("/api/v1/detect")[:-2],
    "a body without a key": _head("/api/v1/detect", f"Content-Length: {LARGE}") + b"{",
    "a small body without a key": _head("/api/v1/detect", "Content-Length: 1000") + b"{",
    "a login": _head("/account/login/", *FORM, "Content-Length: 50000") + b"u",
    "a login that expects 100-continue": _head(
        "/account/login/", *FORM, "Content-Length: 50000", "Expect: 100-continue"
    ),
    "an upload": _head("/account/login/", *FILES, f"Content-Length: {LARGE}") + b"--x\r\n",
    "an upload in chunks": _head("/account/login/", *FILES, "Transfer-Encoding: chunked") + b"5\r\n--x\r\n\r\n",
    "a head without an end": _head("/healthz", *[f"X-{n}: {'x' * 4000}" for n in range(40)])[:-2],
    "a request whose answer is not read": _head("/healthz", "Connection: close", method="GET"),
}


@pytest.mark.parametrize("data", STRANGERS.values(), ids=STRANGERS)
def test_a_silent_stranger_delays_nobody(server: Server, data: bytes) -> None:
    """Check 16: with three such clients per thread, another is answered at once, and no file is written."""
    with server.crowd(data, 3 * THREADS):
        time.sleep(0.2)
        assert server.alive() < DEADLINE / 2
        assert list(server.temporary.glob("*.upload*")) == []


def test_a_silent_client_with_a_key_delays_nobody_and_is_answered_at_the_deadline(server: Server) -> None:
    """Check 16: a client with a key that announces a body occupies no thread until the body arrives."""
    head = _head(
        "/api/v1/detect", "Content-Type: application/json", f"x-api-key: {server.key}", "Content-Length: 100000"
    )
    with server.crowd(head + b"{") as connections:
        time.sleep(0.2)
        assert server.alive() < DEADLINE / 2
        assert b" 400 " in connections[0].recv(4096).partition(b"\r\n")[0]


def test_a_byte_a_second_is_ended_at_the_deadline(server: Server) -> None:
    """Check 16: a trickling body is answered, a trickling head disconnected, both by deadline + 1 s."""
    fields = ("Content-Type: application/json", f"x-api-key: {server.key}", "Content-Length: 100000")
    body, head = server.connect(), server.connect()
    began = time.monotonic()
    with body, head:
        body.sendall(_head("/api/v1/detect", *fields))
        for connection in (body, head):
            connection.settimeout(0.5)
        ended: dict[str, float] = {}
        while len(ended) < 2:
            assert time.monotonic() - began <= DEADLINE + 2
            for name, connection in (("body", body), ("head", head)):
                try:
                    connection.sendall(b"G")
                    answer = connection.recv(4096)
                except TimeoutError:
                    continue
                except ConnectionError:
                    answer = b""
                ended.setdefault(name, time.monotonic() - began)
                assert (b" 400 " in answer) == (name == "body") or ended[name] < time.monotonic() - began
    assert max(ended.values()) <= DEADLINE + 1


def test_a_slow_upload_that_ends_in_time_is_answered(server: Server) -> None:
    """Check 16: a large and a small body, sent in pieces over two seconds, each with a split head."""
    with ThreadPoolExecutor() as pool:
        image = {"image": base64_of(portrait("obama"))}
        calls = {"/api/v1/detect": image, "/api/v1/compare": {"x": "y"}}
        statuses = list(pool.map(lambda call: _slowly(server, *call), calls.items()))
    assert statuses == [200, 422]


def _slowly(server: Server, path: str, body: object) -> int:
    data = json.dumps(body).encode()
    fields = ("Content-Type: application/json", f"x-api-key: {server.key}", f"Content-Length: {len(data)}")
    data = _head(path, *fields) + data
    with server.connect() as connection:
        connection.sendall(data[:30])
        for start in range(30, len(data), len(data) // 10 + 1):
            time.sleep(0.2)
            connection.sendall(data[start : start + len(data) // 10 + 1])
        return int(connection.recv(4096).split()[1])


def test_a_refused_upload_gets_its_answer_and_a_small_one_keeps_the_connection(server: Server) -> None:
    """Check 16: twenty unread megabytes do not lose the answer; after a small body the connection is kept."""
    with server.client() as client:
        for _ in range(2):
            client.request("POST", "/api/v1/detect", b"{}" * 500, {"Content-Type": "application/json"})
            connection, answer = client.sock, client.getresponse()
            assert (answer.status, answer.getheader("Connection")) == (401, None)  # HTTP/1.1 keeps the connection
            answer.read()
        assert connection is client.sock
        client.request("POST", "/api/v1/detect", bytes(20_000_000), {"Content-Type": "application/json"})
        answer = client.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (401, "close")
        assert json.load(answer)["status"] == 401


def test_a_client_that_does_not_read_is_disconnected(server: Server) -> None:
    """Check 16: an answer larger than the network's buffers, unread, is ended; a client that reads gets all of it."""
    path = "/static/" + LIBRARY
    size = Path(str(finders.find(LIBRARY))).stat().st_size
    with server.crowd(_head(path, method="GET"), 10 * THREADS) as connections:
        time.sleep(0.2)
        assert server.alive() < 1
        time.sleep(DEADLINE + size / MIN_BYTES_PER_SECOND + 1)
        assert _taken(connections[0]) < size  # otherwise the network buffered it
        with server.client() as client:
            client.request("GET", path)
            assert len(client.getresponse().read()) == size


def _taken(connection: socket.socket) -> int:
    taken = 0
    with suppress(ConnectionError):
        while data := connection.recv(65_536):
            taken += len(data)
    return taken


def test_a_truncated_body_is_refused(server: Server) -> None:
    """A form without its end is refused, not processed with half a name."""
    key, _, secret = server.key.partition(".")
    access = (f"X-DF-API-ID: {key}", f"X-DF-API-SECRET: {secret}")
    for data, status in ((b"name=visit", 400), (b"name=visitors", 200)):
        with server.connect() as connection:
            connection.sendall(_head("/faceset/v2/create", *access, *FORM, "Content-Length: 13") + data)
            connection.shutdown(socket.SHUT_WR)
            assert int(connection.recv(4096).split()[1]) == status


def test_a_stopping_server_does_not_wait_for_idle_connections(server: Server) -> None:
    """Check 16: at SIGTERM it ends although idle connections are open."""
    with web_server(server.env, workers=1) as (url, process):
        where = urlsplit(url)
        with socket.create_connection((str(where.hostname), int(where.port or 0))):
            time.sleep(0.2)
            began = time.monotonic()
            process.terminate()
            process.wait(timeout=40)
    assert time.monotonic() - began < DEADLINE - 1
