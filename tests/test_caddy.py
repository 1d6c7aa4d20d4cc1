"""The server behind the Caddyfile that we ship: what integrators and browsers need of a proxy passes through it."""

import http.client
import json
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.make import base64_of, portrait
from tests.processes import call, environment, prepare, web_server
from tests.proxy import caddy, needs_caddy

pytestmark = needs_caddy


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Yield the proxy's URL and a key."""
    env = environment(tmp_path_factory.mktemp("behind"), TRUSTED_PROXIES="1")
    key = prepare(env, acme="people")["acme"]
    with web_server(env, workers=1) as (behind, _), caddy(tmp_path_factory.mktemp("caddy"), behind) as url:
        yield url, key


def test_a_photograph_passes_with_a_length_and_in_chunks(proxied: tuple[str, str]) -> None:
    url, key = proxied
    body = {"image": base64_of(portrait("obama"))}
    status, whole = call(f"{url}/api/v1/detect", "POST", body, **{"x-api-key": key})
    assert status == 200
    assert len(whole["faces"]) == 1
    where = urlsplit(url)
    client = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    data = json.dumps(body).encode()
    pieces = (data[start : start + 30_000] for start in range(0, len(data), 30_000))
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    client.request("POST", "/api/v1/detect", pieces, headers, encode_chunked=True)
    answer = client.getresponse()
    assert (answer.status, json.load(answer)["faces"][0]["box"]) == (200, whole["faces"][0]["box"])
    client.close()


def test_it_serves_static_files_by_itself(proxied: tuple[str, str]) -> None:
    manifest = json.loads((settings.STATIC_ROOT / "staticfiles.json").read_text())
    name = next(hashed for hashed in manifest["paths"].values() if hashed.endswith(".css"))
    with urllib.request.urlopen(f"{proxied[0]}/static/{name}") as answer:  # noqa: S310
        assert answer.headers["Server"] == "Caddy"
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Request-Id"] is None  # the server behind sets one
