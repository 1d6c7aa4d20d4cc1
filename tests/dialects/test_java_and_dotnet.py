"""Requests byte by byte as Java's and .NET's HTTP clients send them, to a running server, in every dialect."""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from tests.dialects.clients import prepared
from tests.dialects.conftest import Running
from tests.dialects.examples import EXAMPLES
from tests.dialects.examples.descriptor import filled
from tests.processes import manage

BOM = b"\xef\xbb\xbf"
_ALIAS = "from collections_app.models import Collection as C; print(C.unscoped.get(name='people').alias)"


@dataclass(frozen=True)
class Habit:
    """How a client frames a body: its own header fields, chunked or with a length, and whether it waits for a 100."""

    fields: tuple[str, ...]
    content_type: str = "application/json; charset=utf-8"
    chunked: bool = False
    waits: bool = False
    bom: bool = False
    nulls: bool = False


HABITS = {
    # HttpURLConnection with setChunkedStreamingMode; its Accept is no list of media types
    "java.net.HttpURLConnection": Habit(
        ("User-Agent: Java/1.8.0_392", "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"), chunked=True
    ),
    # java.net.http.HttpClient offers HTTP/2 in its first request; Jackson writes nulls
    "java.net.http.HttpClient": Habit(
        (
            "Connection: Upgrade, HTTP2-Settings",
            "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            "Upgrade: h2c",
            "User-Agent: Java-http-client/21.0.2",
        ),
        content_type="application/json",
        nulls=True,
    ),
    # Apache HttpClient with setExpectContinueEnabled
    "Apache HttpClient": Habit(
        ("Accept-Encoding: gzip, x-gzip, deflate", "Expect: 100-continue", "User-Agent: Apache-HttpClient/5.3 (Java)"),
        content_type="application/json; charset=UTF-8",
        waits=True,
    ),
    # HttpWebRequest of .NET Framework, through a StreamWriter in Encoding.UTF8
    "System.Net.HttpWebRequest": Habit(
        ("Expect: 100-continue", "Connection: Keep-Alive"), waits=True, bom=True, nulls=True
    ),
    # PostAsJsonAsync of System.Net.Http.HttpClient
    "System.Net.Http.HttpClient": Habit(("Accept: */*",), chunked=True, nulls=True),
}


def _framed(body: bytes, *, chunked: bool) -> bytes:
    """Return the body as it is sent: in chunks of 4,096 bytes, or whole."""
    if not chunked:
        return body
    pieces = [body[start : start + 4096] for start in range(0, len(body), 4096)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def _answer(habit: Habit, url: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """Send a request as the client does; return status and JSON of the answer."""
    place = urlsplit(url)
    length = "Transfer-Encoding: chunked" if habit.chunked else f"Content-Length: {len(body)}"
    fields = (f"Host: {place.netloc}", *habit.fields, length, *(f"{name}: {text}" for name, text in headers.items()))
    head = f"POST {place.path or '/'} HTTP/1.1\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n"
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as connection:
        connection.sendall(head.encode())
        if habit.waits:
            assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(_framed(body, chunked=habit.chunked))
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def alias(running: Running) -> str:
    """Return the alias of the collection "people"."""
    return manage(running.env, "shell", "--verbosity", "0", "-c", _ALIAS).strip()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_requests_of_java_and_dotnet_are_answered(dialect: Dialect, running: Running, alias: str) -> None:
    examples, pair = EXAMPLES[dialect.name], running.pair(dialect)
    for name, habit in HABITS.items():
        sent = examples.add.body | (examples.optional if habit.nulls else {})
        body = BOM * habit.bom + filled(json.dumps(sent), pair[0], alias).encode()
        url = running.url + filled(examples.add.path, pair[0], alias)
        host = {"Host": urlsplit(url).netloc, "Content_Type": habit.content_type}
        url, headers = prepared(dialect, pair, "POST", url, body, **host)
        del headers["Host"]
        status, answer = _answer(habit, url, headers, body)
        assert status in {200, 201}, (name, answer)
        assert answer.get("code", answer.get("header", {}).get("resultCode", 0)) == 0, (name, answer)
