"""Collections."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import Always, example
from collections_app.dialects.rekognition.wire.base import (
    TOKEN,
    CollectionId,
    Json,
    PageSize,
    PaginationToken,
    Tags,
    arn,
    model_version,
    next_token,
    page,
)
from collections_app.models import Collection
from collections_app.operations.collections import CollectionPage

LIST = "collections"  # the list's name in its tokens
_OK = 200
_ARN = "arn:aws:rekognition:us-east-1:000123456789:collection/people"


@example({"CollectionId": "people"})
class Named(serializers.Serializer[Any]):
    """DescribeCollection, DeleteCollection."""

    CollectionId = CollectionId()


@example({"CollectionId": "people", "Tags": {"site": "north"}})
class Create(Named):
    """CreateCollection."""

    Tags = Tags(default=dict)


@example({"StatusCode": 200, "CollectionArn": _ARN, "FaceModelVersion": "light-1"})
class Created(serializers.Serializer[Any]):
    """The answer to CreateCollection."""

    StatusCode = Always(_OK)
    CollectionArn = serializers.SerializerMethodField()
    FaceModelVersion = serializers.SerializerMethodField()

    def get_CollectionArn(self, collection: Collection) -> str:
        """The resource name."""
        return arn(collection, self.context["region"])

    def get_FaceModelVersion(self, collection: Collection) -> str:
        """The collection's pack."""
        return model_version(collection.pack)


@example(
    {
        "FaceCount": 2,
        "UserCount": 1,
        "FaceModelVersion": "light-1",
        "CollectionARN": _ARN,
        "CreationTimestamp": 1790000000.0,
    }
)
class Described(serializers.Serializer[Any]):
    """The answer to DescribeCollection."""

    FaceCount = serializers.IntegerField(source="gallery.size")
    UserCount = serializers.SerializerMethodField()
    FaceModelVersion = serializers.SerializerMethodField()
    CollectionARN = serializers.SerializerMethodField()
    CreationTimestamp = serializers.SerializerMethodField()

    def get_FaceModelVersion(self, collection: Collection) -> str:
        """The collection's pack."""
        return model_version(collection.pack)

    def get_UserCount(self, collection: Collection) -> int:
        """How many users it has."""
        return int(self.context["users"])

    def get_CollectionARN(self, collection: Collection) -> str:
        """The resource name."""
        return arn(collection, self.context["region"])

    def get_CreationTimestamp(self, collection: Collection) -> float:
        """When it was created, in epoch seconds."""
        return round(collection.created_at.timestamp(), 3)


@example({"MaxResults": 100})
class ListCollections(serializers.Serializer[Any]):
    """ListCollections."""

    NextToken = PaginationToken()
    MaxResults = PageSize()


@example({"CollectionIds": ["people", "staff"], "FaceModelVersions": ["light-1", "light-1"], "NextToken": TOKEN})
class Collections(serializers.Serializer[Any]):
    """The answer to ListCollections, by name."""

    CollectionIds = serializers.ListField(child=serializers.CharField())
    FaceModelVersions = serializers.ListField(child=serializers.CharField())
    NextToken = serializers.CharField(required=False)

    def to_representation(self, found: CollectionPage) -> Json:
        """Add the token of the next page."""
        listed = found.collections
        token = next_token(listed[-1].tenant, listed[-1].pk, LIST) if found.more else None
        return super().to_representation(
            {
                "CollectionIds": [one.name for one in listed],
                "FaceModelVersions": [model_version(one.pack) for one in listed],
                **page(token),
            }
        )


@example({"StatusCode": 200})
class Deleted(serializers.Serializer[Any]):
    """The answer to DeleteCollection."""

    StatusCode = Always(_OK)
