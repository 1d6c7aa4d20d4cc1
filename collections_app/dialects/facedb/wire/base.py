"""What the bodies of /v2/va/ and /v3/va/ share."""

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from collections_app.dialects.openapi import Always, Base64Image, example
from collections_app.operations.data_subject import PersonRecord

LONGEST = 255
LONGEST_NOTE = 10_000
OLDEST = 32_767
IMAGES = 4
DIGITS = 6


class FaceImage(Base64Image):
    """An image in base64, in requests and responses."""

    def to_representation(self, value: Any) -> str:
        """Return the image in base64."""
        return base64.b64encode(value).decode()


class Whole(serializers.IntegerField):
    """A JSON integer; no text or fraction is converted (decisions N1 and N2)."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse text, fractions and booleans."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


@example({"code": 0, "message": ""})
class Outcome(serializers.Serializer[Any]):
    """The answer to a success, which has no message (decision N9)."""

    code = Always(0)
    message = Always("")


@example({"code": 502, "message": "REQUEST_TIMEOUT"})
class Refusal(serializers.Serializer[Any]):
    """The answer to a failure."""

    code = serializers.IntegerField(min_value=1)
    message = serializers.CharField()


def listed(
    people: Iterable[PersonRecord], name: str, shape: Callable[[PersonRecord], serializers.Serializer[Any]]
) -> Iterator[bytes]:
    """Render a list's answer person by person: the contract has no pages, and images are large."""
    yield f'{{"code":0,"message":"","{name}":['.encode()
    comma = b""
    for record in people:
        yield comma + JSONRenderer().render(shape(record).data)
        comma = b","
    yield b"]}"
