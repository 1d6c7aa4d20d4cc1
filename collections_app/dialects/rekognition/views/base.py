"""The base of Amazon Rekognition's operations: signature -> caller, error -> exception, and the description."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects import openapi
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.openapi import Body, possible
from collections_app.dialects.parsers import Json
from collections_app.dialects.rekognition import errors, wire
from collections_app.dialects.rekognition.dialect import DIALECT
from collections_app.image_url import ImageUrl
from collections_app.operations import buckets
from recognition.images import ImageLimits
from tenants import access
from tenants.access import SIGNED, Caller
from tenants.sigv4 import Signature

_TARGET = DIALECT.operation_header
_SIGNED = frozenset({"host", _TARGET.lower()})  # headers that every signature has to cover
LIMITS = ImageLimits(max_bytes=5_242_880, min_side=80, formats=("JPEG", "PNG"))

F = TypeVar("F", bound=Callable[..., Any])


class AmazonJson(Json):
    """JSON under its media type here."""

    media_type = wire.base.MEDIA_TYPE


class AmazonRenderer(JSONRenderer):
    """JSON under its media type here."""

    media_type = wire.base.MEDIA_TYPE
    charset = None


class RekognitionView(DialectView):
    """The base of the operations: each is a POST to the same path, named by X-Amz-Target."""

    dialect = DIALECT
    parser_classes = [AmazonJson, Json]
    renderer_classes = [AmazonRenderer]

    def find_caller(self, request: Request, **origin: str) -> Caller:
        """Return the caller whose key signed the request, over its real body."""
        request.META[SIGNED] = True
        signature = self.signature(request)
        query, method = request.META.get("QUERY_STRING", ""), request.method or ""

        def text() -> str:
            return signature.text(method, request.path, query, request.headers, request.body)

        return access.caller_for_signature(signature, text, **origin)

    def signature(self, request: Request) -> Signature:
        """Return the request's signature."""
        query = request.META.get("QUERY_STRING", "")
        return Signature.of(request.headers, query, service=DIALECT.credentials.signs, signed=_SIGNED)

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer."""
        return errors.answer(error)

    def internal_error(self) -> Answer:
        """Return InternalServerError."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {__type, Code, Message, Logref}."""
        refusal = {"Code": answer.code, "Message": errors.message(answer, error), "Logref": self._request_id}
        return Response(wire.base.Refusal(refusal).data, status=answer.status)

    def image(self, picture: bytes | Mapping[str, str]) -> bytes | ImageUrl:
        """Return an image of the body: its bytes, or where its object of the tenant's bucket is."""
        if isinstance(picture, bytes):
            return picture
        return buckets.object_url(self.caller, picture["Bucket"], picture["Name"], picture.get("Version", ""))

    def reply(self, body: type[Serializer[Any]], done: object = None, **context: Any) -> Response:
        """Render a success."""
        return Response(body(done, context=context).data)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Repeat the request's id where SDKs read it."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["x-amzn-RequestId"] = self._request_id
        return response

    @property
    def region(self) -> str:
        """The region that the client signed for: part of resource names (R11)."""
        return self.signature(self.request).scope.region

    @property
    def _request_id(self) -> str:
        return str(self.request.META.get("faceplane.request_id", ""))


def described(operation: str, answer: Body | Mapping[str, Any], body: Body) -> Callable[[F], F]:
    """Describe an operation."""
    target = {"type": "string", "enum": [wire.base.TARGET + operation]}
    shape = openapi.described(
        operation,
        answer=answer,
        body={wire.base.MEDIA_TYPE: openapi.in_its_type(body)},
        refusal=wire.base.Refusal,
        refused=[*possible(errors.ANSWERS), *errors.FIELDS.values(), errors.ANSWERS[NotFound]],
        parameters=[OpenApiParameter(_TARGET, target, "header", required=True)],
        media_types=(wire.base.MEDIA_TYPE,),
        refusal_type=(wire.base.MEDIA_TYPE,),
    )

    def describe(method: F) -> F:
        return extend_schema(tags=[method.__module__.rpartition(".")[2]])(shape(method))

    return describe


class UnknownView(RekognitionView):
    """Any other operation, path or method, with or without a signature."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the operation is unknown; a preflight, which names none, that its method is not allowed."""
        raise MethodNotAllowed("OPTIONS") if request.method == "OPTIONS" else NotFound
