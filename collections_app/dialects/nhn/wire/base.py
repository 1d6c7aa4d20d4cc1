"""What NHN's bodies share: scalars, images, the envelope, tokens and scales.

Responses omit the current contract's `mask`, because no model here detects masks. The request's flag `mask` is
accepted and has no effect.
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
# Values from the document's examples.
PICTURE = {"url": "https://..."}
TOKEN = "dlkj-210jwoivndslko9d..."  # noqa: S105 -- an example


class Whole(serializers.IntegerField):
    """A JSON integer; text, booleans and fractions are refused."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class QueryWhole(serializers.IntegerField):
    """A whole number in a query string."""

    def to_internal_value(self, data: Any) -> int:
        """Convert ASCII digits; refuse everything else."""
        if not _DIGITS.fullmatch(data):
            self.fail("invalid")
        return int(data)


class Text(serializers.CharField):
    """A JSON string; numbers are refused."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Base64(Base64Image, Text):
    """An image in base64, as a JSON string."""


class Flag(serializers.BooleanField):
    """A JSON boolean; text and numbers are refused."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Image(serializers.Serializer[Any]):
    """An image by URL or in base64, exactly one of the two (decision H11); null means absent."""

    url = Text(required=False, allow_null=True, allow_blank=True)
    bytes = Base64(required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: Json) -> Any:
        """Return the image's bytes, or its URL, which the operation fetches later."""
        present = {name: value for name, value in attrs.items() if value is not None}
        if len(present) != 1:
            raise serializers.ValidationError("Exactly one of url and bytes.")
        return ImageUrl(present["url"], PORTS) if "url" in present else present["bytes"] or b""


class Page(serializers.Serializer[Any]):
    """The query of a list."""

    limit = QueryWhole(min_value=1, max_value=200)

    def to_internal_value(self, data: Any) -> Any:
        """Ignore the limit if there is a token, which contains one (decision H13)."""
        if data.get("next-token"):
            data = {"next-token": data["next-token"], "limit": "1"}
        return super().to_internal_value(data)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `next-token`, which is not a Python identifier."""
        return {**super().get_fields(), "next-token": Text(default="", allow_blank=True)}


class Options(serializers.Serializer[Any]):
    """Flags that omit fields from the answer when false (contract 3.4)."""

    orientation = Flag(default=True)
    mask = Flag(default=True)


@example({"image": PICTURE})
class Picture(Options):
    """POST /detect, and the body of a search by image."""

    image = Image()


def cursor(query: Json, tenant: Tenant, group: str = "") -> tuple[int, Any]:
    """Return a list's limit and the position after which it continues; a token's limit wins (decision H13).

    Raises:
        rest_framework.exceptions.ValidationError: the token is invalid, expired, or of another list.
    """
    if not query["next-token"]:
        return query["limit"], None
    try:
        *bound, limit, place = signing.loads(query["next-token"], salt=_TOKEN_SALT, max_age=_TOKEN_SECONDS)
    except signing.BadSignature:
        bound = []
    if bound != [tenant.pk, group]:
        raise serializers.ValidationError({"next-token": "Not a token of this list."}, code="token")
    return limit, place


def next_token(tenant: Tenant, limit: int, place: str | int, group: str = "") -> str:
    """Return a signed token for the rest of a list; `group` is empty for the list of groups."""
    return signing.dumps([tenant.pk, group, limit, place], salt=_TOKEN_SALT)


class Success(serializers.Serializer[Answer]):
    """The header of a success."""

    resultCode = Always(0)
    resultMessage = serializers.CharField(source="text")
    isSuccessful = Always(value=True)


class Failure(serializers.Serializer[Answer]):
    """The header of a failure."""

    resultCode = serializers.IntegerField(source="code", max_value=-1)
    resultMessage = serializers.CharField(source="text")
    isSuccessful = Always(value=False)


@example({"header": {"resultCode": 0, "resultMessage": "SUCCESS", "isSuccessful": True}})
class Done(serializers.Serializer[Any]):
    """The answer to a success without data."""

    header = Success()


@example({"header": {"resultCode": -40000, "resultMessage": "InvalidParam", "isSuccessful": False}})
class Refusal(serializers.Serializer[Any]):
    """The answer to a failure."""

    header = Failure()


@cache
def enveloped(data: Body) -> Body:
    """Return the enveloped answer with this data."""
    parts = {"data": data(), "__doc__": data.__doc__}
    answer: Body = new_class(f"{data.__name__}Answer", (Done,), exec_body=lambda body: body.update(parts))
    return example({**example_of(Done), "data": example_of(data)})(answer)


def model_version(pack: str) -> str:
    """Return a pack's version in the contract's form; packs other than the default add their name."""
    version = f"v{packs.get(pack).version}.0"
    return version if pack == packs.DEFAULT else f"{version}-{pack}"
