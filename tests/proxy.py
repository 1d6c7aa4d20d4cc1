"""nginx or Caddy as a child of a test, with the file that we ship."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from tests.processes import free_port, until_answered

SHIPPED = settings.BASE_DIR / "config" / "deploy"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
_FRAME = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log info; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/faceplane.conf;
}}
"""
CADDY = shutil.which("caddy")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


needs_caddy = pytest.mark.skipif(CADDY is None, reason="Caddy is not installed")


@contextmanager
def caddy(folder: Path, behind: str) -> Iterator[str]:
    """Run Caddy in the folder, without TLS, before the server at `behind`; yield its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    text = (SHIPPED / "Caddyfile").read_text(encoding="utf-8")
    for old, new in (
        ("127.0.0.1:8000", behind.removeprefix("http://")),
        ("\nfaces.example.com {", f"\n{url} {{"),
        ("/opt/faceplane", str(settings.BASE_DIR)),
        ("\n{\n", "\n{\n\tadmin off\n"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "Caddyfile").write_text(text)
    own = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    process = subprocess.Popen(command, env=own, stderr=subprocess.DEVNULL)
    try:
        until_answered(f"{url}/healthz", process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def nginx(
    folder: Path, behind: str, *, tracer: tuple[str, ...] = (), changed: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run nginx in the folder, without TLS, before the server at `behind`, under a tracer if given; yield its URL.

    `changed` are texts of the shipped file, and what stands there instead.
    """
    port = free_port()
    text = (SHIPPED / "nginx.conf").read_text(encoding="utf-8")
    for old, new in (
        *(changed or {}).items(),
        ("127.0.0.1:8000", behind.removeprefix("http://")),
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("listen 80", f"listen 127.0.0.1:{free_port()}"),
        ("faces.example.com", "localhost 127.0.0.1"),
        ("/opt/faceplane", str(settings.BASE_DIR)),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "faceplane.conf").write_text(re.sub(r"\n *ssl_certificate.*", "", text))
    (folder / "nginx.conf").write_text(_FRAME.format(folder=folder))
    command = [
        *tracer,
        str(NGINX),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]
    process = subprocess.Popen(command)
    try:
        _wait(folder / "nginx.pid", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(int((folder / "nginx.pid").read_text()), signal.SIGTERM)  # a tracer ends with it
        process.wait(20)


def _wait(file: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert process.poll() is None, "nginx stopped"
        assert time.monotonic() < deadline, "nginx did not start"
        time.sleep(0.05)
    time.sleep(0.2)
