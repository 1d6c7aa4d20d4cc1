"""A server of one's own for a test: its own data, its own processes, on loopback."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

READY_SECONDS = 90


def environment(folder: Path, **changed: str) -> dict[str, str]:
    """Return the environment of a product that keeps everything but its models in the folder."""
    own = {
        "DATA_DIR": str(folder / "data"),
        "SECRETS_DIR": str(folder / "secrets"),
        "MODELS_HOME": str(settings.MODELS_HOME),
        "DATABASE_URL": f"sqlite:///{folder / 'data' / 'faceplane.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return os.environ | own | changed


def manage(env: dict[str, str], *arguments: str) -> str:
    """Run manage.py and return what it prints."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def web_server(env: dict[str, str], *, workers: int = 2) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the web server on a free port; yield its URL and process once it is ready."""
    url = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi"]
    own = env | {"BIND": url, "WEB_WORKERS": str(workers)}
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=own)
    try:
        _wait(f"http://{url}/readyz", process)
        yield f"http://{url}", process
    finally:
        process.terminate()
        process.wait(timeout=40)


def call(url: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, Any]:
    """Send a request with a JSON body; return status and JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server stopped"
        try:
            if call(url)[0] == 200:
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.2)
    message = f"{url} was not ready in {READY_SECONDS} s"
    raise TimeoutError(message)
