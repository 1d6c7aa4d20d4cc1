"""What v2.0's bodies have of their own (contract 3.6)."""

from datetime import UTC
from typing import Any

from rest_framework import serializers

from collections_app.dialects.nhn.wire import search
from collections_app.dialects.nhn.wire.base import PICTURE, Json, Page, Picture, QueryWhole, Text, Whole
from collections_app.dialects.nhn.wire.groups import Time
from collections_app.dialects.openapi import example
from recognition.similarity import Threshold

_FILTERS = {"face-id": "uuid", "image-id": "image", "external-image-id": "label"}
_MOST = 100  # matches (contract 3.3)


class FilteredPage(Page):
    """The query of the list of faces; a filter is an exact value."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the filters, which are not Python identifiers."""
        return {**super().get_fields(), **{name: Text(required=False, allow_blank=True) for name in _FILTERS}}

    def validate(self, attrs: Json) -> Json:
        """Add `filters`, by the names of a face's fields."""
        return attrs | {"filters": {field: attrs[name] for name, field in _FILTERS.items() if attrs.get(name)}}


class Search(search.QueryThreshold):
    """The query of a search by face."""

    limit = QueryWhole(min_value=1, max_value=_MOST)


@example({"image": PICTURE, "limit": 100, "threshold": 90})
class ImageSearch(Picture):
    """POST /groups/{group-id}/faces/search."""

    limit = Whole(min_value=1, max_value=_MOST)
    threshold = Whole(min_value=1, max_value=100)

    def validate_threshold(self, value: int) -> Threshold:
        """Convert it to a Threshold; the scales are the same."""
        return Threshold(value)


@example({"sourceImage": PICTURE, "targetImage": PICTURE, "threshold": 80})
class CompareV2(search.Compare):
    """POST /faces/compare: it has no threshold in the query."""

    threshold = Whole(min_value=1, max_value=100)


@example({"groupId": "group-id", "createTime": "2020-09-29T14:34:12", "faceCount": 365})
class GroupDetailV2(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}."""

    groupId = serializers.CharField(source="name")
    createTime = Time(source="created_at", format="%Y-%m-%dT%H:%M:%S", default_timezone=UTC)
    faceCount = serializers.IntegerField(source="gallery.size")
