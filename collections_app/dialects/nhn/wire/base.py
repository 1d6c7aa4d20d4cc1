"""What NHN's bodies share: scalars, images, the envelope, tokens and scales.

A body is declared once for JSON and for the multipart forms of v2.0 (contract 3.6): in a form numbers and flags are
texts, and an image is a file or a URL. Responses omit production's `mask`, because no model here detects masks. The
request's flag `mask` is accepted and has no effect.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import new_class
from typing import Any, NamedTuple, TypeAlias

from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers
from rest_framework.utils.html import is_html_input

from collections_app.dialects.base import Answer
from collections_app.dialects.openapi import Always, Base64Image, Body, example, example_of
from collections_app.image_url import ImageUrl
from recognition import packs
from tenants.models import Tenant

_TODAY = Answer(200, 0, "Success")
SUCCESS = {"prerelease": Answer(200, 0, "SUCCESS"), "current": _TODAY, "v2.0": _TODAY}  # decision H2
PARTIAL = Answer(200, 40070, "ServiceQuotaExceededPartialSuccessException")
MOST_FACES = {"prerelease": 100, "current": 20, "v2.0": 20}  # of an image (contract 3.3)
PORTS = frozenset({80, 443, *range(10_000, 12_001)})  # decision H26
_DIGITS = re.compile(r"[0-9]{1,9}")
_FLAGS = {"true": True, "false": False}
_STRICTNESS = {"balanced": None, "strict": 1.0, "weak": 0.0}  # towards which liveness (decision H30)
_TOKEN_SALT, _TOKEN_SECONDS = "nhn.next-token", 3600
SCORE_DIGITS = 4
Json: TypeAlias = dict[str, Any]
# Values from the document's examples.
PICTURE = {"url": "https://..."}
TOKEN = "dlkj-210jwoivndslko9d..."  # noqa: S105 -- an example


class Whole(serializers.IntegerField):
    """A JSON integer; text, booleans and fractions are refused. In a form its digits."""

    def get_value(self, dictionary: Any) -> Any:
        """Convert a form's digits."""
        value = super().get_value(dictionary)
        return int(value) if is_html_input(dictionary) and _DIGITS.fullmatch(str(value)) else value

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
    """An image in base64, as a JSON string; in a form a file."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the image's bytes."""
        return data.read() if isinstance(data, UploadedFile) else super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """A JSON boolean; text and numbers are refused. In a form `true` or `false`."""

    default_empty_html = serializers.empty  # in a form too, what is absent has its default

    def get_value(self, dictionary: Any) -> Any:
        """Convert a form's text."""
        value = super().get_value(dictionary)
        return _FLAGS.get(value, value) if is_html_input(dictionary) else value

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Image(serializers.Serializer[Any]):
    """An image by URL or in base64, exactly one of the two (decision H11); null means absent.

    In a form it is the file `NAMEFile` or the text `NAMEUrl`; `form` is that name if it is not the field's.
    """

    url = Text(required=False, allow_null=True, allow_blank=True)
    bytes = Base64(required=False, allow_null=True, allow_blank=True)

    def __init__(self, *, form: str = "", **kwargs: Any) -> None:
        """Keep the name in forms."""
        super().__init__(**kwargs)
        self._form = form

    @property
    def in_form(self) -> tuple[str, str]:
        """The names of the file and the URL in a form."""
        name = self._form or self.field_name
        return f"{name}File", f"{name}Url"

    def get_value(self, dictionary: Any) -> Any:
        """Take the file or the URL of a form."""
        if not is_html_input(dictionary):
            return super().get_value(dictionary)
        file, url = self.in_form
        if file in dictionary and not (isinstance(dictionary[file], UploadedFile) and dictionary[file].size):
            raise serializers.ValidationError({file: "Not a file, or an empty one."}, code="file")
        named = {"bytes": file, "url": url}
        return {name: dictionary[field] for name, field in named.items() if field in dictionary} or serializers.empty

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


class Condition(serializers.Serializer[Any]):
    """How strictly spoofing is judged (contract 3.5)."""

    spoofingCondition = serializers.ChoiceField(tuple(_STRICTNESS), default="balanced")

    def to_internal_value(self, data: Any) -> Json:
        """Add `spoof_below`: a face whose liveness is below it is shown as a spoof."""
        values: Json = super().to_internal_value(data)
        return values | {"spoof_below": _spoof_below(values["spoofingCondition"])}


class Options(Condition):
    """Flags that omit fields from the answer when false (contract 3.4), and the one that adds `spoofing` (3.5)."""

    orientation = Flag(default=True)
    mask = Flag(default=True)
    spoofing = Flag(default=False)

    def to_internal_value(self, data: Any) -> Json:
        """Without `spoofing` no face is judged."""
        values = super().to_internal_value(data)
        return values | ({} if values["spoofing"] else {"spoof_below": None})


@example({"image": PICTURE})
class Picture(Options):
    """POST /detect, and the body of a search by image."""

    image = Image()


class Cursor(NamedTuple):
    """A list's limit, the position after which it continues, and its filters."""

    limit: int
    place: Any
    filters: dict[str, str]


def cursor(query: Json, tenant: Tenant, group: str = "") -> Cursor:
    """Return where a list continues; a token's limit and filters win (decision H13).

    Raises:
        rest_framework.exceptions.ValidationError: the token is invalid, expired, or of another list.
    """
    if not query["next-token"]:
        return Cursor(query["limit"], None, query.get("filters", {}))
    try:
        *bound, limit, place, filters = signing.loads(query["next-token"], salt=_TOKEN_SALT, max_age=_TOKEN_SECONDS)
    except signing.BadSignature:
        bound = []
    if bound != [tenant.pk, group]:
        raise serializers.ValidationError({"next-token": "Not a token of this list."}, code="token")
    return Cursor(limit, place, filters)


def next_token(context: Mapping[str, Any], place: str | int, group: str = "") -> str:
    """Return a signed token for the rest of a list; `group` is empty for the list of groups."""
    cursor: Cursor = context["cursor"]
    return signing.dumps([context["tenant"].pk, group, cursor.limit, place, cursor.filters], salt=_TOKEN_SALT)


class Success(serializers.Serializer[Answer]):
    """The header of a success."""

    resultCode = serializers.IntegerField(source="code", min_value=0)
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


def versioned(pack: str, context: Mapping[str, Any]) -> Json:
    """Return the value of `modelVersion`, which v2.0 does not have (contract 3.6)."""
    return {} if context["generation"] == "v2.0" else {"modelVersion": model_version(pack)}


def form_of(body: Body) -> Json:
    """Return the schema of a JSON body's multipart form."""
    properties: Json = {}
    for name, field in body().fields.items():
        if isinstance(field, Image):
            file, url = field.in_form
            properties |= {file: {"type": "string", "format": "binary"}, url: {"type": "string"}}
        elif isinstance(field, Whole):
            properties[name] = {"type": "integer", "minimum": field.min_value, "maximum": field.max_value}
        elif isinstance(field, serializers.ChoiceField):
            properties[name] = {"type": "string", "enum": list(field.choices)}
        else:
            properties[name] = {"type": "boolean" if isinstance(field, Flag) else "string"}
    required = [name for name, field in body().fields.items() if field.required and not isinstance(field, Image)]
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _spoof_below(condition: str) -> float:
    """Return the liveness below which a face is a spoof: the model pack's own threshold, or halfway to an end."""
    own, towards = packs.get(packs.DEFAULT).liveness_threshold, _STRICTNESS[condition]
    return own if towards is None else (own + towards) / 2
