"""Background jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import LONGEST, Listing, Page, Percent, cursor, from_cursor
from collections_app.dialects.openapi import example
from collections_app.errors import UnknownCursor
from collections_app.operations import imports, jobs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Bulk(serializers.Serializer[Any]):
    """What only a bulk job has; `counts` are its items by outcome, `rate` items a second."""

    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    options = serializers.DictField()
    counts = serializers.DictField(child=serializers.IntegerField())
    rate = serializers.FloatField(allow_null=True)


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
    bulk = Bulk(required=False, help_text="Only of a bulk job, such as an import.")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Leave out `bulk` where there is none."""
        values = dict(super().to_representation(instance))
        if values["bulk"] is None:
            del values["bulk"]
        return values


class Query(Page):
    """GET /jobs."""

    bulk = serializers.BooleanField(default=False, help_text="Bulk jobs only, those that are over too.")


@example({"refused": True})
class Resume(serializers.Serializer[Any]):
    """POST /jobs/{job}/resume."""

    refused = serializers.BooleanField(default=False, help_text="Try the refused items again.")
    enrol = serializers.BooleanField(default=False, help_text="Of a dry run: now enrol what it found possible.")


class ReportQuery(serializers.Serializer[Any]):
    """GET /jobs/{job}/report."""

    form = serializers.ChoiceField(["jsonl", "csv"], default="jsonl")


class Offset(serializers.Serializer[Any]):
    """PUT /jobs/{job}/archive and /manifest. Every part but the last has a multiple of 2,097,152 bytes."""

    offset = serializers.IntegerField(min_value=0, max_value=2**53, default=0, help_text="Where the part begins.")


class From(serializers.Serializer[Any]):
    """GET /jobs/{job}/bundle."""

    offset = serializers.IntegerField(min_value=0, max_value=2**53, default=0, help_text="The byte to begin with.")


@example({"passphrase": "correct horse battery staple", "images": True})
class NewExport(serializers.Serializer[Any]):
    """POST …/exports: exactly one of passphrase and recipients."""

    passphrase = serializers.CharField(
        default="", allow_blank=True, trim_whitespace=False, max_length=LONGEST, help_text="12 characters at least."
    )
    recipients = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST), default=list, max_length=20, help_text="age1…"
    )
    images = serializers.BooleanField(default=False, help_text="With the kept images.")


class Received(serializers.Serializer[Any]):
    """How many bytes of the file are there."""

    size = serializers.IntegerField()


@example({"dry_run": True, "existing": "skip"})
class Import(serializers.Serializer[Any]):
    """POST …/imports. As a form it may bring the files along, and then starts at once."""

    dry_run = serializers.BooleanField(default=False, help_text="Store nothing; say what would be enrolled.")
    largest = serializers.BooleanField(default=False, help_text="Take the largest of several faces.")
    stop = serializers.BooleanField(default=False, help_text="End at the first refusal.")
    existing = serializers.ChoiceField(
        ["add", "replace", "skip"], default="add", help_text="What happens to a person who was there before."
    )
    consent = serializers.CharField(allow_blank=True, default="", max_length=LONGEST)


class ImportForm(Import):
    """The same as a form."""

    archive = serializers.FileField(required=False, help_text="ZIP or tar.")
    manifest = serializers.FileField(required=False, help_text="CSV or JSON lines.")


def options(values: dict[str, Any]) -> imports.ImportOptions:
    """Return the options of an import."""
    return imports.ImportOptions(**{name: value for name, value in values.items() if name in Import().fields})


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
