"""Tags of collections."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import example
from collections_app.dialects.rekognition.wire.base import TAG_KEY, Tags, Text
from collections_app.models import Collection

_ARN = "arn:aws:rekognition:us-east-1:000123456789:collection/people"


@example({"ResourceArn": _ARN})
class Resource(serializers.Serializer[Any]):
    """ListTagsForResource."""

    ResourceArn = Text(min_length=20, max_length=2048)


@example({"ResourceArn": _ARN, "Tags": {"site": "north"}})
class TagResource(Resource):
    """TagResource."""

    Tags = Tags()


@example({"ResourceArn": _ARN, "TagKeys": ["site"]})
class UntagResource(Resource):
    """UntagResource."""

    TagKeys = serializers.ListField(child=Text(TAG_KEY.pattern, max_length=128), max_length=200)


@example({"Tags": {"site": "north"}})
class Tagged(serializers.Serializer[Any]):
    """The answer to ListTagsForResource."""

    Tags = serializers.DictField(child=serializers.CharField())

    def to_representation(self, collection: Collection) -> Any:
        """Return the collection's tags."""
        return super().to_representation({"Tags": collection.tags})
