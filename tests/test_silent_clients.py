"""Check 16: clients that say nothing, or a byte a second, or do not listen: the others are answered beside them."""

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
    """Where it is, a key, and the folder in which a temporary file would lie."""

    env: dict[str, str]
    host: str
    port: int
    key: str
    temporary: Path

    def connect(self) -> socket.socket:
        """Connect as a client that takes little at once."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        line.settimeout(4 * DEADLINE)
        line.connect((self.host, self.port))
        return line

    @contextmanager
    def crowd(self, said: bytes, size: int = THREADS) -> Iterator[list[socket.socket]]:
        """Let several clients say this and no more."""
        with ExitStack() as stack:
            lines = [stack.enter_context(self.connect()) for _ in range(size)]
            for line in lines:
                with suppress(ConnectionError):  # a head that is too long is refused while it is sent
                    line.sendall(said)
            yield lines

    def alive(self) -> float:
        """Return the seconds until somebody else is answered."""
        began = time.monotonic()
        with self.client() as client:
            client.request("GET", "/healthz")
            assert client.getresponse().status == 200
        return time.monotonic() - began

    @contextmanager
    def client(self) -> Iterator[http.client.HTTPConnection]:
        """Yield an honest client."""
        client = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            yield client
        finally:
            client.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one of one process."""
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
    "a login that waits to be asked": _head("/account/login/", *FORM, "Content-Length: 50000", "Expect: 100-continue"),
    "an upload": _head("/account/login/", *FILES, f"Content-Length: {LARGE}") + b"--x\r\n",
    "an upload in chunks": _head("/account/login/", *FILES, "Transfer-Encoding: chunked") + b"5\r\n--x\r\n\r\n",
    "a head without an end": _head("/healthz", *[f"X-{n}: {'x' * 4000}" for n in range(40)])[:-2],
    "a request whose answer nobody takes": _head("/healthz", "Connection: close", method="GET"),
}


@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_who_falls_silent_keeps_nobody_waiting(server: Server, said: bytes) -> None:
    """Check 16: three times as many as there are threads: the next client is answered at once, and no file is made."""
    with server.crowd(said, 3 * THREADS):
        time.sleep(0.2)
        assert server.alive() < DEADLINE / 2
        assert list(server.temporary.glob("*.upload*")) == []


def test_a_key_that_falls_silent_keeps_nobody_waiting_and_is_told_at_the_deadline(server: Server) -> None:
    """Check 16: whoever has a key and announces a body holds no thread while it does not come."""
    head = _head(
        "/api/v1/detect", "Content-Type: application/json", f"x-api-key: {server.key}", "Content-Length: 100000"
    )
    with server.crowd(head + b"{") as lines:
        time.sleep(0.2)
        assert server.alive() < DEADLINE / 2
        assert b" 400 " in lines[0].recv(4096).partition(b"\r\n")[0]


def test_a_byte_a_second_is_ended_at_the_deadline(server: Server) -> None:
    """Check 16: a trickling body is answered, a trickling head is left, both by deadline + 1 s."""
    fields = ("Content-Type: application/json", f"x-api-key: {server.key}", "Content-Length: 100000")
    body, head = server.connect(), server.connect()
    began = time.monotonic()
    with body, head:
        body.sendall(_head("/api/v1/detect", *fields))
        for line in (body, head):
            line.settimeout(0.5)
        ended: dict[str, float] = {}
        while len(ended) < 2:
            assert time.monotonic() - began <= DEADLINE + 2
            for name, line in (("body", body), ("head", head)):
                try:
                    line.sendall(b"G")
                    answer = line.recv(4096)
                except TimeoutError:
                    continue
                except ConnectionError:
                    answer = b""
                ended.setdefault(name, time.monotonic() - began)
                assert (b" 400 " in answer) == (name == "body") or ended[name] < time.monotonic() - began
    assert max(ended.values()) <= DEADLINE + 1


def test_a_slow_upload_that_ends_in_time_is_answered(server: Server) -> None:
    """Check 16: in pieces over two seconds, large and small, each with its head in two."""
    with ThreadPoolExecutor() as pool:
        image = {"image": base64_of(portrait("obama"))}
        calls = {"/api/v1/detect": image, "/api/v1/compare": {"x": "y"}}
        given = list(pool.map(lambda call: _slowly(server, *call), calls.items()))
    assert given == [200, 422]


def _slowly(server: Server, path: str, body: object) -> int:
    data = json.dumps(body).encode()
    fields = ("Content-Type: application/json", f"x-api-key: {server.key}", f"Content-Length: {len(data)}")
    said = _head(path, *fields) + data
    with server.connect() as line:
        line.sendall(said[:30])
        for start in range(30, len(said), len(said) // 10 + 1):
            time.sleep(0.2)
            line.sendall(said[start : start + len(said) // 10 + 1])
        return int(line.recv(4096).split()[1])


def test_a_refused_upload_hears_why_and_a_small_one_goes_on(server: Server) -> None:
    """Check 16: twenty megabytes that nobody reads do not hide the answer; after a small body the line is kept."""
    with server.client() as client:
        for _ in range(2):
            client.request("POST", "/api/v1/detect", b"{}" * 500, {"Content-Type": "application/json"})
            line, answer = client.sock, client.getresponse()
            assert (answer.status, answer.getheader("Connection")) == (401, None)  # HTTP/1.1 keeps it
            answer.read()
        assert line is client.sock
        client.request("POST", "/api/v1/detect", bytes(20_000_000), {"Content-Type": "application/json"})
        answer = client.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (401, "close")
        assert json.load(answer)["status"] == 401


def test_who_does_not_listen_is_left(server: Server) -> None:
    """Check 16: an answer larger than the network holds, which nobody takes, ends; whoever takes it has all of it."""
    path = "/static/" + LIBRARY
    size = Path(str(finders.find(LIBRARY))).stat().st_size
    with server.crowd(_head(path, method="GET"), 10 * THREADS) as lines:
        time.sleep(0.2)
        assert server.alive() < 1
        time.sleep(DEADLINE + size / MIN_BYTES_PER_SECOND + 1)
        assert _taken(lines[0]) < size  # else the network held it
        with server.client() as client:
            client.request("GET", path)
            assert len(client.getresponse().read()) == size


def _taken(line: socket.socket) -> int:
    taken = 0
    with suppress(ConnectionError):
        while data := line.recv(65_536):
            taken += len(data)
    return taken


def test_a_body_that_breaks_off_is_not_taken_for_a_shorter_one(server: Server) -> None:
    """A form whose end is missing is refused, not carried out with half a name."""
    key, _, secret = server.key.partition(".")
    access = (f"X-DF-API-ID: {key}", f"X-DF-API-SECRET: {secret}")
    for said, status in ((b"name=visit", 400), (b"name=visitors", 200)):
        with server.connect() as line:
            line.sendall(_head("/faceset/v2/create", *access, *FORM, "Content-Length: 13") + said)
            line.shutdown(socket.SHUT_WR)
            assert int(line.recv(4096).split()[1]) == status


def test_a_server_that_stops_waits_for_nobody_who_says_nothing(server: Server) -> None:
    """Check 16: at SIGTERM it ends although connections are open on which nothing was asked."""
    with web_server(server.env, workers=1) as (url, process):
        where = urlsplit(url)
        with socket.create_connection((str(where.hostname), int(where.port or 0))):
            time.sleep(0.2)
            began = time.monotonic()
            process.terminate()
            process.wait(timeout=40)
    assert time.monotonic() - began < DEADLINE - 1
