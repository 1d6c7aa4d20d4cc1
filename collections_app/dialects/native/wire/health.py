"""A collection's health: likely duplicates, likely mixed-up people, faces of poor quality."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Likeness, likeness
from collections_app.dialects.native.wire.faces import Face
from collections_app.operations.health import FacePair, Health


class Pair(Likeness):
    """Two faces and their similarity."""

    first = Face()
    second = Face()


class Report(serializers.Serializer[Any]):
    """The answer to GET …/health: the findings of the newest examination that still hold."""

    examined_at = serializers.DateTimeField(allow_null=True, help_text="null: no examination has finished.")
    faces_compared = serializers.IntegerField(help_text="In a large collection a random sample.")
    duplicates = Pair(many=True, help_text="Faces of two people who are likely the same.")
    mixed = Pair(
        many=True, allow_null=True, help_text="Faces of one person who is likely two; null unless below_floor."
    )
    poor = Face(many=True, help_text="The newest faces of poor quality.")
    poor_total = serializers.IntegerField()

    def to_representation(self, health: Health) -> dict[str, Any]:
        """Add the similarity of every pair."""
        report = health.report
        return super().to_representation(
            {
                "examined_at": report.finished_at if report else None,
                "faces_compared": report.findings.get("faces", 0) if report else 0,
                "duplicates": [_pair(pair) for pair in health.duplicates],
                "mixed": None if health.mixed is None else [_pair(pair) for pair in health.mixed],
                "poor": health.poor,
                "poor_total": health.poor_total,
            }
        )


def _pair(pair: FacePair) -> dict[str, Any]:
    return {"first": pair.first, "second": pair.second, **likeness(pair.score)}
