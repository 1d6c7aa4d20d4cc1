"""Faces: enrolled, and in an image."""

import hashlib
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from collections_app.dialects.base import without_nulls
from collections_app.dialects.native.wire.base import LONGEST, Listing, Percent, WithImage, cursor, refuse_unknown
from collections_app.dialects.native.wire.people import PersonFields
from collections_app.dialects.openapi import example
from collections_app.dialects.parsers import read_json
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.faces import FacePage
from recognition.results import QualityReason


@extend_schema_field(PersonFields)
class PersonField(serializers.JSONField):
    """The face's person; in a form, JSON text."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the person's details."""
        if isinstance(data, str):
            try:
                data = read_json(data.encode())
            except (ParseError, ValueError):
                raise serializers.ValidationError("It must be JSON.") from None
        if isinstance(data, Mapping):
            refuse_unknown(PersonFields().fields, data)
        form = PersonFields(data=without_nulls(data, PersonFields().fields))
        form.is_valid(raise_exception=True)
        return form.validated_data["details"]


@example({"image_url": "https://example.com/face.jpg", "person": {"reference": "4711"}, "consent": "form 7"})
class Enrol(WithImage):
    """POST …/faces. In a form `person` is JSON."""

    person = PersonField(default=PersonDetails)  # type: ignore[arg-type]  # the field returns PersonDetails, not JSON
    consent = serializers.CharField(allow_blank=True, default="", max_length=LONGEST)
    largest = serializers.BooleanField(default=False, help_text="Take the largest of several faces.")


class Whose(serializers.Serializer[Any]):
    """The person to whom a face belongs."""

    id = serializers.CharField(source="pk")
    reference = serializers.CharField()
    name = serializers.CharField()


class EnrolledImage(serializers.Serializer[Any]):
    """The image from which a face was enrolled."""

    id = serializers.CharField(source="image")
    width = serializers.IntegerField(source="image_width")
    height = serializers.IntegerField(source="image_height")
    kept = serializers.BooleanField(source="stored_image")


class Box(serializers.Serializer[Any]):
    """A face's box, in pixels of the upright image."""

    x = serializers.FloatField()
    y = serializers.FloatField()
    width = serializers.FloatField()
    height = serializers.FloatField()


class Pose(serializers.Serializer[Any]):
    """The head's angles in degrees: to the image's right, up and clockwise are positive."""

    yaw = serializers.FloatField()
    pitch = serializers.FloatField()
    roll = serializers.FloatField()


class Quality(serializers.Serializer[Any]):
    """A face's quality, and why the standard gate would refuse it."""

    sharpness = serializers.FloatField()
    brightness = serializers.FloatField()
    expected_miss = serializers.FloatField(
        allow_null=True,
        help_text="How likely a good photograph of the same person fails to match, 0 to 1; null for a face of before.",
    )
    reasons = serializers.ListField(child=serializers.ChoiceField([str(reason) for reason in QualityReason]))


class SeenFace(serializers.Serializer[Any]):
    """A face in an image."""

    box = Box()
    landmarks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="The eye at the image's left, the eye at its right, nose, mouth corner at its left, at its right.",
    )
    confidence = Percent()
    pose = Pose()
    quality = Quality()
    rotated = serializers.IntegerField(
        required=False,
        help_text="By how many degrees the image was turned clockwise to show the face upright; absent if it was not.",
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Leave `rotated` out of the answer to an upright image."""
        shown = super().to_representation(instance)
        return shown if shown.get("rotated") else {name: shown[name] for name in shown if name != "rotated"}


class Face(SeenFace):
    """An enrolled face; the roll of its pose shows whether its image was turned."""

    rotated = None  # type: ignore[assignment]  # not stored
    id = serializers.CharField(source="uuid")
    person = Whose()
    created_at = serializers.DateTimeField()
    image = EnrolledImage(source="*")
    liveness = Percent(allow_null=True)
    consent = serializers.CharField()


class Faces(Listing):
    """The answer to GET …/faces; `total` counts the whole list."""

    faces = Face(many=True)
    total = serializers.IntegerField()


def listed(page: FacePage) -> dict[str, Any]:
    """Return a page's values for Faces."""
    following = cursor(page.faces[-1].number) if page.more else None
    return {"faces": page.faces, "total": page.total, "next_cursor": following}


def fingerprint(path: str, body: Mapping[str, Any]) -> str:
    """Return a digest of a request: its path and every field."""
    plain = [path, *(f"{name}={value!r}" for name, value in sorted(body.items()))]
    return hashlib.sha256("\n".join(plain).encode()).hexdigest()
