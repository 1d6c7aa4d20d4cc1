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
def database() -> Iterator[str]:
    """Make a database and a role that owns it; yield the name of both. Row-level security holds the role."""
    name = f"faceplane_{secrets.token_hex(4)}"
    with psycopg.connect(f"{SUPERUSER}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN".encode())
        admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE {name}".encode())


needs_postgres = pytest.mark.skipif(not answers(POSTGRES_PORT), reason="no PostgreSQL here")
