"""A server for one test: its own data, its own processes, on loopback.

If DATABASE_URL names a PostgreSQL, its data are in its own database on that server, which is dropped after the tests.
"""

import atexit
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

READY_SECONDS = 90
BEFORE_LAST = ("tenants", "0010")  # one migration back, for tests of a database with one that is pending
SERVER = os.environ.get("DATABASE_URL", "").rpartition("/")[0]  # with the role that the tests run as
_PREPARE = """
import io, json, sys
from django.core.management import call_command
from collections_app.operations.keys import issue_key
from tenants.access import system
from tenants.models import Tenant
call_command("migrate", verbosity=0)
scopes = "read search enrol delete admin audit".split()
keys = {}
for tenant, collection in json.loads(sys.stdin.read()).items():
    call_command("create_tenant", tenant, stdout=io.StringIO())
    call_command("create_collection", tenant, collection, stdout=io.StringIO())
    caller = system(Tenant.objects.get(slug=tenant), "tests")
    keys[tenant] = issue_key(caller, name="tests", scopes=scopes).token
print(json.dumps(keys))
"""


def sqlite(folder: Path) -> str:
    """Return the URL of the folder's SQLite database."""
    return f"sqlite:///{folder / 'data' / 'faceplane.sqlite3'}"


def _database(folder: Path, like: str | None) -> str:
    """Return the URL of this folder's own database; on a server it is created, empty or as a copy."""
    if not SERVER.startswith("postgres"):
        return sqlite(folder)
    url = f"{SERVER}/faceplane_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    if url not in _made:
        _make_database(url, like or "template1")
    return url


_made: set[str] = set()


def _make_database(url: str, like: str) -> None:
    name, model = url.rpartition("/")[2], like.rpartition("/")[2]
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{model}"'.encode())
    _made.add(url)


@atexit.register
def _drop_databases() -> None:
    for url in _made:
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
            server.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)'.encode())


def environment(folder: Path, *, like: str | None = None, **changed: str) -> dict[str, str]:
    """Return an environment that keeps everything but the models in the folder, or in its own PostgreSQL database.

    `like`: the URL of a database to copy, on a server; it must not be in use.
    """
    own = {
        "DATA_DIR": str(folder / "data"),
        "HOST_DIR": str(folder / "host"),
        "SECRETS_DIR": str(folder / "secrets"),
        "MODELS_HOME": str(settings.MODELS_HOME),
        "DATABASE_URL": changed.get("DATABASE_URL") or _database(folder, like),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return os.environ | own | changed


def manage(env: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """Run manage.py and return what it prints."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, input=stdin, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare(env: dict[str, str], **collections: str) -> dict[str, str]:
    """Create the tables, and each tenant with its collection; return a key of each.

    A start and the migrations take seconds, so each set of tenants is made once and copied. Databases that a test
    made by itself are filled in place.
    """
    url, tenants = env["DATABASE_URL"], json.dumps(collections)
    if not (url.startswith("sqlite") or url in _made):
        return _prepare(env, tenants)
    original, keys = _prepared(url.partition(":")[0], tenants)
    if url in _made:
        _make_database(url, original["DATABASE_URL"])
    else:
        _copy_file(*(Path(one["DATABASE_URL"].removeprefix("sqlite:///")) for one in (original, env)))
    shutil.copytree(original["SECRETS_DIR"], env["SECRETS_DIR"])  # they open what lies sealed in the database
    return keys.copy()


@cache
def _prepared(engine: str, tenants: str) -> tuple[dict[str, str], dict[str, str]]:
    folder = Path(_ORIGINALS.name, f"{engine}-{_prepared.cache_info().misses}")
    env = environment(folder, **({"DATABASE_URL": sqlite(folder)} if engine == "sqlite" else {}))
    if engine == "sqlite" and migrated:
        (folder / "data").mkdir(mode=0o700, parents=True)
        (folder / "data" / "faceplane.sqlite3").write_bytes(migrated[0])
    return env, _prepare(env, tenants)


migrated: list[bytes] = []  # the tests' own SQLite database after its migrations, which take seconds; tests/conftest.py


_ORIGINALS = tempfile.TemporaryDirectory()


def _prepare(env: dict[str, str], tenants: str) -> dict[str, str]:
    made: dict[str, str] = json.loads(manage(env, "shell", "--verbosity", "0", "-c", _PREPARE, stdin=tenants))
    return made


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(source, target)  # whole: the process that wrote it has ended, and left no journal


def shown_key(shown: str) -> str:
    """Return the whole key that issue_key has shown."""
    return next(word for word in shown.split() if word.startswith("fp_") and "." in word)


def signing_key(env: dict[str, str], tenant: str) -> tuple[str, str]:
    """Return id and secret of a new key with which a tenant's clients sign."""
    scopes = ("--scopes", "read", "search", "enrol", "delete", "admin")
    words = manage(env, "issue_key", tenant, "--signs", *scopes).split()
    return words[words.index("Id:") + 1], words[words.index("Secret:") + 1]


def children(pid: int) -> set[int]:
    """Return the ids of the processes that a process's first thread has started."""
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def until(done: Callable[[], bool], seconds: float = 90, *, log: Path | None = None) -> None:
    """Wait until a condition holds; fail with the end of the log if it does not in so many seconds."""
    ends = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < ends, log.read_text()[-4000:] if log else "it did not happen"
        time.sleep(0.1)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def web_server(
    env: dict[str, str], *, workers: int = 2, descriptors: int = 0, tracer: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the web server on a free port, with a limit of descriptors, under a tracer; yield URL and process."""
    url = f"127.0.0.1:{free_port()}"
    command = [*tracer, sys.executable, "-m", "config.server"]
    if descriptors:
        command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
    own = env | {"BIND": url, "WEB_WORKERS": str(workers)}
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=own)
    try:
        until_answered(f"http://{url}/readyz", process)
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


def until_answered(url: str, process: subprocess.Popen[bytes]) -> None:
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
