"""Collections and their policy; what is 0 to 100 outside is a cosine, or a share, inside."""

from typing import Any

from rest_framework import serializers

from collections_app import models
from collections_app.dialects.native.wire.base import Listing, Percent, bar, likeness
from collections_app.dialects.openapi import Identifier, example
from recognition import packs

_DUPLICATES, _GATES = models.Collection.Duplicates.choices, models.Collection.QualityGate.choices
_IMAGES = models.Collection.Images.choices


class Policy(serializers.Serializer[Any]):
    """What a collection does with faces. The threshold is a score of 0 to 100."""

    description = serializers.CharField(required=False, allow_blank=True)
    similarity_threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    liveness_threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    liveness_on_enrol = serializers.BooleanField(required=False)
    liveness_on_search = serializers.BooleanField(required=False)
    consent_required = serializers.BooleanField(required=False)
    duplicates = serializers.ChoiceField(_DUPLICATES, required=False)
    quality_gate = serializers.ChoiceField(_GATES, required=False)
    images = serializers.ChoiceField(_IMAGES, required=False)
    retention_days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=models.MOST_DAYS)
    face_limit = serializers.IntegerField(required=False, min_value=1, max_value=models.MOST_FACES)


@example({"name": "staff", "similarity_threshold": 90})
class NewCollection(Policy):
    """POST /collections."""

    name = Identifier()
    pack = serializers.ChoiceField(packs.names(), default=packs.DEFAULT)


@example({"similarity_threshold": 90, "images": "crop", "retention_days": 365})
class ChangedCollection(Policy):
    """PATCH /collections/{collection}: what is not there stays."""

    name = Identifier(required=False)


class Collection(serializers.Serializer[models.Collection]):
    """A collection and its policy."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    description = serializers.CharField()
    created_at = serializers.DateTimeField()
    pack = serializers.ChoiceField(packs.names())
    faces = serializers.IntegerField(source="gallery.size")
    similarity_threshold = serializers.SerializerMethodField()
    liveness_threshold = Percent()
    liveness_on_enrol = serializers.BooleanField()
    liveness_on_search = serializers.BooleanField()
    duplicates = serializers.ChoiceField(_DUPLICATES)
    quality_gate = serializers.ChoiceField(_GATES)
    images = serializers.ChoiceField(_IMAGES)
    retention_days = serializers.IntegerField(allow_null=True)
    consent_required = serializers.BooleanField()
    face_limit = serializers.IntegerField()

    def get_similarity_threshold(self, home: models.Collection) -> float:
        """The score that a match must reach."""
        return float(likeness(home.pack, home.similarity_threshold)["score"])


class Collections(Listing):
    """The answer to GET /collections."""

    collections = Collection(many=True)


def policy(given: dict[str, Any]) -> dict[str, Any]:
    """Express a policy in the platform's terms: cosine of whichever pack it is, and liveness from 0 to 1."""
    if "similarity_threshold" in given:
        given["similarity_threshold"] = bar({"threshold": given["similarity_threshold"]})
    if "liveness_threshold" in given:
        given["liveness_threshold"] /= 100
    return given
