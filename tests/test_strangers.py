"""Check 16: attacks on connections and malformed requests, directly and behind the nginx file that we ship."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command

from collections_app.dialects import DIALECTS
from config import static
from tests.dialects.clients import prepared
from tests.dialects.examples import EXAMPLES
from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, prepare, signing_key, web_server
from tests.proxy import needs_nginx, nginx
from tests.smuggling import SHAPES
from tests.strangers import ATTACKS, Target, during, head

MOST = 2_000_000
PASSWORD = "a long one of an operator"  # noqa: S105 -- of this test
PATIENCE = 2.0  # seconds: limit of a neighbour's p50; unprotected it is the length of the attack


@dataclass(frozen=True)
class Front:
    """The address for clients, and two tenants' keys."""

    host: str
    port: int
    keys: dict[str, str]
    signing: tuple[str, str]
    server: "subprocess.Popen[bytes]"

    def raw(self, data: bytes, seconds: float = 10) -> bytes:
        """Send the bytes and no more; return the whole answer."""
        with socket.create_connection((self.host, self.port), timeout=seconds) as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(65_536):
                    received += more
            except OSError:  # the server closed the connection without reading all
                pass
            return received

    def chunked(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        """Post a body without a length."""
        client = http.client.HTTPConnection(self.host, self.port, timeout=60)
        pieces = (body[start : start + 30_000] for start in range(0, len(body), 30_000))
        try:
            client.request("POST", path, pieces, headers, encode_chunked=True)
            answer = client.getresponse()
            return answer.status, json.load(answer)
        finally:
            client.close()


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Run the server with a shell's usual limit of descriptors."""
    env = environment(tmp_path_factory.mktemp("strangers"), MAX_BODY_BYTES=str(MOST), TRUSTED_PROXIES="1")
    keys = prepare(env, acme="people", beta="people")
    signing = signing_key(env, "acme")
    operator = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    manage(env | operator, "createsuperuser", "--noinput", "--username", "operator", "--email", "o@example.com")
    with web_server(env, descriptors=1024) as (url, process):
        where = urlsplit(url)
        yield Front(str(where.hostname), int(where.port or 0), keys, signing, process)


@pytest.fixture(scope="module")
def proxied(direct: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Run nginx in front of it."""
    with nginx(tmp_path_factory.mktemp("nginx"), f"http://{direct.host}:{direct.port}") as url:
        where = urlsplit(url)
        yield Front(str(where.hostname), int(where.port or 0), direct.keys, direct.signing, direct.server)


@pytest.fixture(params=["direct", pytest.param("proxied", marks=needs_nginx)])
def front(request: pytest.FixtureRequest) -> Front:
    """Use each address."""
    found: Front = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_neighbour_is_answered_during_an_attack(front: Front, attack: str) -> None:
    """Each attack of tests/strangers.py, with its number of connections."""
    target = Target(front.host, front.port, front.keys["beta"])
    neighbour = during(target, front.keys["acme"], attack)
    p50, p95 = neighbour.milliseconds()
    print(f"\n{attack}: p50 {p50} ms, p95 {p95} ms, {neighbour.failed} of {len(neighbour.waited)} failed")  # noqa: T201
    assert neighbour.failed == 0
    assert p50 < 1000 * PATIENCE
    assert front.server.poll() is None


@pytest.mark.parametrize("shape", SHAPES)
def test_no_request_can_be_smuggled(front: Front, shape: str) -> None:
    """The hidden request is not answered, and the server goes on."""
    received = front.raw(SHAPES[shape])
    assert b'"checks"' not in received
    assert received.count(b"HTTP/1.") - received.count(b"HTTP/1.1 100 ") <= 1
    assert call(f"http://{front.host}:{front.port}/healthz")[0] == 200


@pytest.mark.parametrize("size", ["small", "a photograph", "too large"])
def test_a_body_in_chunks_is_read_like_any_other(front: Front, size: str) -> None:
    """Decision R1: every dialect answers a chunked body like the same body with a length, refusals included."""
    photograph = base64_of(portrait("obama"))
    image = {"small": photograph[:2000], "a photograph": photograph, "too large": "A" * 2 * MOST}[size]
    for dialect in DIALECTS:
        pair = front.signing if dialect.credentials.signs else front.keys["acme"].split(".")
        example = EXAMPLES[dialect.name].with_image(image)
        path, data = example.filled(pair[0], "none")
        url, headers = prepared(dialect, pair, "POST", f"http://{front.host}:{front.port}{path}", data)
        whole = call(url, "POST", example.body, **headers)
        status, shape = front.chunked(urlsplit(url).path, data, headers)
        assert status == whole[0] != 411, dialect
        assert _shape(shape) == _shape(whole[1]), dialect


def _shape(answer: Any) -> Any:
    """Return the answer's structure without values."""
    return {name: _shape(value) for name, value in answer.items()} if isinstance(answer, dict) else type(answer)


def test_a_body_that_never_ends_is_refused_in_the_dialects_words(front: Front) -> None:
    """Argos's 6016 comes when more than MAX_BODY_BYTES have arrived."""
    head_ = head(
        "POST", "/faces", "Content-Type: application/json", f"x-api-key: {front.keys['acme']}",
        "Transfer-Encoding: chunked",
    )  # fmt: skip
    with socket.create_connection((front.host, front.port), timeout=30) as connection:
        connection.sendall(head_)
        sent, received, left = 0, b"", b""
        connection.setblocking(False)  # noqa: FBT003
        deadline = time.monotonic() + 60
        while b"}" not in received and time.monotonic() < deadline and sent < 100 * MOST:
            left = left or b"10000\r\n" + bytes(0x10000) + b"\r\n"
            try:
                count = connection.send(left)
                sent, left = sent + count, left[count:]
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                break
            try:
                received += connection.recv(65_536)
            except BlockingIOError:
                pass
            except ConnectionError:
                break
    assert b"6016" in received or b" 413 " in received, received


@needs_nginx
def test_the_proxy_writes_no_byte_of_an_upload_to_a_file(direct: Front, tmp_path: Path) -> None:
    """Check 22: an upload is streamed; the proxy's temporary folders stay empty, and it opens no file there."""
    trace = tmp_path / "trace"
    tracer = ("strace", "-f", "-qq", "-e", "trace=openat,open,creat", "-o", str(trace))
    with nginx(tmp_path, f"http://{direct.host}:{direct.port}", tracer=tracer if _can_trace() else ()) as url:
        body = {"image": "A" * (MOST - 100_000)}
        seen: set[str] = set()
        done = threading.Event()
        folders = [tmp_path / name for name in ("bodies", "answers")]
        watcher = threading.Thread(target=_watch, args=(folders, seen, done))
        watcher.start()
        for _ in range(3):
            assert call(f"{url}/api/v1/detect", "POST", body, **{"x-api-key": direct.keys["acme"]})[0] == 422
        done.set()
        watcher.join()
    assert seen == set()
    if trace.exists():
        written = [line for line in trace.read_text().splitlines() if "O_CREAT" in line and "= -1" not in line]
        assert [line for line in written if not line.endswith(".log") and str(tmp_path / "bodies") in line] == []


def _can_trace() -> bool:
    strace = shutil.which("strace")
    return bool(strace) and subprocess.run([str(strace), "-qq", "true"], check=False).returncode == 0


def _watch(folders: list[Path], seen: set[str], done: threading.Event) -> None:
    while not done.is_set():
        seen |= {str(file) for folder in folders for file in folder.rglob("*") if file.is_file()}
        time.sleep(0.001)


def test_a_form_is_accepted_from_its_own_origin(front: Front) -> None:
    """With nginx's $host, which lacks the port, a form's origin would differ from its host: 403."""
    login = f"http://{front.host}:{front.port}/account/login/"
    with urllib.request.urlopen(login) as page:
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        token = page.read().decode().partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    origin = f"http://{front.host}:{front.port}"
    form = f"csrfmiddlewaretoken={token}&username=nobody&password=nothing".encode()
    request = urllib.request.Request(login, form, {"Cookie": cookie, "Origin": origin})
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request):  # noqa: S310
        pass  # the form is accepted, the password is not
    with refused.value:
        assert refused.value.code == 400


def test_a_large_form_is_received_once_its_sender_is_authenticated(front: Front) -> None:
    """A body over STRANGER_BYTES is received after the session was found; without a session it stays unread."""
    cookies = {"csrftoken": "a" * 32}
    kind = "application/x-www-form-urlencoded"

    def post(path: str, fields: str) -> int:
        sent = {"Cookie": "; ".join(map("=".join, cookies.items())), "Content-Type": kind}
        client = http.client.HTTPConnection(front.host, front.port, timeout=30)  # nginx closes it after a refusal
        client.request("POST", path, f"csrfmiddlewaretoken={cookies['csrftoken']}&{fields}", sent)
        answer = client.getresponse()
        answer.read()
        client.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            cookies[name] = value
        return answer.status

    large = f"pad={'x' * 200_000}"
    assert post("/admin/password_change/", large) == 413
    assert post("/admin/login/?next=/admin/", f"username=operator&password={PASSWORD.replace(' ', '+')}") == 303
    assert post("/admin/password_change/", large) == 200


@needs_nginx
def test_the_proxy_serves_static_files_by_itself(proxied: Front) -> None:
    manifest = json.loads((settings.STATIC_ROOT / "staticfiles.json").read_text())
    name = next(hashed for hashed in manifest["paths"].values() if hashed.endswith(".css"))
    with urllib.request.urlopen(f"http://{proxied.host}:{proxied.port}/static/{name}") as answer:
        assert answer.headers["Server"].startswith("nginx")
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Request-Id"] is None  # otherwise the server behind answered


def test_static_files_are_part_of_the_code_and_come_without_maps(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check 22: every page works with an empty DATA_DIR, and a server without static files does not start."""
    assert settings.STATIC_ROOT.parent == settings.BASE_DIR
    call_command("collectstatic", interactive=False, dry_run=True, verbosity=2, ignore_patterns=[])
    listed = capsys.readouterr().out
    assert ".css" in listed
    assert ".map" not in listed
    settings.STATIC_ROOT = tmp_path
    assert [message.id for message in static.collected()] == ["config.E001"]
    code = "from pathlib import Path; from config import settings; settings.STATIC_ROOT = Path('/nowhere');"
    code += "from config.server.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "holds no static files" in done.stderr
