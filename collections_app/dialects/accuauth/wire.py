"""The bodies of AccuAuth, in the vendor's field order.

Ids are int64 numbers (decision F7), scores 0 to 1, times epoch seconds.
"""

import hashlib
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.base import image_bytes
from collections_app.dialects.openapi import Always, Identifier, example
from collections_app.models import Person
from collections_app.operations.budget import Match
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult
from recognition.similarity import Threshold

_LONGEST = 255
_LONGEST_TEXT = 1000
_DEFAULT = 0.8  # decision F1
THRESHOLD = Threshold.of_share(_DEFAULT)  # the threshold of sets made through this contract (decision R10)
_MATCHES = 10
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_LAST_SECOND = 253_402_300_799  # of the year 9999
_WINDOW = timedelta(days=184)  # six months at their longest (decision F12)
_SCORE_DIGITS = 6
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_HEX = re.compile(r"[0-9a-f]{32}")


class WholeNumber(serializers.IntegerField):
    """A whole number, or its digits as forms send them (decision F7)."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse floats, booleans and everything else that int() would accept."""
        number = isinstance(data, int) and not isinstance(data, bool)
        if not number and not (isinstance(data, str) and _WHOLE.fullmatch(data.strip())):
            self.fail("invalid")
        return int(data)


@extend_schema_field(
    {
        "type": "integer",
        "format": "int64",
        "minimum": _SMALLEST,
        "maximum": _LARGEST,
        "example": 12345,  # browsers round the bounds, and would offer one as the example
    }
)
class PersonNumber(WholeNumber):
    """The caller's own number for a person."""


class Share(serializers.FloatField):
    """A number from 0 to 1."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse booleans, numbers too large for a float, and NaN, which passes every comparison."""
        if isinstance(data, bool) or (isinstance(data, int) and abs(data) > 1):
            self.fail("invalid")
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value


@extend_schema_field({"type": "string", "format": "binary"})
class Upload(serializers.FileField):
    """An image as a file of a form."""


class Photo(serializers.Serializer[Any]):
    """An image as a file or as base64; the file wins (decision F2)."""

    file = Upload(required=False, allow_null=True)
    image_base64 = serializers.CharField(required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Put the image's bytes under "image"."""
        upload, text = attrs.pop("file", None), attrs.pop("image_base64", None)
        if upload:
            return {**attrs, "image": upload.read()}
        if not text:
            raise serializers.ValidationError("file or image_base64 is required")
        try:
            return {**attrs, "image": image_bytes(text)}
        except ValueError:
            raise serializers.ValidationError({"image_base64": "is not base64"}) from None


@extend_schema_field({"type": "string", "pattern": "^TID[0-9a-f]{32}$"})
class RequestNumber(serializers.CharField):
    """The request's number, in every response; it comes from the view."""

    def __init__(self) -> None:
        """Read the number from the context instead of the object."""
        super().__init__(source="*", read_only=True)

    def to_representation(self, value: object) -> str:
        """Return the number."""
        return str(self.context["request_id"])


@example({"status": "INVALID_ARGUMENT", "reason": "db not exist", "request_id": "TID8bf47ab6eda64476973cc5f5b6ebf57e"})
class Refusal(serializers.Serializer[Any]):
    """The answer to a failure (decision F10)."""

    status = serializers.CharField()
    reason = serializers.CharField()
    request_id = RequestNumber()


@example({"name": "test", "desc": "a face set"})
class Create(serializers.Serializer[Any]):
    """POST /faceset/v2/create."""

    name = Identifier()
    desc = serializers.CharField(max_length=_LONGEST_TEXT, default="", allow_blank=True)


@example({"request_id": "TID89665b3fe60745948095dd1965fa9b0a", "status": "OK"})
class Created(serializers.Serializer[Any]):
    """The answer to create; it says nothing about the set."""

    request_id = RequestNumber()
    status = Always("OK")


@example({"name": "test", "image_base64": "/9j/4AAQSkZJRgABAQEAYABgAAD/2....", "person_id": 435451889459444247})
class AddFace(Photo):
    """POST /faceset/v2/add_face."""

    name = serializers.CharField(max_length=_LONGEST)
    person_id = PersonNumber(required=False, allow_null=True, min_value=_SMALLEST, max_value=_LARGEST)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Convert the person's number to the stored text; empty: a new person."""
        number = attrs.pop("person_id", None)
        return {**super().validate(attrs), "person_id": "" if number is None else str(number)}


class AddedFace(serializers.Serializer[Any]):
    """A face that was added."""

    face_id = serializers.SerializerMethodField()
    person_id = serializers.SerializerMethodField()
    create_time = serializers.SerializerMethodField()

    def get_face_id(self, done: Enrolment) -> int:
        """The face's number."""
        return done.faces[0].pk

    def get_person_id(self, done: Enrolment) -> int:
        """The person's number."""
        return person_number(done.faces[0].person)

    def get_create_time(self, done: Enrolment) -> int:
        """When it was added, in epoch seconds."""
        return int(done.faces[0].created_at.timestamp())


@example(
    {
        "status": "OK",
        "result": {"face_id": 435451890298305047, "person_id": 435451889459444247, "create_time": 1669079152},
        "request_id": "TID89665b3fe60745948095dd1965fa9b0a",
    }
)
class Added(serializers.Serializer[Any]):
    """The answer to add_face."""

    status = Always("OK")
    result = AddedFace(source="*")
    request_id = RequestNumber()


@example({"name": "test", "image_base64": "/9j/4AAQSkZJRgABAQEAYABgAAD/2....", "threshold": 0.8, "topN": 1})
class SearchFace(Photo):
    """POST /faceset/v2/search_face. Faces enrolled before `start_time` are not searched."""

    name = serializers.CharField(max_length=_LONGEST)
    threshold = Share(default=_DEFAULT, min_value=0, max_value=1)
    start_time = WholeNumber(default=None, allow_null=True, min_value=0, max_value=_LAST_SECOND)
    topN = WholeNumber(default=1, min_value=1, max_value=_MATCHES)

    def validate_threshold(self, value: float) -> Threshold:
        """Convert it to the platform's scale."""
        return Threshold.of_share(value)

    def validate_start_time(self, value: int | None) -> datetime:
        """Convert it to a time; default: six months ago (decision F12)."""
        return timezone.now() - _WINDOW if value is None else datetime.fromtimestamp(value, UTC)


class FoundFace(serializers.Serializer[Any]):
    """A face that matches."""

    person_id = serializers.SerializerMethodField()
    face_id = serializers.IntegerField(source="face.pk")
    score = serializers.SerializerMethodField()
    create_time = serializers.SerializerMethodField()

    def get_person_id(self, match: Match) -> int:
        """The person's number."""
        return person_number(match.face.person)

    def get_score(self, match: Match) -> float:
        """How similar it is, 0 to 1."""
        return share(match.score)

    def get_create_time(self, match: Match) -> int:
        """When it was added, in epoch seconds."""
        return int(match.face.created_at.timestamp())


@example(
    {
        "status": "OK",
        "request_id": "TID89665b3fe60745948095dd1965fa9b0a",
        "result": [
            {
                "person_id": 435451889459444247,
                "face_id": 435451890298305047,
                "score": 0.93,
                "create_time": 1669079152,
            }
        ],
    }
)
class Found(serializers.Serializer[Any]):
    """The answer to search_face, best match first."""

    status = Always("OK")
    request_id = RequestNumber()
    result = serializers.SerializerMethodField()

    @extend_schema_field(FoundFace(many=True))
    def get_result(self, found: SearchResult) -> Any:
        """The matching faces."""
        return FoundFace(found.matches, many=True).data


def request_number(request_id: str) -> str:
    """Return a request's id in the contract's form: the id itself if it has 32 hex digits, else its digest."""
    digits = request_id if _HEX.fullmatch(request_id) else hashlib.sha256(request_id.encode()).hexdigest()[:32]
    return f"TID{digits}"


def person_number(person: Person) -> int:
    """Return the caller's own number for a person, or ours if the caller's id is missing or not a number."""
    own = person.reference
    if _WHOLE.fullmatch(own) and str(int(own)) == own and _SMALLEST <= int(own) <= _LARGEST:
        return int(own)
    return person.pk


def share(score: float) -> float:
    """Convert a score to the contract's scale of 0 to 1."""
    return round(score / 100, _SCORE_DIGITS)
