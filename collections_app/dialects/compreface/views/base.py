"""The base of CompreFace's endpoints: key -> caller and collection, query and body -> values, and the description."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.http import QueryDict
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects import openapi
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.compreface import errors, wire
from collections_app.dialects.compreface.dialect import DIALECT
from collections_app.dialects.openapi import possible
from collections_app.dialects.parsers import Form, Json
from collections_app.errors import InvalidRequest
from recognition import packs
from recognition.images import READABLE, ImageLimits
from tenants import keys
from tenants.errors import MissingKey

LIMITS = ImageLimits(max_bytes=5 * 1024 * 1024, formats=READABLE)  # decision C5
_LISTED = "face_plugins"  # the one parameter whose repetitions count
_FORM = "multipart/form-data"

F = TypeVar("F", bound=Callable[..., Any])


class Parts(Form):
    """A parser of forms in which images are files even if their parts have no file name."""

    files = errors.IMAGES


class CompreFaceView(DialectView):
    """The base of CompreFace's endpoints."""

    dialect = DIALECT
    parser_classes = [Json, Parts]
    started = 0.0

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key from x-api-key."""
        token = request.headers.get("x-api-key", "")
        if not token:
            raise MissingKey
        if "." not in token:
            raise InvalidRequest("x-api-key", "should be ID.SECRET")
        return keys.split(token)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Start the clock, and authenticate."""
        self.started = time.perf_counter()
        super().initial(request, *args, **kwargs)

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer."""
        return errors.answer(error, form=self.request.content_type.partition(";")[0].strip().lower() == _FORM)

    def internal_error(self) -> Answer:
        """Return the answer to an unexpected error."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {message, code}."""
        service = self.request.path_info.removeprefix(f"/{DIALECT.prefix}").partition("/")[0]
        text = errors.message(answer, error, service)
        return Response(wire.base.Refusal({"message": text, "code": answer.code}).data, status=answer.status)

    @property
    def collection(self) -> str:
        """The collection to which the key is limited (decision C2).

        Raises:
            InvalidRequest: it reaches several, or all.
        """
        reached = self.caller.collections
        if reached is None or len(reached) != 1:
            raise InvalidRequest("x-api-key", "should be limited to one collection")
        return str(next(iter(reached)))

    def values(self) -> Any:
        """Return query and body together, as the vendor's server reads them; the query wins (decision C3)."""
        raw: str = self.request.META.get("QUERY_STRING", "")
        query = QueryDict(raw.encode("iso-8859-1").replace(b"?", b"&"))  # WSGI decodes each byte as one character
        sent = self.request.data if self.request.method in {"POST", "PUT"} else {}
        return _flat({"subject": sent} if isinstance(sent, str) else sent) | _flat(query)

    def reply(self, body: type[Serializer[Any]], result: object, asked: Mapping[str, Any], pack: str) -> Response:
        """Render an answer about an image, with what was asked for."""
        elapsed = round(1000 * (time.perf_counter() - self.started), 1)
        context = {
            "plugins": asked["face_plugins"],
            "milliseconds": elapsed if asked["status"] else None,
            "pack": pack or packs.DEFAULT,
        }
        return Response(body(result, context=context).data)


def _flat(values: Any) -> dict[str, Any]:
    """Return a query, a form or a JSON object as a dict: of repeated parameters the first, and no empty ones."""
    if isinstance(values, QueryDict):
        lists = dict(values.lists())
        values = {name: ",".join(each) if name == _LISTED else each[0] for name, each in lists.items() if each}
    if not isinstance(values, dict):
        return {}
    return {name: value for name, value in values.items() if value != "" or name == "subject"}


_PLACES = {"face": "The image's id.", "person": "The subject's name."}


def described(operation: str, path: str = "", **shapes: Any) -> Callable[[F], F]:
    """Describe a method; `path` is its path parameter, if it has one."""
    return openapi.described(
        operation,
        refusal=wire.base.Refusal,
        refused=[*possible(errors.ANSWERS), *errors.FIELDS],
        path={path: _PLACES[path]} if path else {},
        **shapes,
    )


class UnknownView(CompreFaceView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
