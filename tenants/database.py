"""Tells faults of the database (away, full, damaged, not migrated) from faults of a query.

Django's exception classes do not: SQLite reports a damaged file as a plain DatabaseError, PostgreSQL as an internal
error, and both report a missing table or column like any wrong query.
"""

import logging
import threading
import time
from pathlib import Path

from django.db import DatabaseError, Error, InterfaceError, OperationalError, connection

logger = logging.getLogger("faceplane.database")
_NOT_MIGRATED = {"42P01", "42703"}  # undefined table, undefined column
_INTERNAL = "XX"  # SQLSTATE class of PostgreSQL's internal errors, such as damaged data
_CHECKED_BYTES = 50_000_000  # SQLite files up to this size are checked whole, in about 0.1 s
_CHECK_SECONDS = 60.0
_damaged = False
_opened = threading.local()  # `file`: which file this thread's connection to SQLite has open
_checked_at = float("-inf")


def at_fault(error: BaseException) -> bool:
    """Return whether an error means that the database is away, full, damaged or not migrated; log it if so."""
    global _damaged  # noqa: PLW0603 -- damage that one request finds is reported by /readyz
    if not isinstance(error, Error):
        return False
    state = str(getattr(error.__cause__, "sqlstate", None) or "")
    damaged = type(error) is DatabaseError or state.startswith(_INTERNAL)
    if damaged or state in _NOT_MIGRATED:
        _damaged = _damaged or damaged
        logger.error("The database is damaged or not migrated", extra={"error": str(error), "sqlstate": state})
        return True
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("The database does not answer", extra={"error": str(error)})
        return True
    return False


def reopen_if_replaced() -> None:
    """Close the connection to a SQLite file that was replaced or deleted: what it wrote there would be lost."""
    if connection.vendor != "sqlite":
        return
    try:
        found = Path(str(connection.settings_dict["NAME"])).stat()
        file = (found.st_dev, found.st_ino)
    except OSError:
        file = None
    if connection.connection is None or file != getattr(_opened, "file", file):
        connection.close()
        _opened.file = file


def check() -> None:
    """Run a query, and once a minute check a small SQLite file for damage.

    Raises:
        DatabaseError: the database does not answer, or this process has found damage.
    """
    global _damaged, _checked_at  # noqa: PLW0603 -- as above
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        if connection.vendor == "sqlite" and time.monotonic() > _checked_at + _CHECK_SECONDS:
            _checked_at = time.monotonic()
            file = Path(str(connection.settings_dict["NAME"]))
            if file.is_file() and file.stat().st_size <= _CHECKED_BYTES:
                cursor.execute("PRAGMA quick_check(1)")
                _damaged = cursor.fetchone() != ("ok",)
    if _damaged:
        message = "damaged"
        raise DatabaseError(message)
