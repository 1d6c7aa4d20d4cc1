"""How endpoints are described in their dialect's OpenAPI document: by the serializers that parse and render.

The possible errors come from the dialect's own table of answers, so the document lists every code.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import new_class
from typing import Any, TypeVar

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.drainage import get_override, set_override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
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

_OK, _UNCHANGED = 200, 304
_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array"}
# Unknown paths and methods are answered with these; no operation is.
_ELSEWHERE = (exceptions.NotFound, exceptions.MethodNotAllowed)
_NAME = "As documented"

# OpenAPI's type of a file as base64 text.
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
        """Return the image's bytes."""
        try:
            return image_bytes(super().to_internal_value(data))
        except ValueError:
            return self.undecoded()

    def undecoded(self) -> bytes:
        """Refuse text that is not base64; a dialect may override this."""
        self.fail("base64")

    def run_validators(self, value: Any) -> None:
        """Skip CharField's character checks: they take a second for every 5 MB."""


@extend_schema_field(BASE64 | {"description": "base64, bare or as a data URI"})
class Image(serializers.Field[Any, Any, Any, Any]):
    """An image: an uploaded file, or base64, bare or as a data URI."""

    default_error_messages = {"invalid": "Send a file, or base64.", "empty": EMPTY_IMAGE}

    def to_internal_value(self, data: Any) -> bytes:
        """Return the image's bytes."""
        try:
            content = bytes(data.read()) if isinstance(data, UploadedFile) else image_bytes(data)
        except (ValueError, AttributeError, TypeError):
            self.fail("invalid")
        return content or self.fail("empty")


@extend_schema_field(OpenApiTypes.BINARY)
class ImageFile(Image):
    """An image as a file of a form."""


class Text(serializers.CharField):
    """A name, stored and returned as it was sent; control characters are refused."""

    default_error_messages = {"unusable": "{problem}"}

    def __init__(self, **kwargs: Any) -> None:
        """Keep leading and trailing white space."""
        super().__init__(max_length=identifiers.LONGEST, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the text, or refuse its characters."""
        text: str = super().to_internal_value(data)
        if wrong := self.problem(text):
            self.fail("unusable", problem=wrong)
        return text

    def problem(self, text: str) -> str:
        """Return what is wrong with the text; empty if nothing is."""
        return identifiers.text_problem(text)


class Identifier(Text):
    """A new collection's name, or the caller's own id of a person."""

    def problem(self, text: str) -> str:
        """Return what is wrong with the text; `allow_blank` decides on an empty one."""
        return identifiers.problem(text) if text else ""


class Always(serializers.Field[Any, Any, Any, Any]):
    """A response field with a constant value."""

    def __init__(self, value: bool | int | str | list[int]) -> None:  # noqa: FBT001 -- the value itself
        """Keep the value, and describe it as a constant."""
        super().__init__(source="*", read_only=True)
        self._value = value
        constant = (
            {"items": {"type": "integer"}} if isinstance(value, list) else {"const": value}
        )  # generators want items
        set_override(self, "field", {"type": _TYPES[type(value)], **constant})

    def to_representation(self, value: object) -> object:
        """Return the value."""
        return self._value


def example(value: Mapping[str, Any]) -> Callable[[S], S]:
    """Add the example of the vendor's document to a body."""
    return extend_schema_serializer(examples=[OpenApiExample(_NAME, value=value)])


@cache
def either_form(body: Body) -> Mapping[str, Body]:
    """Return the body by media type: as JSON, and as a form, in which images are files.

    Each has a name of its own: generated clients choose the media type by the body's class.
    """
    files = {name: ImageFile(required=False) for name, field in body().fields.items() if isinstance(field, Image)}
    form = new_class(f"{body.__name__}Form", (body,), exec_body=lambda space: space.update(files))
    return {"application/json": body, "multipart/form-data": form}


def example_of(body: object) -> Any:
    """Return the body's example, if it has one; a body without fields is a schema."""
    if isinstance(body, Mapping):
        return body.get("example")
    found = get_override(body, "examples", [])
    return found[0].value if found else None


def possible(answers: Mapping[type[Exception], Any], key: str = "") -> list[Answer]:
    """Return the answers of a dialect's table that operations may give; `key` selects where an error has several."""
    entries = [entry for error, entry in answers.items() if error not in _ELSEWHERE]
    return [entry.get(key) if key else entry for entry in entries if not key or key in entry]


def described(
    operation: str,
    *,
    answer: Body | OpenApiTypes | Mapping[str, Any] | None,
    refusal: Body,
    refused: Iterable[Answer],
    status: int = _OK,
    body: Body | Mapping[str, Body | OpenApiRequest] | None = None,
    parameters: Iterable[Body | OpenApiParameter] = (),
    path: Mapping[str, str] | None = None,
    media_types: tuple[str, ...] = (),
    refusal_type: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Describe a view's method: its operation id, its parameters and body, and every status it responds with.

    `body` is a mapping by media type if it is not application/json alone. `media_types` (of the answer) and
    `refusal_type` (of errors) are needed if they are not application/json. With the
    parameter If-None-Match a 304 is an answer, too.
    """
    by_status: dict[int, dict[str, None]] = {}
    for one in refused:
        by_status.setdefault(one.status, {})[f"- `{one.code}` {one.text}"] = None
    done = OpenApiResponse(answer, "It was done.", _examples(answer))
    responses: dict[Any, Any] = {(status, *media_types) if media_types else status: done}
    if any(getattr(one, "name", "") == "If-None-Match" for one in parameters):
        responses[_UNCHANGED] = OpenApiResponse(None, "The answer is still the one that If-None-Match names.")
    for refused_with, lines in sorted(by_status.items()):
        text = "\n".join(["It was refused:", "", *lines])
        if refused_with == status:  # the contract answers errors with 200 too; the body tells them apart
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
        request=body if isinstance(body, Mapping) or body is None else {"application/json": body},
        responses=responses,
    )


def in_its_type(body: Body) -> OpenApiRequest:
    """Return a body of another media type than application/json, for `described`, with its example."""
    return OpenApiRequest(body, examples=_examples(body))


def alias(view: type[APIView], **operations: str) -> type[APIView]:
    """Return a copy of the view for another path; `operations` are its operation ids there, by method."""
    named = {method: extend_schema(operation_id=operation) for method, operation in operations.items()}
    return extend_schema_view(**named)(new_class(view.__name__, (view,)))


def _examples(body: object, name: str = _NAME) -> list[OpenApiExample]:
    value = example_of(body)
    return [] if value is None else [OpenApiExample(name, value=value)]
