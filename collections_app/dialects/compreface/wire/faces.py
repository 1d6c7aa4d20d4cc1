"""Examples of subjects: enrolled faces."""

import uuid
from typing import Any

from rest_framework import serializers

from collections_app.dialects.compreface.wire.base import Share, Subject
from collections_app.dialects.openapi import Image, example
from collections_app.operations.faces import FacePage

_PAGE, _LARGEST = 20, 2000  # the vendor's default and bound of a page
_ID = "6b135f5b-a365-4522-b1f1-4c9ac2dd0728"
IDS = {"type": "array", "items": {"type": "string", "format": "uuid"}}
SOME_IDS = [_ID]


class Whose(serializers.Serializer[Any]):
    """The query of DELETE /recognition/faces: without a subject, all are meant, but a blank name is refused."""

    subject = Subject(required=False)


class Add(serializers.Serializer[Any]):
    """The query of POST /recognition/faces."""

    subject = Subject()
    det_prob_threshold = Share(default=0.0)


@example({"file": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."})
class File(serializers.Serializer[Any]):
    """A body with one image."""

    file = Image()


class AddFile(File, Add):
    """POST /recognition/faces: query and body."""


class Place(serializers.IntegerField):
    """A page's number or size; what is no number counts as missing, as at the vendor's server."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the number, or the default."""
        try:
            return super().run_validation(data)
        except serializers.ValidationError:
            return self.get_default()


class Page(serializers.Serializer[Any]):
    """The query of GET /recognition/faces."""

    subject = Subject(default="", allow_blank=True)
    page = Place(default=0, min_value=0, max_value=10**9)
    size = Place(default=_PAGE, min_value=1)

    def validate_size(self, value: int) -> int:
        """Bound the size."""
        return min(value, _LARGEST)


@example({"image_id": _ID, "subject": "Marie Curie"})
class Example(serializers.Serializer[Any]):
    """An enrolled face."""

    image_id = serializers.CharField(source="uuid")
    subject = serializers.SerializerMethodField()

    def get_subject(self, face: Any) -> str:
        """The person's reference; of an added face the name as it was sent."""
        return str(self.context.get("subject") or face.person.reference)


@example(
    {
        "faces": [{"image_id": _ID, "subject": "Marie Curie"}],
        "page_number": 0,
        "page_size": 20,
        "total_pages": 1,
        "total_elements": 1,
    }
)
class Faces(serializers.Serializer[Any]):
    """The answer to GET /recognition/faces."""

    faces = Example(many=True)
    page_number = serializers.IntegerField()
    page_size = serializers.IntegerField()
    total_pages = serializers.IntegerField()
    total_elements = serializers.IntegerField()

    def to_representation(self, page: FacePage) -> Any:
        """Add the numbers of the page and of the whole list."""
        number, size = self.context["page"], self.context["size"]
        places = {"page_number": number, "page_size": size, "total_pages": -(-page.total // size)}
        return super().to_representation({"faces": page.faces, **places, "total_elements": page.total})


def image_id(text: Any) -> str:
    """Return an image's id in the form in which it is stored.

    Raises:
        rest_framework.exceptions.ValidationError: it is no UUID.
    """
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise serializers.ValidationError({"image_id": ["is no UUID"]}) from None


def image_ids(body: Any) -> list[str]:
    """Return the ids of a body, which is a bare list.

    Raises:
        rest_framework.exceptions.ValidationError: it is no list of UUIDs.
    """
    if not isinstance(body, list):
        raise serializers.ValidationError({"image_id": ["is no list"]})
    return [image_id(one) for one in body]
