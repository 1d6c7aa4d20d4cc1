"""Check 19: no process opens a socket that the operator did not name, asks a name server, or writes to a home folder.

Every entry runs under strace: system calls are what native libraries cannot hide. The operator named only files here
(SQLite, a queue and a storage in folders), or the services of DATABASE_URL, CELERY_BROKER_URL and LIMITS_URL.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.make import base64_of, portrait
from tests.processes import READY_SECONDS, call, environment, free_port, manage, prepare

STRACE = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg,open,openat", "-o"]
TO_AN_ADDRESS = re.compile(r"sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|AF_INET6, )\"([^\"]+)\"")
NAME_SERVERS = '"/etc/resolv.conf"'  # the C library reads it before it asks for a name
COMMANDS = [
    ["check", "--deploy"],
    ["install_models"],
    ["migrate", "--verbosity", "0"],
    ["demo", "prepare"],
    ["sendtestemail", "somebody@example.com"],
    ["verify_audit"],
]
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (apt install strace)")


class Installation:
    """An installation whose processes are traced."""

    def __init__(self, folder: Path) -> None:
        """Give it its own home folder, and unset what an operator may have disabled."""
        self.home, self.folder = folder / "home", folder
        self.home.mkdir()
        self.env = environment(folder, HOME=str(self.home), XDG_CACHE_HOME=str(self.home / "cache"))
        self.env.pop("ORT_DISABLE_TELEMETRY", None)
        named = (self.env.get(name, "") for name in ("DATABASE_URL", "CELERY_BROKER_URL", "LIMITS_URL"))
        self.named = {urlsplit(url).port for url in named} - {None}
        self.key = prepare(self.env, acme="people")["acme"]

    @contextmanager
    def running(self, name: str, *arguments: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program under the tracer until the block ends."""
        command = [*STRACE, str(self.folder / f"{name}.trace"), sys.executable, *arguments]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=self.env | more, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)

    def strayed(self, name: str) -> list[str]:
        """Return a program's calls to addresses or names that the operator did not configure."""
        trace = (self.folder / f"{name}.trace").read_text(errors="replace").splitlines()
        assert any("openat(" in line for line in trace), "the tracer saw the program"
        return [line for line in trace if self._strays(line)]

    def _strays(self, line: str) -> bool:
        found = TO_AN_ADDRESS.search(line)
        if found is None:
            return NAME_SERVERS in line
        port, address = found.groups()
        return not (address in {"127.0.0.1", "::1"} and int(port) in self.named)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with a tenant, a collection and a key."""
    return Installation(tmp_path_factory.mktemp("installation"))


def _until(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + READY_SECONDS
    while not done():
        assert process.poll() is None, "the program stopped"
        assert time.monotonic() < ends
        time.sleep(0.3)


def _answers(url: str) -> bool:
    try:
        return call(url)[0] == 200
    except OSError:
        return False


@needs_strace
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_command_contacts_nothing_that_the_operator_did_not_name(
    installation: Installation, command: list[str]
) -> None:
    """Commands run, load models, write mail to files, and open no connection."""
    with installation.running(command[0], "manage.py", *command) as process:
        assert process.wait(timeout=READY_SECONDS) == 0
    assert installation.strayed(command[0]) == []


@needs_strace
def test_the_web_server_contacts_nothing_that_the_operator_did_not_name(installation: Installation) -> None:
    """It starts, enrols, searches, shows a page, sends a mail, and stops."""
    bind = f"127.0.0.1:{free_port()}"
    with installation.running("web", "-m", "config.server", BIND=bind, WEB_WORKERS="1") as process:
        _until(lambda: _answers(f"http://{bind}/readyz"), process)
        body = {"collectionId": "people", "userName": "Obama", "faceImage": base64_of(portrait("obama"))}
        assert call(f"http://{bind}/faces", "POST", body, **{"x-api-key": installation.key})[0] == 200
        body = {"collectionId": "people", "requestName": "?", "faceImage": base64_of(portrait("obama"))}
        assert call(f"http://{bind}/search", "POST", body, **{"x-api-key": installation.key})[0] == 200
    assert installation.strayed("web") == []


@needs_strace
def test_the_worker_contacts_nothing_that_the_operator_did_not_name(installation: Installation) -> None:
    """Worker and beat do their first tasks, load models as they do, and stop."""
    log = installation.folder / "worker.log"
    celery = ["-m", "celery", "--app", "config", "--quiet", "worker", "--beat", "--pool", "threads"]
    with installation.running("worker", *celery, "--loglevel", "INFO") as process:
        _until(lambda: "succeeded" in log.read_text(), process)
    assert installation.strayed("worker") == []


def test_nothing_is_left_in_the_user_s_home_folder(installation: Installation) -> None:
    """With or without the tracer: no cache, no device id, no database of a library."""
    script = "from recognition.packs import sessions; sessions.preload('light')"
    manage(installation.env, "shell", "--verbosity", "0", "-c", script)
    assert [str(path.relative_to(installation.home)) for path in installation.home.rglob("*")] == []


@needs_strace
def test_the_guard_sees_what_it_looks_for(installation: Installation) -> None:
    """The same tracer and filter find a connection, a datagram, and a name lookup."""
    script = """
import contextlib, socket
with contextlib.suppress(OSError), socket.socket() as tcp:
    tcp.connect(("127.0.0.1", 9))
with socket.socket(type=socket.SOCK_DGRAM) as udp:
    udp.sendto(b"?", ("127.0.0.2", 9))
socket.gethostbyname("localhost")
"""
    with installation.running("guard", "-c", script) as process:
        assert process.wait(timeout=READY_SECONDS) == 0
    strayed = installation.strayed("guard")
    assert [line.split(None, 1)[1].partition("(")[0] for line in strayed] == ["connect", "sendto", "openat"]
