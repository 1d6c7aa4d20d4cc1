"""What releases left behind: their migrations' digests, and a database of each, with its schema and some rows.

A released migration never changes: `tests/test_upgrade.py` compares them with `migrations.sha256`, and migrates each
kept database to the code of now. `python -m tests.released VERSION` keeps both for a release, on a machine where
PostgreSQL answers (tests.services) and `pg_dump` is installed.
"""

from pathlib import Path

from django.conf import settings

FOLDER = Path(__file__).parent
DIGESTS = FOLDER / "migrations.sha256"
MASTER_KEYS = "b2YgdGhlIHRlc3RzIG9mIHVwZ3JhZGVzLCBvbmx5Li4="  # of these databases, and of nothing else


def migrations() -> list[Path]:
    """Return the migrations of our apps."""
    return sorted(settings.BASE_DIR.glob("*/migrations/0*.py"))
