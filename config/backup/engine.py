"""Copies of the database, made and read by its own tool: pg_dump and pg_restore, or SQLite's VACUUM INTO.

The application's role makes them: row-level security lets it read every tenant's rows with the setting that commands
use. The vectors of pgvector are left out, because they are not encrypted and are made again from the templates.
"""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from psycopg.conninfo import make_conninfo

from tenants import heartbeat

_LEFT_OUT = ("recognition_vector", "recognition_graph")
_NOT_OURS = {"cursor_factory", "context", "prepare_threshold", "client_encoding", "password", "options"}
_SILENT_SECONDS = 2 * heartbeat.BEAT_SECONDS
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def file_name() -> str:
    """Return the name of the database's file in a backup."""
    return "database.sqlite3" if connection.vendor == "sqlite" else "database.dump"


def dump(folder: Path) -> None:
    """Copy the database into the folder, while it is in use.

    Raises:
        CommandError: the tool is missing or failed.
    """
    file = folder / file_name()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(f"file:{_sqlite_file()}?mode=ro", uri=True)) as database:
            database.execute("VACUUM INTO ?", [str(file)])
        with closing(sqlite3.connect(file)) as copy:
            (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            message = f"The database is damaged: {verdict}."
            raise CommandError(message)
        return
    left_out = [f"--exclude-table={name}" for name in _LEFT_OUT]
    _run("pg_dump", "--format=custom", "--enable-row-security", *left_out, f"--file={file}")


def load(folder: Path) -> None:
    """Load a backup's copy into the database, which is empty.

    Raises:
        CommandError: the tool is missing or failed.
    """
    if connection.vendor == "sqlite":
        with (
            closing(sqlite3.connect(folder / file_name())) as copy,
            closing(sqlite3.connect(_sqlite_file())) as database,
        ):
            copy.backup(database)
        return
    plain = ("--no-owner", "--no-privileges", "--no-comments", "--exit-on-error", "--single-transaction")
    _run("pg_restore", *plain, str(folder / file_name()))


def holds_rows() -> bool:
    """Return whether the database has a tenant or an account, whatever version made it."""
    with connection.cursor() as cursor:
        for table in {"tenants_tenant", "auth_user"} & set(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {table})")  # noqa: S608 -- our own names
            if cursor.fetchone()[0]:
                return True
    return False


def in_use() -> bool:
    """Return whether others are connected; SQLite does not say, so whether a worker gave a sign of life just now."""
    if connection.vendor == "sqlite":
        try:
            return any(seconds < _SILENT_SECONDS for seconds in heartbeat.workers().values())
        except DatabaseError:  # no tables yet, or those of another version
            return False
    with connection.cursor() as cursor:
        cursor.execute(_OTHERS)
        return bool(cursor.fetchone()[0])


def empty() -> None:
    """Remove everything that our role has in the database; for SQLite, its file."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP OWNED BY CURRENT_USER CASCADE")
            cursor.execute("CREATE SCHEMA IF NOT EXISTS public")
    connection.close()
    if connection.vendor == "sqlite":
        file = _sqlite_file()
        for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)


def _sqlite_file() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _run(tool: str, *arguments: str) -> None:
    parameters: dict[str, Any] = connection.get_connection_params()
    named = {name: value for name, value in parameters.items() if name not in _NOT_OURS}
    target = make_conninfo(**named, options="-c faceplane.tenant=0")
    env = os.environ | {"PGPASSWORD": str(parameters.get("password") or "")}  # other users can read arguments
    try:
        done = subprocess.run(  # noqa: S603 -- the engine's own tool
            [tool, f"--dbname={target}", *arguments], env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        message = f"{tool} is not installed: install PostgreSQL's client, of the server's version or a later one."
        raise CommandError(message) from None
    if done.returncode:
        message = f"{tool} failed: {done.stderr.strip()}"
        raise CommandError(message)
