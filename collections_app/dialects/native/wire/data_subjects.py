"""The export of everything stored about a person."""

import base64
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Likeness, likeness
from collections_app.dialects.native.wire.faces import Face
from collections_app.dialects.native.wire.people import Person
from collections_app.dialects.openapi import Always, Base64Image
from collections_app.operations.data_subject import Nearness, SubjectRecord


class KeptImage(Base64Image):
    """An image in base64."""

    def to_representation(self, value: Any) -> str:
        """Return the image in base64."""
        return base64.b64encode(value).decode()


class ExportedFace(Face):
    """A face with its label, and who enrolled it."""

    label = serializers.CharField()  # type: ignore[assignment]
    via = serializers.CharField()
    actor = serializers.CharField(source="actor_id", help_text="The id of the key or user.")


class Near(Likeness):
    """A search whose probe was near to the person, and whether it found them."""

    id = serializers.CharField(source="record.uuid")
    at = serializers.DateTimeField(source="record.at")
    name = serializers.CharField(source="record.request_name")
    found = serializers.BooleanField()

    def to_representation(self, near: Nearness) -> dict[str, Any]:
        """Add the similarity."""
        return super().to_representation({"record": near.record, "found": near.found, **likeness(near.score)})


class Templates(serializers.Serializer[Any]):
    """The person's templates, which are counted but never handed out."""

    count = serializers.SerializerMethodField()
    pack = serializers.CharField(source="collection.pack")
    form = Always("encrypted, not handed out")

    def get_count(self, record: SubjectRecord) -> int:
        """The number of templates, one per face."""
        return len(record.faces)


class Subject(serializers.Serializer[SubjectRecord]):
    """The answer to GET …/people/{person}/export; `images` are keyed by the image ids of the faces."""

    person = Person()
    collection = serializers.CharField(source="collection.name")
    faces = ExportedFace(many=True)
    images = serializers.DictField(child=KeptImage())
    searches = Near(many=True)
    templates = Templates(source="*")
