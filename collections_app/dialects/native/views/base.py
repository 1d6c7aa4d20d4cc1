"""The base of the native API's endpoints: key -> caller, error -> problem document, and the OpenAPI description."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiRequest, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects import openapi
from collections_app.dialects.base import Answer, DialectView, reason
from collections_app.dialects.native import errors
from collections_app.dialects.native.dialect import DIALECT
from collections_app.dialects.native.wire.base import Problem, refuse_repeated, refuse_unknown
from collections_app.dialects.openapi import Body
from collections_app.errors import InvalidRequest
from collections_app.operations.idempotency import Outcome
from tenants import keys
from tenants.errors import MissingKey

F = TypeVar("F", bound=Callable[..., Any])

_OK, _UNAUTHORIZED, _ACCEPTED = 200, 401, 202
RAW = "application/octet-stream"
_NO_BODY = frozenset({b"", b"{}", b"null"})  # HTTP libraries send one of these where there is no body
_PLACES = {
    "collection": "A collection's id, or its name.",
    "person": "Your reference for a person, or our id.",
    "reference": "Your own id for a person.",
    "face": "A face's id.",
    "job": "A job's id.",
    "key": "A key's id.",
    "receipt": "A receipt's id.",
    "search": "A search's id.",
    "webhook": "A webhook's id.",
    "delivery": "A delivery's id.",
    "bucket": "A bucket's name.",
    "capture": "A capture's id.",
    "tenant": "A tenant's slug.",
    "invitation": "An invitation's id.",
}
_RETRY_AFTER = OpenApiParameter(
    "Retry-After", int, "header", response=[429, 503], description="Seconds to wait before the next attempt."
)
_KNOWN = [
    OpenApiParameter(
        "If-None-Match",
        str,
        "header",
        description="An ETag: if the answer is still the same, it is a 304 without a body.",
    ),
    OpenApiParameter("ETag", str, "header", response=[_OK], description="Names this answer, for If-None-Match."),
]
_ROOM = [
    OpenApiParameter(
        "RateLimit-Policy",
        str,
        "header",
        response=True,
        description='The limits of the key, if there are any: `"minute";q=600;w=60, "day";q=9000;w=86400`.',
    ),
    OpenApiParameter(
        "RateLimit",
        str,
        "header",
        response=True,
        description='What is left of each, and for how many seconds: `"minute";r=599;t=31, "day";r=8412;t=40291`.',
    ),
]
_LOCATION = OpenApiParameter("Location", str, "header", response=[_ACCEPTED], description="Where to read the progress.")

_LONGEST_KEY = 200
IDEMPOTENCY = [
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "maxLength": _LONGEST_KEY},
        "header",
        description="Repeat the request with the same key for 24 hours: it is done once.",
    ),
    OpenApiParameter(
        "Idempotent-Replayed",
        str,
        "header",
        response=[201],
        description="`true`: this is the answer to an earlier request.",
    ),
]


class ProblemRenderer(JSONRenderer):
    """JSON with the media type of problem details."""

    media_type = "application/problem+json"


class NativeView(DialectView):
    """The base of the native API's endpoints."""

    dialect = DIALECT

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then refuse query parameters and body fields that the operation does not describe.

        A path with a NUL is unknown: no name contains one, and PostgreSQL refuses it in a query.
        """
        super().initial(request, *args, **kwargs)
        if any("\0" in name for name in kwargs.values()):
            raise NotFound
        operation = getattr(self, (request.method or "").lower(), None)
        if operation is not None:
            _refuse_unread(request, operation.takes)

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key from x-api-key or a bearer token."""
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = request.headers.get("x-api-key", "") or (bearer.strip() if kind.lower() == "bearer" else "")
        if not token:
            raise MissingKey
        return keys.split(token)

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer."""
        return errors.answer(error)

    def internal_error(self) -> Answer:
        """Return internal_error."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render a problem document."""
        problem = {
            "type": f"{_root()}/problems#{answer.code}",
            "title": answer.text,
            "status": answer.status,
            "code": answer.code,
            "request_id": self.request.META.get("faceplane.request_id", ""),
        }
        if detail := reason(error):
            problem["detail"] = detail
        self.request.accepted_renderer = ProblemRenderer()
        self.request.accepted_media_type = ProblemRenderer.media_type
        headers = {"WWW-Authenticate": 'Bearer realm="faceplane"'} if answer.status == _UNAUTHORIZED else None
        return Response(Problem(problem | errors.facts(error)).data, status=answer.status, headers=headers)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbid caching: responses contain personal data."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        if request.method == "GET" and response.status_code == _OK and isinstance(response, Response):
            response.add_post_render_callback(partial(_unless_known, request))
        return response


def _unless_known(request: Request, response: Response) -> HttpResponseBase:
    """Add the answer's ETag; answer 304 if the request's If-None-Match has it. A program may keep what no cache may."""
    etag = f'"{blake2b(response.rendered_content, digest_size=16).hexdigest()}"'
    response["ETag"] = etag
    return get_conditional_response(request, etag=etag, response=response) or response


@dataclass(frozen=True, slots=True)
class _Takes:
    """The names of an operation's query parameters and of its body's fields; None: it reads no body."""

    query: frozenset[str]
    body: frozenset[str] | None


def _refuse_unread(request: Request, takes: _Takes) -> None:
    """Refuse input that the operation would ignore.

    Raises:
        rest_framework.exceptions.ValidationError: a parameter or field is unknown or repeated, or a body is not read.
    """
    refuse_unknown(takes.query, request.query_params, "query parameter")
    refuse_repeated(request.query_params)
    if takes.body is None:
        if request.body.strip() not in _NO_BODY:
            raise ValidationError({"body": ["The operation reads none."]})
        return
    if isinstance(request.data, Mapping):
        refuse_unknown(takes.body, request.data)
    if isinstance(request.data, QueryDict):
        refuse_repeated(request.data)


def _root() -> str:
    return f"{get_script_prefix()}api/v1"


def accepted(answer: Any, place: str) -> Response:
    """Answer 202: the work continues after the response; Location is where to read its progress."""
    return Response(answer, status=_ACCEPTED, headers={"Location": f"{_root()}/{place}"})


def idempotency_key(request: Request) -> str:
    """Return the request's Idempotency-Key; empty: it has none.

    Raises:
        InvalidRequest: it is too long, or not printable.
    """
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise InvalidRequest("Idempotency-Key", f"must have at most {_LONGEST_KEY} printable characters")
    return key


def once_only(done: Outcome) -> Response:
    """Answer 201 with what an operation did, now or for an earlier request with the same Idempotency-Key."""
    return Response(done.answer, status=201, headers={"Idempotent-Replayed": "true"} if done.replayed else None)


def described(
    operation: str,
    at: str = "",
    *refused: errors.Group,
    query: Body | None = None,
    body: Body | Mapping[str, Body] | None = None,
    headers: Iterable[OpenApiParameter] = (),
    status: int = 200,
    raw: bool = False,
    **shapes: Any,
) -> Callable[[F], F]:
    """Describe a method; `at` lists its path parameters, `refused` the errors it may raise besides the usual ones.

    `raw`: the body is taken as it is.
    Its tag is the name of its module, its summary its docstring.
    """
    named = at.split()
    usual = [errors.NAMED[name] for name in named]
    usual += [errors.QUERY] if query else []
    usual += [errors.BODY] if body else []
    own = [query] if query else []
    own_headers = [_RETRY_AFTER, *_ROOM, *headers, *([_LOCATION] if status == _ACCEPTED else [])]
    bodies = body.values() if isinstance(body, Mapping) else [body] if body else []
    takes = _Takes(_names(own), _names(bodies) if bodies or raw else None)

    def describe(method: F) -> F:
        method.takes = takes  # type: ignore[attr-defined]
        known = method.__name__ == "get" and not shapes.get("media_types")
        shape = openapi.described(
            operation,
            refusal=Problem,
            refusal_type=(ProblemRenderer.media_type,),
            refused=errors.possible(*usual, *refused),
            path={name: _PLACES[name] for name in named},
            parameters=[*own, *own_headers, *(_KNOWN if known else [])],
            status=status,
            body={RAW: OpenApiRequest(OpenApiTypes.BINARY)} if raw else body,
            **shapes,
        )
        titled = extend_schema(tags=[method.__module__.rpartition(".")[2]], summary=method.__doc__)
        return titled(shape(method))

    return describe


def _names(bodies: Iterable[Body]) -> frozenset[str]:
    return frozenset(name for body in bodies for name in body().get_fields())
