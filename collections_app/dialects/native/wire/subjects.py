"""Everything that is kept about one person, for the person."""

import base64
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.faces import Face
from collections_app.dialects.native.wire.people import Person
from collections_app.dialects.openapi import Always, Base64Image
from collections_app.operations.subjects import SubjectRecord


class KeptImage(Base64Image):
    """An image in base64."""

    def to_representation(self, value: Any) -> str:  # noqa: ANN401
        """Encode it."""
        return base64.b64encode(value).decode()


class FoundBy(serializers.Serializer[Any]):
    """A search that found the person."""

    id = serializers.CharField(source="uuid")
    at = serializers.DateTimeField()
    request_name = serializers.CharField()


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
    faces = Face(many=True)
    images = serializers.DictField(child=KeptImage())
    found_by_searches = FoundBy(many=True, source="searches")
    templates = Templates(source="*")
