"""A collection's health: which people may be one, which may be two, whose face shows poorly."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Likeness, likeness
from collections_app.dialects.native.wire.faces import Face
from collections_app.operations.health import FacePair, Health


class Pair(Likeness):
    """Two faces, and how alike they are."""

    first = Face()
    second = Face()


class Report(serializers.Serializer[Any]):
    """The answer to GET …/health: what the newest look at all templates found, as far as it still holds."""

    examined_at = serializers.DateTimeField(allow_null=True, help_text="null: it was never looked at, or not yet.")
    faces_compared = serializers.IntegerField(help_text="Of a large collection a random sample is compared.")
    duplicates = Pair(many=True, help_text="Faces of two people that are likely one.")
    mixed = Pair(many=True, help_text="Faces of one person that are likely two.")
    poor = Face(many=True, help_text="The newest faces with something wrong about their quality.")
    poor_total = serializers.IntegerField()

    def to_representation(self, health: Health) -> dict[str, Any]:
        """Say of every pair how alike it is."""
        report = health.report
        return super().to_representation(
            {
                "examined_at": report.finished_at if report else None,
                "faces_compared": report.findings.get("faces", 0) if report else 0,
                "duplicates": [_pair(pair) for pair in health.duplicates],
                "mixed": [_pair(pair) for pair in health.mixed],
                "poor": health.poor,
                "poor_total": health.poor_total,
            }
        )


def _pair(pair: FacePair) -> dict[str, Any]:
    return {"first": pair.first, "second": pair.second, **likeness(pair.score)}
