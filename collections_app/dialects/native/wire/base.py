"""What the native API's bodies share: images, pages of a list, the scale of scores, and the problem document.

snake_case, ids as text, pixels of the upright image, similarity as a score of 0 to 100 in whole points. A score of 80
means a false match rate of 1e-3 with every model pack; `false_match_rate` says the rate itself.
"""

import base64
import json
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from types import new_class
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.base import image_bytes
from collections_app.dialects.openapi import BASE64, EMPTY_IMAGE, Body, example
from collections_app.errors import UnknownCursor
from collections_app.image_url import ImageUrl
from collections_app.safe_http import PORTS
from recognition.similarity import Threshold

SCORE_DIGITS, _RATE_DIGITS = 3, 3
LONGEST = 255
_MOST_NAMED, _LONGEST_NAMED = 20, 64  # unknown fields that a refusal names, and the characters that it repeats of each


@extend_schema_field(BASE64 | {"description": "base64, bare or as a data URI"})
class Image(serializers.Field[Any, Any, Any, Any]):
    """An image: an uploaded file, or base64 with or without a data URI before it."""

    default_error_messages = {"invalid": "Send a file, or base64.", "empty": EMPTY_IMAGE}

    def to_internal_value(self, data: Any) -> bytes:
        """Read it."""
        try:
            content = bytes(data.read()) if isinstance(data, UploadedFile) else image_bytes(data)
        except (ValueError, AttributeError):
            self.fail("invalid")
        return content or self.fail("empty")


@extend_schema_field(OpenApiTypes.BINARY)
class ImageFile(Image):
    """An image as a form sends it."""


class Percent(serializers.FloatField):
    """A share of 0 to 1, told as 0 to 100."""

    def to_representation(self, value: Any) -> Any:
        """Tell it."""
        return round(100 * value, SCORE_DIGITS)


class Points(serializers.FloatField):
    """A score of 0 to 100, with as many digits as a threshold may have."""

    def to_representation(self, value: Any) -> Any:
        """Tell it."""
        return round(value, SCORE_DIGITS)


@example({"image_url": "https://example.com/face.jpg"})
class WithImage(serializers.Serializer[Any]):
    """A body with one image, sent along or named by URL."""

    image = Image(required=False)
    image_url = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the one that is there."""
        return one_image(attrs, "image")


class Bar(serializers.Serializer[Any]):
    """What a match must reach: a score, or a false match rate; neither: the collection's own.

    It is rounded up to whole points, and raised to the collection's floor unless the key has the scope `scores`.
    """

    threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    false_match_rate = serializers.FloatField(required=False, min_value=1e-6, max_value=1)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse both: only one of them could be applied."""
        values = super().to_internal_value(data)
        if {"threshold", "false_match_rate"} <= values.keys():
            raise serializers.ValidationError({"false_match_rate": ["Send threshold or false_match_rate."]})
        return values


class BelowFloor(serializers.Serializer[Any]):
    """A query that may ask for what is below the floor."""

    below_floor = serializers.BooleanField(
        default=False, help_text="Tell of faces below the collection's floor too; takes the scope `scores`, is logged."
    )


class Page(serializers.Serializer[Any]):
    """A list's query."""

    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
    cursor = serializers.CharField(allow_blank=True, default="", help_text="The `next_cursor` of the page before.")


class Listing(serializers.Serializer[Any]):
    """A part of a list."""

    next_cursor = serializers.CharField(allow_null=True, help_text="Where the list goes on; null: it is over.")


class Likeness(serializers.Serializer[Any]):
    """How alike two faces are, and which share of strangers is as much alike: 0, and all of them, below the floor."""

    score = serializers.FloatField(min_value=0, max_value=100)
    false_match_rate = serializers.FloatField()


class Verdict(Likeness):
    """How alike two faces are, and whether that is enough."""

    decision = serializers.ChoiceField(["match", "no_match"])


@example(
    {
        "type": "/api/v1/problems#several_faces",
        "title": "The image shows several faces.",
        "status": 422,
        "code": "several_faces",
        "request_id": "5f0c6d8e9a1b4c2d",
        "count": 2,
    }
)
class Problem(serializers.Serializer[Any]):
    """Why it was not done, after RFC 9457. `code` stays what it is; the facts after it belong to some codes."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    detail = serializers.CharField(required=False, help_text="What, which input, how much was allowed.")
    errors = serializers.DictField(required=False, help_text="By field, what is wrong with it.")  # type: ignore[assignment]
    scope = serializers.CharField(required=False)
    quota = serializers.CharField(required=False)
    limit = serializers.IntegerField(required=False)
    minimum = serializers.IntegerField(required=False)
    actual = serializers.IntegerField(required=False, help_text="How much was sent.")
    unit = serializers.CharField(required=False, help_text="What limit and actual count.")
    format = serializers.CharField(required=False)
    allowed = serializers.ListField(child=serializers.CharField(), required=False, help_text="Formats.")
    count = serializers.IntegerField(required=False)
    face = serializers.CharField(required=False)
    image = serializers.CharField(required=False, help_text="Which image of several.")
    reason = serializers.CharField(required=False)
    reasons = serializers.ListField(child=serializers.CharField(), required=False)


def one_image(attrs: dict[str, Any], name: str) -> dict[str, Any]:
    """Put the image or its URL under the image's name."""
    url = attrs.pop(f"{name}_url", None)
    if (url is None) == (name not in attrs):
        raise serializers.ValidationError({name: f"Send {name} or {name}_url."})
    return attrs if url is None else {**attrs, name: ImageUrl(url, PORTS)}


def refuse_unknown(known: Collection[str], sent: Iterable[str], kind: str = "field") -> None:
    """Refuse what nobody reads: to ignore a misspelt field would be to say "done" of what was not done.

    Raises:
        rest_framework.exceptions.ValidationError: a name is unknown; it tells the nearest one that is known.
    """
    unknown = [name for name in sent if name not in known][:_MOST_NAMED]
    if unknown:
        raise serializers.ValidationError({name[:_LONGEST_NAMED]: [_unknown(name, known, kind)] for name in unknown})


def _unknown(name: str, known: Collection[str], kind: str) -> str:
    near = get_close_matches(name[:_LONGEST_NAMED].lower(), known, n=1)
    return f"Unknown {kind}. Did you mean {near[0]}?" if near else f"Unknown {kind}."


def refuse_repeated(sent: QueryDict) -> None:
    """Refuse a name that a form or a query gives twice: only the last would count.

    Raises:
        rest_framework.exceptions.ValidationError: it does.
    """
    repeated = [name for name, values in sent.lists() if len(values) > 1][:_MOST_NAMED]
    if repeated:
        raise serializers.ValidationError({name[:_LONGEST_NAMED]: ["Send it once."] for name in repeated})


@cache
def either_form(body: Body) -> Mapping[str, Body]:
    """Return the body as JSON has it, and as a form has it, in which images are files; both by media type."""
    files = {name: ImageFile(required=False) for name, field in body().fields.items() if isinstance(field, Image)}
    form = new_class(f"{body.__name__}Form", (body,), exec_body=lambda space: space.update(files))
    return {"application/json": body, "multipart/form-data": form}


def threshold_of(given: Mapping[str, Any]) -> Threshold | None:
    """Return what a match must reach; None: nothing was asked for."""
    if "threshold" in given:
        return Threshold(given["threshold"])
    return Threshold.of_rate(given["false_match_rate"]) if "false_match_rate" in given else None


def likeness(score: float | None) -> dict[str, Any]:
    """Say how alike, by a score as it is told, and None as 0: the false match rate behind it tells no more than it."""
    told = Threshold(score or 0)
    rate = float(f"{told.false_match_rate:.{_RATE_DIGITS}g}")
    return {"score": round(told.score, SCORE_DIGITS), "false_match_rate": rate}


def decision(*, match: bool) -> str:
    """Say whether it is enough."""
    return "match" if match else "no_match"


def cursor(value: object) -> str:
    """Give out where a list goes on."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def from_cursor(text: str, kind: type) -> Any:
    """Take it back.

    Raises:
        UnknownCursor: it is none of ours.
    """
    if not text:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(text.encode()))
        str(value).encode()  # half of a surrogate pair can be written in JSON, and in no database
    except (ValueError, RecursionError):
        raise UnknownCursor from None
    usable = 0 <= value < 2**63 if type(value) is int else isinstance(value, str) and "\0" not in value
    if type(value) is not kind or not usable:
        raise UnknownCursor
    return value
