"""The services of this machine, where they answer at their standard ports."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

POSTGRES_PORT = int(os.environ.get("PGPORT", "5432"))
REDIS_PORT, RABBITMQ_PORT = 6379, 5672
SUPERUSER = f"postgresql://postgres@127.0.0.1:{POSTGRES_PORT}"


def answers(port: int) -> bool:
    """Tell whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def database(owner: str = "postgres") -> Iterator[str]:
    """Make a database of the role and yield its name."""
    name = f"faceplane_{secrets.token_hex(4)}"
    with psycopg.connect(f"{SUPERUSER}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"'.encode())
        try:
            yield name
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


needs_postgres = pytest.mark.skipif(not answers(POSTGRES_PORT), reason="no PostgreSQL here")
needs_redis = pytest.mark.skipif(not answers(REDIS_PORT), reason="no Redis here")
