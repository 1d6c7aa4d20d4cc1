"""The face database's endpoints: parse, operate, render."""

import base64
import binascii
from functools import partial
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import Answer, DialectView, shown
from collections_app.dialects.facedb import errors, wire
from collections_app.dialects.facedb.dialect import DIALECT
from collections_app.dialects.openapi import described, possible
from collections_app.operations import collections, data_subject, enrol, registrations, search
from collections_app.operations.collections import Alias
from recognition.images import ImageLimits
from tenants import keys
from tenants.errors import MissingKey, UnknownKey

_UNAUTHORIZED = 401
_LIMITS = ImageLimits(formats=("JPEG", "PNG", "BMP"))  # the documents name JPEG; the vendor's client sends BMP too


class FacedbView(DialectView):
    """The base of the face database's endpoints. A node is one of the tenant's collections (decision N6)."""

    dialect = DIALECT

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key from HTTP Basic: id and secret, or the whole key as a user name without a password.

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
        """Return the error's answer with the code of the tenant's profile."""
        caller = getattr(self, "caller", None)
        return errors.answer(error, DIALECT.profile(caller.tenant.profiles) if caller else "")

    def internal_error(self) -> Answer:
        """Return code 502."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {code, message}; a 401 also asks for credentials."""
        headers = {"WWW-Authenticate": 'Basic realm="facedb"'} if answer.status == _UNAUTHORIZED else None
        refusal = {"code": answer.code, "message": errors.message(answer, error)}
        return Response(wire.Refusal(refusal).data, status=answer.status, headers=headers)


_described = partial(described, refusal=wire.Refusal, refused=possible(errors.ANSWERS))


class RegisterView(FacedbView):
    """/v2/va/register-facedb."""

    @_described("register-facedb", body=wire.Register, answer=wire.Registered)
    def post(self, request: Request) -> Response:
        """Register a person with images; a person of the same uuId is replaced (decision N7)."""
        body = self.parse(wire.Register)
        person = enrol.enrol_person(
            self.caller,
            collection=Alias(body["nodeId"]),
            images=body["faceImages"],
            limits=_LIMITS,
            person=wire.details(body),
        )
        return Response(shown(wire.Registered, person))


class ListView(FacedbView):
    """/v2/va/list-facedb."""

    @_described("list-facedb", body=wire.List, answer=wire.Listed)
    def post(self, request: Request) -> StreamingHttpResponse:
        """List a node's people with their images."""
        body = self.parse(wire.List)
        people = data_subject.list_people(self.caller, collection=Alias(body["nodeId"]))
        return StreamingHttpResponse(wire.listed(people), content_type="application/json")


class GetView(FacedbView):
    """/v2/va/get-facedb."""

    @_described("get-facedb", body=wire.Get, answer=wire.Got)
    def post(self, request: Request) -> Response:
        """Return a person with their images."""
        body = self.parse(wire.Get)
        record = registrations.get_registration(self.caller, collection=Alias(body["nodeId"]), person=body["uuId"])
        return Response(wire.Got(record).data)


class ModifyView(FacedbView):
    """/v2/va/modify-facedb."""

    @_described("modify-facedb", body=wire.Modify, answer=wire.Registered)
    def post(self, request: Request) -> Response:
        """Change a person: omitted fields stay unchanged, new images replace the earlier ones."""
        body = self.parse(wire.Modify)
        person = registrations.change_registration(
            self.caller,
            collection=Alias(body["nodeId"]),
            person=wire.details(body),
            images=body.get("faceImages", []),
            limits=_LIMITS,
        )
        return Response(shown(wire.Registered, person))


class RemoveView(FacedbView):
    """/v2/va/remove-facedb."""

    @_described("remove-facedb", body=wire.Remove, answer=wire.Outcome)
    def post(self, request: Request) -> Response:
        """Erase a person."""
        body = self.parse(wire.Remove)
        data_subject.delete_person(self.caller, collection=Alias(body["nodeId"]), person=body["uuId"])
        return Response(wire.Outcome({}).data)


class MatchView(FacedbView):
    """/v2/va/matching-face."""

    @_described("matching-face", body=wire.Match, answer=wire.Matched)
    def post(self, request: Request) -> Response:
        """Find the person whose face it is."""
        body = self.parse(wire.Match)
        node = Alias(body["nodeId"])
        found = search.match_person(self.caller, collection=node, images=body["faceImages"], limits=_LIMITS)
        return Response(shown(wire.Matched, found or {}))


class CreateNodeView(FacedbView):
    """/v2/va/create-computing-node."""

    @_described("create-computing-node", body=wire.CreateNode, answer=wire.CreatedNode)
    def post(self, request: Request) -> Response:
        """Create a node, which keeps its images (decision N8); another may have its name (decision R6)."""
        body = self.parse(wire.CreateNode)
        made = collections.create_collection(self.caller, name=body["nodeName"], distinct=True, images="original")
        return Response(wire.CreatedNode(made).data)


class GetNodeView(FacedbView):
    """/v2/va/get-computing-node."""

    @_described("get-computing-node", answer=wire.FoundNode)
    def post(self, request: Request) -> Response:
        """Describe the caller's node: the last one that its key created here, else the oldest one (decision R5)."""
        node = collections.own_collection(self.caller)
        return Response(wire.FoundNode(node, context={"url": request.build_absolute_uri()}).data)


class ListNodesView(FacedbView):
    """/v2/va/list-computing-node."""

    @_described("list-computing-node", answer=wire.ListedNodes)
    def post(self, request: Request) -> Response:
        """List the nodes that the key can access."""
        nodes = collections.list_collections(self.caller)
        return Response(wire.ListedNodes({"nodes": nodes}, context={"url": request.build_absolute_uri()}).data)


class UpdateNodeView(FacedbView):
    """/v2/va/update-computing-node."""

    @_described("update-computing-node", body=wire.UpdateNode, answer=wire.Outcome)
    def post(self, request: Request) -> Response:
        """Rename a node."""
        body = self.parse(wire.UpdateNode)
        node = Alias(body["nodeId"])
        collections.update_collection(self.caller, collection=node, name=body["nodeName"], distinct=True)
        return Response(wire.Outcome({}).data)


class RemoveNodeView(FacedbView):
    """/v2/va/remove-computing-node."""

    @_described("remove-computing-node", body=wire.RemoveNode, answer=wire.RemovedNode)
    def post(self, request: Request) -> Response:
        """Delete a node with all its people."""
        body = self.parse(wire.RemoveNode)
        collections.delete_collection(self.caller, name=Alias(body["nodeId"]))
        return Response(wire.RemovedNode(body).data)


class UnsupportedView(FacedbView):
    """The contract's calls for video: channels, regions of interest and streams."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the function is not supported."""
        raise MethodNotAllowed(request.method or "")


class UnknownView(FacedbView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
