"""Everything that is kept about one person, for the person."""

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
        """Encode it."""
        return base64.b64encode(value).decode()


class ExportedFace(Face):
    """A face with what callers called it, and who enrolled it."""

    label = serializers.CharField()  # type: ignore[assignment]
    via = serializers.CharField()
    actor = serializers.CharField(source="actor_id", help_text="The id of the key or user.")


class Near(Likeness):
    """A search that came near to the person, and whether it found them."""

    id = serializers.CharField(source="record.uuid")
    at = serializers.DateTimeField(source="record.at")
    name = serializers.CharField(source="record.request_name")
    found = serializers.BooleanField()

    def to_representation(self, near: Nearness) -> dict[str, Any]:
        """Say how near it came."""
        return super().to_representation({"record": near.record, "found": near.found, **likeness(near.score)})


class Templates(serializers.Serializer[Any]):
    """What is said of templates, which leave the house for nobody."""

    count = serializers.SerializerMethodField()
    pack = serializers.CharField(source="collection.pack")
    form = Always("encrypted, not handed out")

    def get_count(self, record: SubjectRecord) -> int:
        """One a face."""
        return len(record.faces)


class Subject(serializers.Serializer[SubjectRecord]):
    """The answer to GET …/people/{person}/export; images by the ids that the faces name."""

    person = Person()
    collection = serializers.CharField(source="collection.name")
    faces = ExportedFace(many=True)
    images = serializers.DictField(child=KeptImage())
    searches = Near(many=True)
    templates = Templates(source="*")
