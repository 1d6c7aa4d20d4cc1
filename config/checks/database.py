"""Checks of the database: it answers, its tables are right, row-level security binds our role, clocks agree."""

import time
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import connection

from config.checks import Finding, error, ok, warning
from config.server import web_threads, web_workers
from tenants import database, schema
from tenants.scope import TenantOwned

_OLDEST = 140000  # PostgreSQL 14, the oldest that Django 5.2 supports
_OTHER_CONNECTIONS = 20  # of workers, commands and PostgreSQL itself
_SKEW_SECONDS = 2.0
_GB = 1_000_000_000
_SERVER = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_user,
       pg_database_size(current_database()), current_setting('max_connections')::int,
       (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
       inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1',
       (SELECT count(*) FROM pg_class WHERE oid = ANY(%s::text[]::regclass[]) AND NOT pg_has_role(relowner, 'USAGE'))
"""
_OPEN = """
SELECT relname FROM pg_class
WHERE oid = ANY(%s::text[]::regclass[]) AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname
"""


def answers() -> Iterator[Finding]:
    """Check that the database answers and is not damaged."""
    database.check()
    yield ok("It answers.")


def tables() -> Iterator[Finding]:
    """Check that all migrations are applied."""
    if pending := schema.pending():
        text = f"Migrations that are not applied: {len(pending)}. Run manage.py migrate."
        yield error(text, "Stop the services, run manage.py migrate, start them.")
    else:
        yield ok("All migrations are applied.")


def server() -> Iterator[Finding]:
    """Check the database server: version, role, connections, encryption; for SQLite its file."""
    if connection.vendor == "sqlite":
        file = Path(str(connection.settings_dict["NAME"]))
        size = file.stat().st_size / _GB if file.is_file() else 0
        yield ok(f"SQLite, {size:.2f} GB in {file}.")
        return
    with connection.cursor() as cursor:
        cursor.execute(_SERVER, [_tables()])
        version, number, role, size, most, encrypted, local, foreign = cursor.fetchone()
    yield ok(f"PostgreSQL {version}, role {role}, {size / _GB:.2f} GB. Watch the free space on its own host.")
    if number < _OLDEST:
        yield error(f"PostgreSQL {version} is too old.", "Use PostgreSQL 14 or later.")
    if foreign:
        yield warning(
            f"The role {role} does not own {foreign} of the tables; a worker with this role cannot complete erasures.",
            "Give commands and workers the owner's role in DATABASE_URL; the web server may have another.",
        )
    if not (encrypted or local):
        yield warning("The connection to PostgreSQL is not encrypted.", "Add ?sslmode=verify-full to DATABASE_URL.")
    wanted = web_workers() * web_threads()
    if wanted + _OTHER_CONNECTIONS > most:
        yield warning(
            f"PostgreSQL allows {most} connections; this host's web server may use {wanted}, and workers some more.",
            f"Raise max_connections to {wanted + _OTHER_CONNECTIONS} for each web host, or lower WEB_THREADS.",
        )


def row_level_security() -> Iterator[Finding]:
    """Check that every table of tenant-owned rows has row-level security, forced."""
    if connection.vendor != "postgresql":
        yield ok("SQLite has none: the WHERE of each query is the only barrier between tenants.")
        return
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [_tables()])
        without = [name for (name,) in cursor.fetchall()]
    if without:
        text = f"Tables without row-level security: {', '.join(without)}."
        yield error(
            text, "Restore them from a backup or run manage.py migrate; do not serve several tenants until then."
        )
    else:
        yield ok("Forced on every table of tenant-owned rows.")


def clock() -> Iterator[Finding]:
    """Compare this host's clock with the database's."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        there, now = cursor.fetchone()[0], time.time()
    skew = there - (before + now) / 2
    if abs(skew) > _SKEW_SECONDS:
        yield warning(f"The database's clock differs by {skew:+.1f} s.", "Synchronise both hosts by NTP.")
    else:
        yield ok(f"The database's clock differs by {skew:+.2f} s.")


def _tables() -> list[str]:
    owned = (model for model in apps.get_models() if issubclass(model, TenantOwned) and model._meta.managed)
    return [connection.ops.quote_name(model._meta.db_table) for model in owned]
