"""What the bodies of NHN Face Recognition share: their scalars, the image, the envelope, tokens and scales.

The `mask` of the current contract is left out: no model of ours tells whether a face wears one, and a made-up answer
would be believed. The request's flag of that name is read and changes nothing.
"""

import re
from functools import cache
from types import new_class
from typing import Any, TypeAlias

from django.core import signing
from rest_framework import serializers

from collections_app.dialects.base import Answer
from collections_app.dialects.openapi import Always, Base64Image, Body, example, example_of
from collections_app.image_url import ImageUrl
from recognition import packs
from tenants.models import Tenant

SUCCESS = {"prerelease": Answer(200, 0, "SUCCESS"), "current": Answer(200, 0, "Success")}  # decision H2
PORTS = frozenset({80, 443, *range(10_000, 12_001)})  # decision H26
_DIGITS = re.compile(r"[0-9]{1,9}")
_TOKEN_SALT, _TOKEN_SECONDS = "nhn.next-token", 3600
SCORE_DIGITS = 4
Json: TypeAlias = dict[str, Any]
# The values of the document's examples.
PICTURE = {"url": "https://..."}
TOKEN = "dlkj-210jwoivndslko9d..."  # noqa: S105 -- the document's own


class Whole(serializers.IntegerField):
    """A whole number, in JSON a number and in a query its digits: no text, truth value or fraction stands for one."""

    def to_internal_value(self, data: Any) -> int:
        """Take it as it is."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class QueryWhole(serializers.IntegerField):
    """A whole number in a query."""

    def to_internal_value(self, data: Any) -> int:
        """Read ASCII digits and nothing else."""
        if not _DIGITS.fullmatch(data):
            self.fail("invalid")
        return int(data)


class Text(serializers.CharField):
    """A string; a number does not stand for one."""

    def to_internal_value(self, data: Any) -> Any:
        """Take it as it is."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Base64(Base64Image, Text):
    """An image in base64, as text and nothing that could be read as text."""


class Flag(serializers.BooleanField):
    """True or false; no text or number stands for one."""

    def to_internal_value(self, data: Any) -> bool:
        """Take it as it is."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Image(serializers.Serializer[Any]):
    """An image by URL or in base64, exactly one of the two (decision H11); null is as good as absent."""

    url = Text(required=False, allow_null=True, allow_blank=True)
    bytes = Base64(required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: Json) -> Any:
        """Return the image: bytes, or where to fetch them, once it is known who asks and for what."""
        given = {name: value for name, value in attrs.items() if value is not None}
        if len(given) != 1:
            raise serializers.ValidationError("Exactly one of url and bytes.")
        return ImageUrl(given["url"], PORTS) if "url" in given else given["bytes"] or b""


class Page(serializers.Serializer[Any]):
    """The query of a list."""

    limit = QueryWhole(min_value=1, max_value=200)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the field whose name is none in Python."""
        return {**super().get_fields(), "next-token": Text(default="", allow_blank=True)}


class Options(serializers.Serializer[Any]):
    """What the caller does not want to be told (contract 3.4)."""

    orientation = Flag(default=True)
    mask = Flag(default=True)


@example({"image": PICTURE})
class Picture(Options):
    """POST /detect, and the body of a search by image."""

    image = Image()


def cursor(given: Json, tenant: Tenant, group: str = "") -> tuple[int, Any]:
    """Return a list's limit and the place after which it goes on; a token's limit wins (decision H13).

    Raises:
        rest_framework.exceptions.ValidationError: the token is not of this list, of this tenant, or of this hour.
    """
    if not given["next-token"]:
        return given["limit"], None
    try:
        *bound, limit, place = signing.loads(given["next-token"], salt=_TOKEN_SALT, max_age=_TOKEN_SECONDS)
    except signing.BadSignature:
        bound = []
    if bound != [tenant.pk, group]:
        raise serializers.ValidationError({"next-token": "Not a token of this list."}, code="token")
    return limit, place


def next_token(tenant: Tenant, limit: int, place: str | int, group: str = "") -> str:
    """Return a signed token for the rest of a list; `group` is empty for the list of groups."""
    return signing.dumps([tenant.pk, group, limit, place], salt=_TOKEN_SALT)


class Success(serializers.Serializer[Answer]):
    """The header of what was done."""

    resultCode = Always(0)
    resultMessage = serializers.CharField(source="text")
    isSuccessful = Always(value=True)


class Failure(serializers.Serializer[Answer]):
    """The header of what was not done."""

    resultCode = serializers.IntegerField(source="code", max_value=-1)
    resultMessage = serializers.CharField(source="text")
    isSuccessful = Always(value=False)


@example({"header": {"resultCode": 0, "resultMessage": "SUCCESS", "isSuccessful": True}})
class Done(serializers.Serializer[Any]):
    """The answer to what was done and has nothing to tell."""

    header = Success()


@example({"header": {"resultCode": -40000, "resultMessage": "InvalidParam", "isSuccessful": False}})
class Refusal(serializers.Serializer[Any]):
    """The answer to what was not done."""

    header = Failure()


@cache
def enveloped(data: Body) -> Body:
    """Return the answer of which that is the data."""
    parts = {"data": data(), "__doc__": data.__doc__}
    answer: Body = new_class(f"{data.__name__}Answer", (Done,), exec_body=lambda body: body.update(parts))
    return example({**example_of(Done), "data": example_of(data)})(answer)


def model_version(pack: str) -> str:
    """Return a pack's version as the contract writes versions; another pack than the default one says which it is."""
    version = f"v{packs.get(pack).version}.0"
    return version if pack == packs.DEFAULT else f"{version}-{pack}"
