"""The work behind the requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Listing, Percent, cursor, from_cursor
from collections_app.errors import UnknownCursor
from collections_app.operations.jobs import Kind, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Job(serializers.Serializer[Any]):
    """A piece of work; rows, progress and seconds are of its present stage, and null where they cannot be known."""

    id = serializers.CharField()
    kind = serializers.ChoiceField([str(kind) for kind in Kind])
    collection = serializers.CharField(source="collection.name", allow_null=True, default=None)
    state = serializers.ChoiceField([str(state) for state in State], help_text="What is tried again by itself waits.")
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


def place(since: datetime) -> str:
    """Give out where the list goes on."""
    return cursor((since - _EPOCH) // _MICROSECOND)


def from_place(text: str) -> datetime | None:
    """Take it back.

    Raises:
        UnknownCursor: it is none of ours.
    """
    microseconds: int | None = from_cursor(text, int)
    if microseconds is None:
        return None
    try:
        return _EPOCH + microseconds * _MICROSECOND
    except OverflowError:
        raise UnknownCursor from None
