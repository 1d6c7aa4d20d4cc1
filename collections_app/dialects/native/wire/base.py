"""What the native API's bodies share: images, paging, scores, and the problem document.

Names are snake_case, ids text, boxes pixels of the upright image, similarities scores of 0 to 100. A score of 80 means
a false match rate of 1e-3 with every model pack; `false_match_rate` is the rate of the score.
"""

import base64
import json
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from collections_app.dialects.openapi import Image, example
from collections_app.errors import UnknownCursor
from collections_app.image_url import ImageUrl
from collections_app.safe_http import PORTS
from recognition.similarity import Threshold

SCORE_DIGITS, _RATE_DIGITS = 3, 3
LONGEST = 255
_MOST_NAMED, _LONGEST_NAMED = 20, 64  # unknown fields that an error names, and the characters of each


class Percent(serializers.FloatField):
    """A share of 0 to 1, rendered as 0 to 100."""

    def to_representation(self, value: Any) -> Any:
        """Convert and round the share."""
        return round(100 * value, SCORE_DIGITS)


class Points(serializers.FloatField):
    """A score of 0 to 100, rounded to the digits of thresholds."""

    def to_representation(self, value: Any) -> Any:
        """Round the score."""
        return round(value, SCORE_DIGITS)


@example({"image_url": "https://example.com/face.jpg"})
class WithImage(serializers.Serializer[Any]):
    """A body with one image, as bytes or by URL."""

    image = Image(required=False)
    image_url = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one of the two."""
        return one_image(attrs, "image")


class WithThreshold(serializers.Serializer[Any]):
    """What a match must reach, as a score or a false match rate; default: the collection's threshold.

    It is rounded up to whole points, and raised to the collection's floor unless the key has the scope `scores`.
    """

    threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    false_match_rate = serializers.FloatField(required=False, min_value=1e-6, max_value=1)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse both together: only one can apply."""
        values = super().to_internal_value(data)
        if {"threshold", "false_match_rate"} <= values.keys():
            raise serializers.ValidationError({"false_match_rate": ["Send threshold or false_match_rate."]})
        return values


class BelowFloor(serializers.Serializer[Any]):
    """A query that may include faces below the floor."""

    below_floor = serializers.BooleanField(
        default=False, help_text="Include faces below the collection's floor; needs the scope `scores` and is logged."
    )


class Page(serializers.Serializer[Any]):
    """The query of a list."""

    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
    cursor = serializers.CharField(allow_blank=True, default="", help_text="The `next_cursor` of the previous page.")


class Listing(serializers.Serializer[Any]):
    """A page of a list."""

    next_cursor = serializers.CharField(
        allow_null=True, help_text="Where the list continues; null: this is the last page."
    )


class Likeness(serializers.Serializer[Any]):
    """The similarity of two faces, and the share of strangers that reaches it; below the floor 0 and 1."""

    score = serializers.FloatField(min_value=0, max_value=100)
    false_match_rate = serializers.FloatField()


class Verdict(Likeness):
    """The similarity of two faces, and whether they match."""

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
    """An error (RFC 9457). `code` is stable; the members after `errors` occur with some codes only."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    detail = serializers.CharField(required=False, help_text="What is wrong, with which input, and the limit.")
    errors = serializers.DictField(required=False, help_text="The messages by field.")  # type: ignore[assignment]
    scope = serializers.CharField(required=False)
    quota = serializers.CharField(required=False)
    limit = serializers.IntegerField(required=False)
    minimum = serializers.IntegerField(required=False)
    actual = serializers.IntegerField(required=False, help_text="The size that was sent.")
    unit = serializers.CharField(required=False, help_text="The unit of limit and actual.")
    format = serializers.CharField(required=False)
    allowed = serializers.ListField(child=serializers.CharField(), required=False, help_text="The allowed formats.")
    count = serializers.IntegerField(required=False)
    face = serializers.CharField(required=False)
    image = serializers.CharField(required=False, help_text="Which of several images.")
    reason = serializers.CharField(required=False)
    reasons = serializers.ListField(child=serializers.CharField(), required=False)
    advice = serializers.CharField(required=False, help_text="What the person in front of the camera can do.")
    size = serializers.IntegerField(required=False, help_text="How many bytes of the file are there.")
    state = serializers.CharField(required=False, help_text="The job's state.")


def one_image(attrs: dict[str, Any], name: str) -> dict[str, Any]:
    """Put the image or its URL under the image's name; require exactly one of the two."""
    url = attrs.pop(f"{name}_url", None)
    if (url is None) == (name not in attrs):
        raise serializers.ValidationError({name: f"Send {name} or {name}_url."})
    return attrs if url is None else {**attrs, name: ImageUrl(url, PORTS)}


def refuse_unknown(known: Collection[str], sent: Iterable[str], kind: str = "field") -> None:
    """Refuse unknown names: ignoring a misspelt field would report success for something that was not done.

    Raises:
        rest_framework.exceptions.ValidationError: a name is unknown; the message suggests the nearest known one.
    """
    unknown = [name for name in sent if name not in known][:_MOST_NAMED]
    if unknown:
        raise serializers.ValidationError({name[:_LONGEST_NAMED]: [_unknown(name, known, kind)] for name in unknown})


def _unknown(name: str, known: Collection[str], kind: str) -> str:
    near = get_close_matches(name[:_LONGEST_NAMED].lower(), known, n=1)
    return f"Unknown {kind}. Did you mean {near[0]}?" if near else f"Unknown {kind}."


def refuse_repeated(sent: QueryDict) -> None:
    """Refuse a repeated name in a form or a query: only its last value would be used.

    Raises:
        rest_framework.exceptions.ValidationError: a name is repeated.
    """
    repeated = [name for name, values in sent.lists() if len(values) > 1][:_MOST_NAMED]
    if repeated:
        raise serializers.ValidationError({name[:_LONGEST_NAMED]: ["Send it once."] for name in repeated})


def threshold_of(body: Mapping[str, Any]) -> Threshold | None:
    """Return the threshold of a body, if it has one."""
    if "threshold" in body:
        return Threshold(body["threshold"])
    return Threshold.of_rate(body["false_match_rate"]) if "false_match_rate" in body else None


def likeness(score: float | None) -> dict[str, Any]:
    """Return the values for Likeness; None counts as 0. The rate is rounded, so it reveals no more than the score."""
    threshold = Threshold(score or 0)
    return {"score": round(threshold.score, SCORE_DIGITS), "false_match_rate": significant(threshold.false_match_rate)}


def significant(rate: float) -> float:
    """Return a rate with three significant digits."""
    return float(f"{rate:.{_RATE_DIGITS}g}")


def decision(*, match: bool) -> str:
    """Return the wire's word for a match or a non-match."""
    return "match" if match else "no_match"


def cursor(value: object) -> str:
    """Encode the position after which a list continues."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def from_cursor(text: str, kind: type) -> Any:
    """Decode a cursor; None if the text is empty.

    Raises:
        UnknownCursor: the text is not a cursor of this kind.
    """
    if not text:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(text.encode()))
        str(value).encode()  # JSON can contain half of a surrogate pair, the database cannot
    except (ValueError, RecursionError):
        raise UnknownCursor from None
    usable = 0 <= value < 2**63 if type(value) is int else isinstance(value, str) and "\0" not in value
    if type(value) is not kind or not usable:
        raise UnknownCursor
    return value
