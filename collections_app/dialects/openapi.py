"""How an endpoint is described in its dialect's OpenAPI document: from the same serializers that parse and render.

What may be refused is read from the dialect's own table of answers, so that the document cannot forget a code.
"""

from collections.abc import Callable, Iterable, Mapping
from types import new_class
from typing import Any, TypeVar

from drf_spectacular.drainage import get_override, set_override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import exceptions, serializers
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from collections_app import identifiers
from collections_app.dialects.base import Answer, image_bytes

_OK = 200
_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array"}
# No operation answers with these: they are what a path or a method that does not exist is answered with.
_ELSEWHERE = (exceptions.NotFound, exceptions.MethodNotAllowed)
_NAME = "As documented"

# OpenAPI's word for base64 text that is a file.
BASE64 = {"type": "string", "format": "byte"}

Body = type[Serializer[Any]]
F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", bound=Body)
EMPTY_IMAGE = "The image is empty: it has 0 bytes."


@extend_schema_field(BASE64)
class Base64Image(serializers.CharField):
    """An image in base64, bare or as a data URI."""

    default_error_messages = {"base64": "is not base64", "blank": EMPTY_IMAGE}

    def to_internal_value(self, data: Any) -> Any:
        """Decode it."""
        try:
            return image_bytes(super().to_internal_value(data))
        except ValueError:
            return self.undecoded()

    def undecoded(self) -> bytes:
        """Refuse what is no base64; a dialect may say otherwise."""
        self.fail("base64")

    def run_validators(self, value: Any) -> None:
        """Skip the checks for odd characters: they would spell out the image, a second for every 5 MB."""


class Text(serializers.CharField):
    """A name, which is stored and told as it was sent; control characters are refused."""

    default_error_messages = {"unusable": "{problem}"}

    def __init__(self, **kwargs: Any) -> None:
        """Keep the white space at its ends."""
        super().__init__(max_length=identifiers.LONGEST, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Look at its characters."""
        text: str = super().to_internal_value(data)
        if wrong := self.problem(text):
            self.fail("unusable", problem=wrong)
        return text

    def problem(self, text: str) -> str:
        """Say what is wrong with it."""
        return identifiers.text_problem(text)


class Identifier(Text):
    """A new collection's name, or the caller's own id of a person."""

    def problem(self, text: str) -> str:
        """Say what is wrong with it; an empty one is for the field to judge."""
        return identifiers.problem(text) if text else ""


class Always(serializers.Field[Any, Any, Any, Any]):
    """What an answer says every time, whatever was done."""

    def __init__(self, value: bool | int | str | list[int]) -> None:  # noqa: FBT001 -- it is the value itself
        """Keep it, and put it into the document."""
        super().__init__(source="*", read_only=True)
        self._value = value
        set_override(self, "field", {"type": _TYPES[type(value)], "const": value})

    def to_representation(self, value: object) -> object:
        """Say it."""
        return self._value


def example(value: Mapping[str, Any]) -> Callable[[S], S]:
    """Show a body with the values that the vendor's document shows it with."""
    return extend_schema_serializer(examples=[OpenApiExample(_NAME, value=value)])


def example_of(body: object) -> Any:
    """Return the body's example; None: it has none."""
    found = get_override(body, "examples", [])
    return found[0].value if found else None


def possible(answers: Mapping[type[Exception], Any], key: str = "") -> list[Answer]:
    """Return the answers of a dialect's table that an operation may give; `key` chooses where it has several each."""
    entries = [entry for error, entry in answers.items() if error not in _ELSEWHERE]
    return [entry.get(key) if key else entry for entry in entries if not key or key in entry]


def described(
    operation: str,
    *,
    answer: Body | OpenApiTypes | None,
    refusal: Body,
    refused: Iterable[Answer],
    status: int = _OK,
    body: Body | Mapping[str, Body] | None = None,
    parameters: Iterable[Body | OpenApiParameter] = (),
    path: Mapping[str, str] | None = None,
    media_types: tuple[str, ...] = (),
    refusal_type: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Describe a view's method: its operation id, what it takes, and every status that it answers with.

    `body` is by media type where its shape depends on it; `media_types` and `refusal_type` are given where an answer or
    a refusal is no application/json.
    """
    by_status: dict[int, dict[str, None]] = {}
    for one in refused:
        by_status.setdefault(one.status, {})[f"- `{one.code}` {one.text}"] = None
    done = OpenApiResponse(answer, "It was done.", _examples(answer))
    responses: dict[Any, Any] = {(status, *media_types) if media_types else status: done}
    for refused_with, lines in sorted(by_status.items()):
        text = "\n".join(["It was refused:", "", *lines])
        if refused_with == status:  # the contract answers everything with 200; the body tells which it is
            either = PolymorphicProxySerializer(f"{operation}Answer", [answer, refusal], None)  # type: ignore[list-item]
            shown = [*_examples(answer), *_examples(refusal, "A refusal")]
            responses[status] = OpenApiResponse(either, f"It was done. Or: {text}", shown)
        else:
            key = (refused_with, *refusal_type) if refusal_type else refused_with
            responses[key] = OpenApiResponse(refusal, text, _examples(refusal, "A refusal"))
    places = [OpenApiParameter(name, str, "path", description=text) for name, text in (path or {}).items()]
    return extend_schema(
        operation_id=operation,
        parameters=[*places, *parameters],
        request=body,
        responses=responses,
    )


def alias(view: type[APIView], **operations: str) -> type[APIView]:
    """Return the view for another path of the same operations; by method: their ids in the document there."""
    named = {method: extend_schema(operation_id=operation) for method, operation in operations.items()}
    return extend_schema_view(**named)(new_class(view.__name__, (view,)))


def _examples(body: object, name: str = _NAME) -> list[OpenApiExample]:
    value = example_of(body)
    return [] if value is None else [OpenApiExample(name, value=value)]
