"""The work behind the requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Listing, Percent, cursor, from_cursor
from collections_app.errors import UnknownCursor
from collections_app.operations import jobs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Job(serializers.Serializer[Any]):
    """A piece of work; rows, progress and seconds are of its present stage, and null where they cannot be known."""

    id = serializers.CharField()
    kind = serializers.ChoiceField([str(kind) for kind in jobs.Kind])
    collection = serializers.CharField(source="collection.name", allow_null=True, default=None)
    state = serializers.ChoiceField(
        [str(state) for state in jobs.State], help_text="What is tried again by itself waits."
    )
    stage = serializers.CharField()
    rows_done = serializers.IntegerField(allow_null=True)
    rows_total = serializers.IntegerField(allow_null=True)
    progress = Percent(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    fault = serializers.CharField(help_text="What stopped the last attempt.")


class Jobs(Listing):
    """The answer to GET /jobs."""

    jobs = Job(many=True)


def place(last: jobs.Job) -> str:
    """Give out where the list goes on."""
    since, key = last.place
    return cursor(f"{(since - _EPOCH) // _MICROSECOND}~{key}")


def from_place(text: str) -> jobs.Place | None:
    """Take it back.

    Raises:
        UnknownCursor: it is none of ours.
    """
    said: str | None = from_cursor(text, str)
    if said is None:
        return None
    microseconds, _, key = said.partition("~")
    try:
        at, number = _EPOCH + int(microseconds) * _MICROSECOND, int(key)
    except (ValueError, OverflowError):
        raise UnknownCursor from None
    if not 0 < number < 2**63:
        raise UnknownCursor
    return at, number
