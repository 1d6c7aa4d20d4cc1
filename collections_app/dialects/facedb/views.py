"""The face database's endpoints: parse, operate, render."""

import base64
import binascii
from functools import partial
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.facedb import errors, wire
from collections_app.dialects.facedb.dialect import DIALECT
from collections_app.dialects.openapi import described, possible
from collections_app.operations import collections, data_subject, enrol, search
from collections_app.operations.collections import Alias
from recognition.images import ImageLimits
from tenants import keys
from tenants.errors import MissingKey, UnknownKey

_UNAUTHORIZED = 401
_LIMITS = ImageLimits(formats=("JPEG", "PNG"))  # the documents name JPEG; its clients get back what they sent


class FacedbView(DialectView):
    """An endpoint of the face database. A node is one of the tenant's collections (decision N6)."""

    dialect = DIALECT

    def credentials(self, request: Request) -> tuple[str, str]:
        """Read HTTP Basic: the key's two halves, or the whole key as a user without a password.

        The vendor's client sends Basic only when the password is empty (contract 2.2).
        """
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise MissingKey
        try:
            user, _, password = base64.b64decode(pair, validate=True).decode("ascii").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise UnknownKey from None
        if not user.isprintable():
            raise UnknownKey
        return (user, password) if password else keys.split(user)

    def answer(self, error: Exception) -> Answer | None:
        """Look the error up, in the codes that the tenant's profile names."""
        caller = getattr(self, "caller", None)
        return errors.answer(error, DIALECT.profile(caller.tenant.profiles) if caller else "")

    def internal_error(self) -> Answer:
        """Answer 502."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {code, message}, and ask for credentials where they are what is wrong."""
        headers = {"WWW-Authenticate": 'Basic realm="facedb"'} if answer.status == _UNAUTHORIZED else None
        refusal = {"code": answer.code, "message": errors.message(answer, error)}
        return Response(wire.Refusal(refusal).data, status=answer.status, headers=headers)


_described = partial(described, refusal=wire.Refusal, refused=possible(errors.ANSWERS))


class RegisterView(FacedbView):
    """/v2/va/register-facedb."""

    @_described("register-facedb", body=wire.Register, answer=wire.Registered)
    def post(self, request: Request) -> Response:
        """Register a person with their images, or replace the one of that uuId (decision N7)."""
        given = self.parse(wire.Register)
        person = enrol.enrol_person(
            self.caller,
            collection=Alias(given["nodeId"]),
            images=given["faceImages"],
            limits=_LIMITS,
            person=wire.details(given),
        )
        return Response(wire.Registered(person).data)


class ListView(FacedbView):
    """/v2/va/list-facedb."""

    @_described("list-facedb", body=wire.List, answer=wire.Listed)
    def post(self, request: Request) -> StreamingHttpResponse:
        """List a node's people with their images."""
        given = self.parse(wire.List)
        everybody = data_subject.list_people(self.caller, collection=Alias(given["nodeId"]))
        return StreamingHttpResponse(wire.listed(everybody), content_type="application/json")


class RemoveView(FacedbView):
    """/v2/va/remove-facedb."""

    @_described("remove-facedb", body=wire.Remove, answer=wire.Outcome)
    def post(self, request: Request) -> Response:
        """Erase a person."""
        given = self.parse(wire.Remove)
        data_subject.delete_person(self.caller, collection=Alias(given["nodeId"]), person=given["uuId"])
        return Response(wire.Outcome({}).data)


class MatchView(FacedbView):
    """/v2/va/matching-face."""

    @_described("matching-face", body=wire.Match, answer=wire.Matched)
    def post(self, request: Request) -> Response:
        """Tell whose face it is."""
        given = self.parse(wire.Match)
        node = Alias(given["nodeId"])
        found = search.match_person(self.caller, collection=node, images=given["faceImages"], limits=_LIMITS)
        return Response(wire.Matched(found or {}).data)


class CreateNodeView(FacedbView):
    """/v2/va/create-computing-node."""

    @_described("create-computing-node", body=wire.CreateNode, answer=wire.CreatedNode)
    def post(self, request: Request) -> Response:
        """Make a node that keeps its images, since list-facedb gives them back (decision N8)."""
        given = self.parse(wire.CreateNode)
        made = collections.create_collection(self.caller, name=given["nodeName"], images="original")
        return Response(wire.CreatedNode(made).data)


class GetNodeView(FacedbView):
    """/v2/va/get-computing-node."""

    @_described("get-computing-node", answer=wire.FoundNode)
    def post(self, request: Request) -> Response:
        """Describe the caller's node: the oldest that the key reaches, for the contract knows of one a server."""
        node = collections.oldest_collection(self.caller)
        return Response(wire.FoundNode(node, context={"url": request.build_absolute_uri()}).data)


class UpdateNodeView(FacedbView):
    """/v2/va/update-computing-node."""

    @_described("update-computing-node", body=wire.UpdateNode, answer=wire.Outcome)
    def post(self, request: Request) -> Response:
        """Rename a node."""
        given = self.parse(wire.UpdateNode)
        collections.update_collection(self.caller, collection=Alias(given["nodeId"]), name=given["nodeName"])
        return Response(wire.Outcome({}).data)


class RemoveNodeView(FacedbView):
    """/v2/va/remove-computing-node."""

    @_described("remove-computing-node", body=wire.RemoveNode, answer=wire.RemovedNode)
    def post(self, request: Request) -> Response:
        """Delete a node with everybody in it."""
        given = self.parse(wire.RemoveNode)
        collections.delete_collection(self.caller, name=Alias(given["nodeId"]))
        return Response(wire.RemovedNode(given).data)


class UnknownView(FacedbView):
    """Any other path, in the same envelope, known key or not."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say that there is nothing here."""
        raise NotFound
