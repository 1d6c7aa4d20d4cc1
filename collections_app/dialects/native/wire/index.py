"""A collection's index."""

from typing import Any

from rest_framework import serializers


class Segment(serializers.Serializer[Any]):
    """A file of templates; `rank1` and `recall` were measured against exact search before publication."""

    kind = serializers.CharField()
    condition = serializers.CharField()
    rows = serializers.IntegerField()
    bytes = serializers.IntegerField()
    rank1 = serializers.FloatField()
    recall = serializers.FloatField()
    made_at = serializers.DateTimeField()


class Index(serializers.Serializer[Any]):
    """The answer to GET …/index; while `sound` is false, searches read the database exactly."""

    engine = serializers.CharField()
    sound = serializers.BooleanField()
    faces = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Changes since the last segment; searched exactly.")
    buried = serializers.IntegerField(help_text="Erased templates still in a segment; no search finds them.")
    segments = Segment(many=True)
    finished_at = serializers.DateTimeField(
        source="job.finished_at",
        allow_null=True,
        help_text="When it was last built; null: never, or a build is running.",
    )
