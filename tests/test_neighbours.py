"""Check 21: bodies that never come, and more active requests than the limit, are refused in the dialect's words."""

import http.client
import json
import select
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.make import base64_of, portrait
from tests.processes import environment, prepare, web_server

OF_KEY = 64  # active requests of a key, per process
BEYOND = 6
REFUSALS = {
    "/api/v1/collections/people/search": (429, "too_many_requests"),
    "/search": (400, 6038),
    "/v2/va/list-facedb": (200, 502),
    "/nhn-face-reco/v1.0/appkeys/{id}/detect": (200, -50000),
    "/faceset/v2/search_face": (403, "RATE_LIMIT_EXCEEDED"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Run a server with one process and four threads; return its URL and the keys: globex's, and one for each path.

    Its deadline is far beyond a test's end: a busy machine must not end the bodies that are still awaited.
    """
    env = environment(tmp_path_factory.mktemp("neighbours"), WEB_THREADS="4", REQUEST_SECONDS="120")
    keys = prepare(
        env, globex="people", initech="people", **{f"acme-{number}": "people" for number in range(len(REFUSALS))}
    )
    with web_server(env, workers=1) as (url, _):
        yield url, keys


def _announce(url: str, path: str, key: str) -> socket.socket:
    """Send the head of a request with a valid key in every place, and one byte of a large body."""
    where = urlsplit(url)
    connection = socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=60)
    key_id, secret = key.split(".")
    fields = ["Host: localhost", "Content-Type: application/json", "Content-Length: 200000", f"x-api-key: {key}"]
    fields += [f"X-DF-API-ID: {key_id}", f"X-DF-API-SECRET: {secret}"]
    if "appkeys" in path:
        fields.append(f"Authorization: {secret}")
    elif "/va/" in path:
        fields.append("Authorization: Basic " + base64_of(key.encode()))
    connection.sendall("\r\n".join((f"POST {path.format(id=key_id)} HTTP/1.1", *fields, "", "{")).encode())
    return connection


def _code(connection: socket.socket) -> tuple[int, object]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    body = json.loads(answer.read())
    known = [body.get(name) for name in ("code", "errorCode", "status")] + [body.get("header", {}).get("resultCode")]
    return answer.status, next(code for code in known if code is not None)


def _search(url: str, key: str, address: str = "127.0.0.2") -> int:
    """Search from another address: until acme's first request is verified, its 70 count for their address."""
    where = urlsplit(url)
    client = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60, source_address=(address, 0))
    try:
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        body = json.dumps({"image": base64_of(portrait("obama"))})
        client.request("POST", "/api/v1/collections/people/search", body, headers)
        return client.getresponse().status
    finally:
        client.close()


@pytest.mark.parametrize("path", REFUSALS)
def test_a_key_has_a_limit_of_active_requests_while_others_are_served(
    server: tuple[str, dict[str, str]], path: str
) -> None:
    """Sixteen requests per thread occupy none; another tenant searches meanwhile, and all stay open."""
    url, keys = server
    key = keys[f"acme-{list(REFUSALS).index(path)}"]
    with ExitStack() as stack:
        connections = [stack.enter_context(_announce(url, path, key)) for _ in range(OF_KEY + BEYOND)]
        refused = Counter[tuple[int, object]]()
        waiting = dict.fromkeys(connections)
        while refused.total() < BEYOND:
            for connection in _readable(list(waiting)):
                refused[_code(connection)] += 1
                del waiting[connection]
        assert [_search(url, keys["globex"]) for _ in range(4)] == [200] * 4
        assert refused == {REFUSALS[path]: BEYOND}
        assert [_code(connection) for connection in _readable(list(waiting), 0)] == []
        assert len(waiting) == OF_KEY


def test_an_attacker_behind_the_same_address_keeps_nobody_from_being_verified(
    server: tuple[str, dict[str, str]],
) -> None:
    """Silent requests with a wrong key take every place of an address; a key's first request gets one all the same."""
    url, keys = server
    where = urlsplit(url)
    request = b"POST /api/v1/detect HTTP/1.1\r\nHost: localhost\r\nx-api-key: fp_no.no\r\nContent-Length: 999\r\n\r\n{"
    with ExitStack() as stack:
        silent = []
        for _ in range(OF_KEY + BEYOND):
            silent.append(stack.enter_context(socket.create_connection((str(where.hostname), int(where.port or 0)))))
            silent[-1].sendall(request)
        assert len(_readable(silent)) >= 1
        assert [_search(url, keys["initech"], "127.0.0.1") for _ in range(3)] == [200] * 3


def _readable(connections: list[socket.socket], seconds: float = 60) -> list[socket.socket]:
    found, _, _ = select.select(connections, [], [], seconds)
    assert found or not seconds, "no request is refused"
    return found
