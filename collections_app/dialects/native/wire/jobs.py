"""Background jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Listing, Percent, cursor, from_cursor
from collections_app.errors import UnknownCursor
from collections_app.operations import jobs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Job(serializers.Serializer[Any]):
    """A background job; rows, progress and seconds refer to its current stage, null if unknown."""

    id = serializers.CharField()
    kind = serializers.ChoiceField([str(kind) for kind in jobs.Kind])
    collection = serializers.CharField(source="collection.name", allow_null=True, default=None)
    state = serializers.ChoiceField(
        [str(state) for state in jobs.State], help_text="A job that will be retried is waiting."
    )
    stage = serializers.CharField()
    rows_done = serializers.IntegerField(allow_null=True)
    rows_total = serializers.IntegerField(allow_null=True)
    progress = Percent(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    fault = serializers.CharField(help_text="Why the last attempt failed.")


class Jobs(Listing):
    """The answer to GET /jobs."""

    jobs = Job(many=True)


def place(last: jobs.Job) -> str:
    """Return the cursor after a job."""
    since, key = last.place
    return cursor(f"{(since - _EPOCH) // _MICROSECOND}~{key}")


def from_place(text: str) -> jobs.Place | None:
    """Decode a cursor; None if the text is empty.

    Raises:
        UnknownCursor: the text is not a cursor of this list.
    """
    value: str | None = from_cursor(text, str)
    if value is None:
        return None
    microseconds, _, key = value.partition("~")
    try:
        at, number = _EPOCH + int(microseconds) * _MICROSECOND, int(key)
    except (ValueError, OverflowError):
        raise UnknownCursor from None
    if not 0 < number < 2**63:
        raise UnknownCursor
    return at, number
