"""When the database is at fault, and not what it was asked.

Django's names say little: SQLite tells of a damaged file by the root of its errors, PostgreSQL by an internal one, and
both of a table that no migration has made yet as of any wrong question.
"""

import logging
import time
from pathlib import Path

from django.db import DatabaseError, Error, InterfaceError, OperationalError, connection

logger = logging.getLogger("faceplane.database")
_NOT_MIGRATED = {"42P01", "42703"}  # undefined table, undefined column
_INTERNAL = "XX"  # the class of PostgreSQL's own faults, damaged data among them
_CHECKED_BYTES = 50_000_000  # of an SQLite file up to this size all pages are looked at, in about a tenth of a second
_CHECK_SECONDS = 60.0
_damaged = False
_checked_at = float("-inf")


def at_fault(error: BaseException) -> bool:
    """Tell whether an error says that the database is away, full, damaged or not migrated; log it if it does."""
    global _damaged  # noqa: PLW0603 -- what one request finds damaged, /readyz tells
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


def check() -> None:
    """Ask the database something, and a small SQLite file for damage.

    Raises:
        DatabaseError: it does not answer, or is damaged, as far as this process has found.
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
