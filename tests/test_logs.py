"""Check 20: whatever is sent, every line of every log is JSON, and none holds a secret."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.processes import READY_SECONDS, call, environment, prepare, web_server

SECRET = "s3cr3t-of-a-key-that-must-not-be-told"  # noqa: S105 -- of no key
MARK = 867_530_912_345  # a task's argument


def _malformed(token: str) -> Iterator[bytes]:
    """Yield malformed requests, each with a whole key in it."""
    head = b"POST /faces HTTP/1.1\r\nHost: localhost\r\n"
    key = token.encode()
    yield b"GET " + key + b"\r\n\r\n"
    yield b"GET http://[" + key + b"]/faces HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"GET /faces?key=" + key + b" HTTP/9.9\r\nHost: localhost\r\n\r\n"
    yield head + b"x-api-key " + key + b"\r\n\r\n"
    yield head + b"x-api-key : " + key + b"\r\n\r\n"
    yield head + b"x-api-key: " + key + b"\x00\r\n\r\n"
    yield head + b"x-api-key: " + key + b"\rx: y\r\n\r\n"
    yield head + b" " + key + b"\r\n\r\n"
    yield head + key + b"\x01: x\r\n\r\n"
    yield head + b"x-api-key: " + key + b"\xff\xfe" + b"y" * 70_000 + b"\r\n\r\n"
    yield b"GET / HTTP/1.1\r\nHost: " + key + b"\r\n\r\n"
    yield b"GET / HTTP/1.1\r\nHost: " + key + b"/\x7f\r\n\r\n"
    yield head + b"Content-Length: " + key + b"\r\n\r\n"
    yield head + b"Transfer-Encoding: " + key + b"\r\n\r\n"
    yield head + b"Transfer-Encoding: chunked\r\nx-api-key: " + key + b"\r\n\r\n" + key + b"\r\n"
    yield head + b"Cookie: sessionid=" + key + b"; " + key + b"\r\nContent-Length: 0\r\n\r\n"
    for content in (b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=" + key, key):
        body = b'{"' + key + b'": '
        size = str(len(body)).encode()
        for field in (b"x-api-key: " + key, b"Authorization: Basic " + key, b"Authorization: " + key):
            fields = field + b"\r\nContent-Type: " + content + b"\r\nContent-Length: " + size
            yield head + fields + b"\r\n\r\n" + body
    yield b"GET /nhn-face-reco/v1.0/appkeys/" + key + b"/groups HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"GET /account/invitation/" + key + b"/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"


def _send(url: str, request: bytes) -> None:
    with contextlib.suppress(OSError), socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10) as at:
        at.sendall(request)
        at.shutdown(socket.SHUT_WR)
        while at.recv(65_536):
            pass


def _lines_that_are_not_json(log: Path) -> list[str]:
    def is_json(line: str) -> bool:
        try:
            return isinstance(json.loads(line), dict)
        except ValueError:
            return False

    return [line for line in log.read_text(errors="replace").splitlines() if line.strip() and not is_json(line)]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An installation that logs as much as it can."""
    made = environment(tmp_path_factory.mktemp("logs"), LOG_LEVEL="DEBUG", CELERY_BROKER_URL="filesystem://")
    return made | {"KEY": prepare(made, acme="people")["acme"]}


@contextlib.contextmanager
def _stderr_to(log: Path) -> Iterator[None]:
    """Redirect the log of processes started here to a file."""
    before = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def test_the_web_server_logs_no_secret_and_only_json(env: dict[str, str], tmp_path: Path) -> None:
    """Requests that the parser, views and middleware refuse."""
    log = tmp_path / "web.log"
    with _stderr_to(log), web_server(env, workers=1) as (url, _):
        for token in (f"fp_{SECRET}.{SECRET}", f"{env['KEY']}x{SECRET}"):
            for request in _malformed(token):
                _send(url, request)
        assert call(f"{url}/readyz")[0] == 200
    log_text = log.read_text(errors="replace")
    assert '"route"' in log_text
    assert '"django.security.DisallowedHost"' in log_text
    assert SECRET not in log_text
    assert env["KEY"].partition(".")[2] not in log_text
    assert _lines_that_are_not_json(log) == []


def test_worker_and_beat_log_no_argument_and_only_json(env: dict[str, str], tmp_path: Path) -> None:
    """A task that runs, one that fails, an unknown one, and messages that are not ours."""
    log = tmp_path / "worker.log"
    script = f"""
from config.celery import app
app.send_task("collections_app.tasks.purge_collection", args=[{MARK}, {MARK}])
app.send_task("collections_app.tasks.examine_collection", args=[{MARK}])
app.send_task("nobody.knows", args=[{MARK}])
with app.connection_for_write() as connection, connection.Producer() as producer:
    producer.publish({{"{SECRET}": {MARK}}}, routing_key="celery")
    producer.publish(b"{SECRET}", routing_key="celery", content_type="application/json", content_encoding="utf-8")
    producer.publish(b"\\xff{SECRET}", routing_key="celery", content_type="application/json", content_encoding="utf-8")
"""
    subprocess.run([sys.executable, "-c", script], cwd=settings.BASE_DIR, env=env, check=True, timeout=60)
    celery = ["-m", "celery", "--app", "config", "--quiet", "worker", "--beat", "--pool", "threads"]
    with _stderr_to(log):
        process = subprocess.Popen([sys.executable, *celery], cwd=settings.BASE_DIR, env=env)
    try:
        ends = time.monotonic() + READY_SECONDS
        while not all(word in log.read_text(errors="replace") for word in ("nobody.knows", "deliver_due", "raised")):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < ends, log.read_text(errors="replace")
            time.sleep(0.3)
    finally:
        process.terminate()
        process.wait(timeout=60)
    log_text = log.read_text(errors="replace")
    assert str(MARK) not in log_text
    assert SECRET not in log_text
    assert _lines_that_are_not_json(log) == []
