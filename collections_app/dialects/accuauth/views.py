"""AccuAuth's endpoints: parse, operate, render."""

import secrets
from collections.abc import Callable
from types import new_class
from typing import Any, TypeVar

from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects.accuauth import errors, wire
from collections_app.dialects.accuauth.dialect import DIALECT
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.openapi import Body, described, either_form, possible
from collections_app.dialects.parsers import Form, Json
from collections_app.operations import collections, enrol, search
from collections_app.operations.data_subject import PersonDetails
from recognition.images import ImageLimits
from tenants.errors import MissingKey

_LIMITS = ImageLimits(max_bytes=5 * 1024 * 1024, min_side=128, max_side=6000, formats=("JPEG", "PNG"))  # F14
F = TypeVar("F", bound=Callable[..., Any])


class AccuAuthView(DialectView):
    """The base of AccuAuth's endpoints. Its clients send multipart, URL-encoded and JSON bodies (contract 4.4)."""

    dialect = DIALECT
    parser_classes = [Form, FormParser, Json]

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key from X-DF-API-ID and X-DF-API-SECRET."""
        key_id, secret = request.headers.get("X-DF-API-ID", ""), request.headers.get("X-DF-API-SECRET", "")
        if not key_id or not secret:
            raise MissingKey
        return key_id, secret

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer."""
        return errors.answer(error)

    def internal_error(self) -> Answer:
        """Return INTERNAL_ERROR."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {status, reason, request_id} (decision F10)."""
        refusal = {"status": answer.code, "reason": errors.reason(answer, error)}
        return Response(wire.Refusal(refusal, context=self.context).data, status=answer.status)

    def reply(self, body: type[Serializer[Any]], done: object) -> Response:
        """Render a success."""
        return Response(body(done, context=self.context).data)

    @property
    def context(self) -> dict[str, str]:
        """The serializer context: the request's number, in every response; a client may repeat its X-Request-Id."""
        repeatable = "X-Request-Id" in self.request.headers
        number = secrets.token_hex(16) if repeatable else self.request.META.get("faceplane.request_id", "")
        return {"request_id": wire.request_number(number)}


def _described(operation: str, *, body: Body, answer: Body) -> Callable[[F], F]:
    forms = {**either_form(body), FormParser.media_type: new_class(f"{body.__name__}Urlencoded", (body,))}
    return described(operation, body=forms, answer=answer, refusal=wire.Refusal, refused=possible(errors.ANSWERS))


class CreateView(AccuAuthView):
    """/faceset/v2/create."""

    @_described("create", body=wire.Create, answer=wire.Created)
    def post(self, request: Request) -> Response:
        """Create a face set."""
        body = self.parse(wire.Create)
        made = collections.create_collection(
            self.caller,
            name=body["name"],
            description=body["desc"],
            similarity_threshold=DIALECT.threshold,
            quality_gate="none",
        )
        return self.reply(wire.Created, made)


class AddFaceView(AccuAuthView):
    """/faceset/v2/add_face."""

    @_described("add_face", body=wire.AddFace, answer=wire.Added)
    def post(self, request: Request) -> Response:
        """Add the largest face of an image to a face set (decision F8)."""
        body = self.parse(wire.AddFace)
        done = enrol.enrol_face(
            self.caller,
            collection=body["name"],
            image=body["image"],
            person=PersonDetails(reference=body["person_id"]),
            largest=True,
            limits=_LIMITS,
        )
        return self.reply(wire.Added, done)


class SearchFaceView(AccuAuthView):
    """/faceset/v2/search_face."""

    @_described("search_face", body=wire.SearchFace, answer=wire.Found)
    def post(self, request: Request) -> Response:
        """Find the faces of a set that match the largest face of an image."""
        body = self.parse(wire.SearchFace)
        found = search.search_by_image(
            self.caller,
            collection=body["name"],
            image=body["image"],
            limit=body["topN"],
            threshold=body["threshold"],
            largest=True,
            since=body["start_time"],
            limits=_LIMITS,
        )
        return self.reply(wire.Found, found)


class UnknownView(AccuAuthView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
