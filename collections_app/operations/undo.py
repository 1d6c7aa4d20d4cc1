"""For how long a change can be undone."""

from datetime import datetime, timedelta

from django.utils import timezone

UNDO_SECONDS = 30


def too_late(at: str) -> bool:
    """Return whether a change at this moment, in ISO 8601, can no longer be undone."""
    return timezone.now() > datetime.fromisoformat(at) + timedelta(seconds=UNDO_SECONDS)
