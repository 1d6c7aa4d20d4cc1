"""Groups, in the vendor's field order and spellings."""

import re
from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.nhn.errors import Generation
from collections_app.dialects.nhn.wire.base import TOKEN, Json, Text, next_token, versioned
from collections_app.dialects.openapi import example
from collections_app.models import Collection
from collections_app.operations.collections import CollectionPage

_FACES = 100_000
_GROUP_ID = re.compile(r"[a-z0-9-]{1,255}")


@extend_schema_field({"type": "string", "pattern": "^[a-z0-9-]{1,255}$"})
class GroupId(Text):
    """The id of a new group."""

    default_error_messages = {"group_id": "A group id is 1 to 255 of a-z, 0-9 and -."}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Refuse an id of another form, also an empty one, with the error code `group_id`."""
        if isinstance(data, str) and not _GROUP_ID.fullmatch(data):
            self.fail("group_id")
        return super().run_validation(data)


def policy(generation: Generation) -> Json:
    """Return the policy of a new group, which keeps no images; production has a limit of faces (contract 3.3)."""
    return {"images": "none", "quality_gate": "none"} | ({} if generation == "prerelease" else {"face_limit": _FACES})


@example({"groupId": "my-group"})
class CreateGroup(serializers.Serializer[Any]):
    """POST /groups."""

    groupId = GroupId()


class Group(serializers.Serializer[Any]):
    """A group of a list."""

    groupId = serializers.CharField(source="name")
    modelVersion = serializers.CharField(required=False)

    def to_representation(self, group: Collection) -> Json:
        """Add the version of the group's pack."""
        shown: Json = super().to_representation(group)
        return {"groupId": shown.pop("groupId")} | versioned(group.pack, self.context) | shown


@extend_schema_field({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"})
class Time(serializers.DateTimeField):
    """A time in UTC without a zone (decision H23)."""


class DetailedGroup(Group):
    """A group with its details. Its time is UTC without a zone (decision H23)."""

    createTime = Time(source="created_at", format="%Y-%m-%dT%H:%M:%S", default_timezone=UTC)
    faceCount = serializers.IntegerField(source="gallery.size")


@example(
    {
        "groupCount": 2,
        "groups": [{"groupId": "group-id", "modelVersion": "v1.0"}, {"groupId": "my-group", "modelVersion": "v1.0"}],
        "nextToken": TOKEN,
    }
)
class Groups(serializers.Serializer[Any]):
    """The answer to GET /groups."""

    groupCount = serializers.IntegerField()
    groups = Group(many=True)
    nextToken = serializers.CharField()

    def to_representation(self, page: CollectionPage) -> Json:
        """Add the page's count (decision H15) and the token of the next page; empty on the last page."""
        last, listed = page.collections[-1:], page.collections
        token = next_token(self.context, last[0].name) if page.more else ""
        return super().to_representation({"groupCount": len(listed), "groups": listed, "nextToken": token})


@example(
    {
        "groupCount": 1,
        "groups": [
            {"groupId": "group-id", "modelVersion": "v1.0", "createTime": "2020-09-29T14:34:12", "faceCount": 365}
        ],
    }
)
class GroupDetail(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}: a list of one."""

    groupCount = serializers.IntegerField()
    groups = DetailedGroup(many=True)

    def to_representation(self, group: Collection) -> Json:
        """Put the group into a list."""
        return super().to_representation({"groupCount": 1, "groups": [group]})
