"""The services of this machine. `make test-services` runs the tests that need them, `make test` does not."""

import fcntl
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
import pytest
import redis

POSTGRES_PORT = int(os.environ.get("PGPORT", "5432"))
REDIS_PORT, RABBITMQ_PORT = 6379, 5672
SUPERUSER = f"postgresql://postgres@127.0.0.1:{POSTGRES_PORT}"


def wanted(port: int) -> bool:
    """Return whether the tests of the service at a port were requested (TEST_SERVICES), and it answers."""
    return bool(os.environ.get("TEST_SERVICES")) and _answers(port)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def database() -> Iterator[str]:
    """Create a database and a role that owns it; yield the name of both. Row-level security binds the role."""
    name = f"faceplane_{secrets.token_hex(4)}"
    with psycopg.connect(f"{SUPERUSER}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN".encode())
        admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE {name}".encode())


@cache
def redis_database() -> str:
    """Take a database of Redis for as long as this process lives, empty it, and return its URL.

    Concurrent runs would take each other's messages. The lock is an open file, which is closed with the process.
    """
    for number in range(1, 16):
        file = os.open(Path(tempfile.gettempdir(), f"faceplane-tests-redis-{number}"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        url = f"redis://127.0.0.1:{REDIS_PORT}/{number}"
        redis.Redis.from_url(url).flushdb()
        return url
    raise RuntimeError("fifteen other runs have a database of Redis each")


def make_role() -> None:
    """Create the role that runs the suite on PostgreSQL: it may create databases and is not a superuser."""
    with psycopg.connect(f"{SUPERUSER}/postgres", autocommit=True) as admin, suppress(psycopg.errors.DuplicateObject):
        admin.execute("CREATE ROLE faceplane LOGIN CREATEDB")


# What `make test-services` leaves out: neither rows, messages nor limits decide these, so that `make test` is proof
# enough. A new test is on both until it stands here.
LEFT_OUT = {
    "recognition": "pixels to vectors: no tenant, no row, no message",
    "attack": "what can be learned from scores; the budget's rows and locks are in collections_app/test_budget.py",
    "config/test_file_queue.py": "the embedded queue, on SQLite in either run",
    "config/test_readiness.py": "breaks SQLite's file and the embedded queue",
    "config/test_schema.py": "SQLite in either run",
    "console/test_browser.py": "what Chromium shows; the pages' queries are in the other tests of the console",
    "console/test_locale.py": "languages",
    "dialects/test_openapi.py": "documents",
    "test_architecture.py": "reads the code",
    "test_at_rest.py": "scans files, with SQLite among them, in either run",
    "test_caddy.py": "a proxy before the server",
    "test_env.py": "settings",
    "test_hostile_images.py": "memory of decoders",
    "test_https.py": "settings and headers",
    "test_lanes.py": "threads of the server",
    "test_pixels_released.py": "memory of a request",
    "test_prefix.py": "addresses of pages",
    "test_server_life.py": "processes of the server",
    "test_silent_clients.py": "connections to the server",
    "test_strangers.py": "HTTP that the server refuses or survives",
    "test_uploads.py": "bodies of requests",
}
needs_postgres = pytest.mark.skipif(not wanted(POSTGRES_PORT), reason="make test-services, with PostgreSQL")

if __name__ == "__main__":
    if not (_answers(POSTGRES_PORT) and _answers(REDIS_PORT)):
        sys.exit("No test was run: PostgreSQL and Redis do not answer at 127.0.0.1, ports 5432 and 6379.")
    make_role()
