"""Collections and their policy; liveness is 0 to 100 here and 0 to 1 inside."""

from typing import Any

from rest_framework import serializers

from collections_app import models
from collections_app.dialects.native.wire.base import Listing, Percent, Points
from collections_app.dialects.openapi import Identifier, example
from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold

_DUPLICATES, _GATES = models.Collection.Duplicates.choices, models.Collection.QualityGate.choices
_SCALES = models.Collection.Scale.choices
_IMAGES = models.Collection.Images.choices


class Policy(serializers.Serializer[Any]):
    """A collection's policy. Nothing about an enrolled face is returned below the threshold, which is a score.

    With a `similarity_floor` callers may lower their threshold as far as this score. About twenty answers at low
    scores are enough to reconstruct a face, so the default is null: the floor is the threshold itself.
    """

    description = serializers.CharField(required=False, allow_blank=True)
    similarity_threshold = serializers.FloatField(required=False, min_value=LOWEST.score, max_value=100)
    false_match_rate = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=FALSE_MATCH_RATES[-1],
        max_value=1e-2,
        help_text="Instead of a threshold: the one that at most this share of strangers reach, as measured in the "
        "collection, and set again as it changes; until it has strangers enough, in the pack's worst cohort.",
    )
    similarity_floor = serializers.FloatField(required=False, allow_null=True, min_value=LOWEST.score, max_value=100)
    review_threshold = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=LOWEST.score,
        max_value=100,
        help_text="A search's best face from this score on is for review; not below the floor.",
    )
    scale = serializers.ChoiceField(
        _SCALES,
        required=False,
        help_text=(
            "normalised: against the collection's own strangers, once there are 30; measured: a score also means the "
            "rate that it names, at most, among them, as far as they are enough to measure it; plain: never."
        ),
    )
    liveness_threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    liveness_on_enrol = serializers.BooleanField(required=False)
    liveness_on_search = serializers.BooleanField(required=False)
    consent_required = serializers.BooleanField(required=False)
    duplicates = serializers.ChoiceField(_DUPLICATES, required=False)
    quality_gate = serializers.ChoiceField(_GATES, required=False)
    images = serializers.ChoiceField(_IMAGES, required=False)
    retention_days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=models.MOST_DAYS)
    face_limit = serializers.IntegerField(required=False, min_value=1, max_value=models.MOST_FACES)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take a threshold or a rate."""
        if attrs.get("false_match_rate") is not None and "similarity_threshold" in attrs:
            raise serializers.ValidationError({"false_match_rate": "Send a threshold or a false match rate."})
        return attrs


@example({"name": "staff", "similarity_threshold": 90})
class NewCollection(Policy):
    """POST /collections."""

    name = Identifier()
    pack = serializers.ChoiceField(packs.names(), default=packs.DEFAULT)


@example({"similarity_threshold": 90, "images": "crop", "retention_days": 365})
class ChangedCollection(Policy):
    """PATCH /collections/{collection}; omitted fields stay unchanged."""

    name = Identifier(required=False)


class Collection(serializers.Serializer[models.Collection]):
    """A collection and its policy."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    description = serializers.CharField()
    created_at = serializers.DateTimeField()
    pack = serializers.ChoiceField(packs.names())
    faces = serializers.IntegerField(source="gallery.size")
    similarity_threshold = Points(source="threshold.score")
    false_match_rate = serializers.FloatField(allow_null=True, help_text="null: the threshold stands by itself.")
    similarity_floor = Points(source="floor.score", required=False, help_text="Present if the policy sets one.")
    review_threshold = Points(source="review.score", required=False, help_text="Present if the policy sets one.")
    scale = serializers.ChoiceField(_SCALES)
    liveness_threshold = Percent()
    liveness_on_enrol = serializers.BooleanField()
    liveness_on_search = serializers.BooleanField()
    duplicates = serializers.ChoiceField(_DUPLICATES)
    quality_gate = serializers.ChoiceField(_GATES)
    images = serializers.ChoiceField(_IMAGES)
    retention_days = serializers.IntegerField(allow_null=True)
    consent_required = serializers.BooleanField()
    face_limit = serializers.IntegerField()


class Collections(Listing):
    """The answer to GET /collections."""

    collections = Collection(many=True)


def policy(values: dict[str, Any]) -> dict[str, Any]:
    """Convert a policy to the platform's types: thresholds to Threshold, liveness to 0 to 1."""
    for name in ("similarity_threshold", "similarity_floor", "review_threshold"):
        if values.get(name) is not None:
            values[name] = Threshold(values[name])
    if "liveness_threshold" in values:
        values["liveness_threshold"] /= 100
    return values
