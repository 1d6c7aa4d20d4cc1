"""What the bodies share: scalars, images, tokens, names of resources and the refusal.

Boxes and points are shares of the image's sides, confidences 0 to 100. Attributes that no model here
estimates are absent (R14).
"""

import re
from functools import partial
from typing import Any, TypeAlias

from django.core import signing
from drf_spectacular.drainage import set_override
from rest_framework import serializers

from collections_app.dialects.openapi import Base64Image, example
from collections_app.errors import CollectionNotFound
from collections_app.models import Collection
from recognition import packs
from recognition.similarity import Threshold
from tenants.models import Tenant

Json: TypeAlias = dict[str, Any]
TARGET = "RekognitionService."  # before an operation's name in X-Amz-Target
MEDIA_TYPE = "application/x-amz-json-1.1"
DEFAULT_SCORE = 80.0
THRESHOLD = Threshold(DEFAULT_SCORE)  # the documented default of searches and comparisons (R13)
MOST_LISTED = 4096
_TOKEN_SALT, _TOKEN_SECONDS = "rekognition.next-token", 86_400
_ACCOUNT_DIGITS = 12
TOKEN = "WzEsMl0:1u…"  # noqa: S105 -- an example
TAG_KEY = re.compile(r"(?!aws:)[\w ./:=+@-]{1,128}")
TAG_VALUE = r"[\w ./:=+@-]*"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Text(serializers.CharField):
    """A JSON string of a length and a pattern of the service model; other types are refused."""

    default_error_messages = {"pattern": "does not match the pattern {pattern}"}

    def __init__(self, pattern: str = "", **kwargs: Any) -> None:
        """Keep the pattern; empty: any text."""
        super().__init__(trim_whitespace=False, **{"min_length": 1} | kwargs)
        self._pattern = pattern
        if pattern:
            bounds = {"minLength": self.min_length, "maxLength": self.max_length}
            known = {name: bound for name, bound in bounds.items() if bound is not None}
            set_override(self, "field", {"type": "string", "pattern": f"^{pattern}$", **known})

    def to_internal_value(self, data: Any) -> str:
        """Return the text."""
        if not isinstance(data, str):
            self.fail("invalid")
        if self._pattern and not re.fullmatch(self._pattern, data):
            self.fail("pattern", pattern=self._pattern)
        return data


class Whole(serializers.IntegerField):
    """A JSON integer; text, booleans and fractions are refused."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class Percent(serializers.FloatField):
    """A JSON number from 0 to 100, as a threshold."""

    def __init__(self, default: float = DEFAULT_SCORE) -> None:
        """Take the documented default of the operation."""
        super().__init__(min_value=0, max_value=100, default=default)

    def to_internal_value(self, data: Any) -> float:
        """Refuse booleans and texts."""
        if type(data) not in {int, float}:
            self.fail("invalid")
        return super().to_internal_value(data)


class CollectionId(Text):
    """A collection's id: its name here."""

    def __init__(self) -> None:
        """Take the model's pattern and length."""
        super().__init__(r"[a-zA-Z0-9_.\-]+", max_length=255)


FaceId = partial(Text, UUID)
UserId = partial(Text, r"[a-zA-Z0-9_.\-:]+", max_length=128)


def FaceIds(**kwargs: Any) -> serializers.ListField:
    """Return a field of ids of faces."""
    return serializers.ListField(child=FaceId(), min_length=1, **kwargs)


PaginationToken = partial(Text, default="", min_length=0, max_length=255, allow_blank=True)
PageSize = partial(Whole, min_value=0, max_value=MOST_LISTED, default=0)
QualityFilter = partial(serializers.ChoiceField, ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"])
# Our quality gates: the contract has no figures for its filters, so all but the highest mean the standard gate.
GATES = {"NONE": "none", "AUTO": "standard", "LOW": "standard", "MEDIUM": "standard", "HIGH": "strict"}


class Tags(serializers.DictField):
    """Labels by name."""

    default_error_messages = {"name": "a name has 1 to 128 letters, digits, spaces or _.:/=+-@, and no aws: before"}

    def __init__(self, **kwargs: Any) -> None:
        """Take texts."""
        super().__init__(child=Text(TAG_VALUE, min_length=0, max_length=256, allow_blank=True), **kwargs)

    def to_internal_value(self, data: Any) -> Json:
        """Check the names."""
        found: Json = super().to_internal_value(data)
        if not all(TAG_KEY.fullmatch(name) for name in found):
            self.fail("name")
        return found


class Bytes(Base64Image, Text):
    """An image in base64, as a JSON string."""


class S3Object(serializers.Serializer[Any]):
    """An object of a bucket."""

    Bucket = Text(r"[0-9A-Za-z\.\-_]*", min_length=3, max_length=255)
    Name = Text(max_length=1024)
    Version = Text(max_length=1024, required=False)


class Image(serializers.Serializer[Any]):
    """An image: its bytes, or an object of a bucket."""

    default_error_messages = {
        "one": "Exactly one of Bytes and S3Object is needed.",
    }

    Bytes = Bytes(required=False)
    S3Object = S3Object(required=False)

    def validate(self, attrs: Json) -> Any:
        """Return the image's bytes, or the fields of the object."""
        if len(attrs) != 1:
            raise serializers.ValidationError(self.error_messages["one"], code="parameter")
        return next(iter(attrs.values()))


NOTHING: Json = {"type": "object", "maxProperties": 0, "example": {}}  # an answer without fields


@example(
    {
        "__type": "ResourceNotFoundException",
        "Code": "ResourceNotFoundException",
        "Message": "The collection id: people does not exist",
        "Logref": "1f0d5d84",
    }
)
class Refusal(serializers.Serializer[Any]):
    """The answer to a failure."""

    Code = serializers.CharField()
    Message = serializers.CharField()
    Logref = serializers.CharField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `__type`, whose name Python would mangle."""
        return {"__type": serializers.CharField(source="Code"), **super().get_fields()}


def cursor(token: str, tenant: Tenant, *of: str) -> int | None:
    """Return the place after which a list continues; None for its first page. `of` names the list.

    Raises:
        rest_framework.exceptions.ValidationError: the token is not one of this list, or older than a day.
    """
    if not token:
        return None
    try:
        *bound, place = signing.loads(token, salt=_TOKEN_SALT, max_age=_TOKEN_SECONDS)
    except signing.BadSignature:
        bound = []
    if bound != [tenant.pk, *of]:
        raise serializers.ValidationError({"NextToken": "Not a token of this list."}, code="token")
    return int(place)


def next_token(tenant: Tenant, place: int, *of: str) -> str:
    """Return a signed token for the rest of a list."""
    return signing.dumps([tenant.pk, *of, place], salt=_TOKEN_SALT)


def page(token: str | None) -> Json:
    """Return the field of a page's token; without one the list has ended."""
    return {"NextToken": token} if token else {}


def model_version(pack: str) -> str:
    """Return a pack's version as a face model's (R11)."""
    return f"{pack}-{packs.get(pack).version}"


def arn(collection: Collection, region: str) -> str:
    """Return a collection's resource name (R11)."""
    return f"arn:aws:rekognition:{region}:{account(collection.tenant_id)}:collection/{collection.name}"


def collection_of(resource: str, tenant: Tenant) -> str:
    """Return the name of the collection that a resource name means.

    Raises:
        CollectionNotFound: it means nothing of this tenant.
    """
    found = re.fullmatch(r"arn:aws:rekognition:[^:]*:(\d+):collection/(.+)", resource)
    if found is None or found[1] != account(tenant.pk):
        raise CollectionNotFound(resource.rpartition("/")[2])
    return found[2]


def account(tenant_id: int) -> str:
    """Return a tenant's number with the digits of an account."""
    return f"{tenant_id % 10**_ACCOUNT_DIGITS:0{_ACCOUNT_DIGITS}}"
