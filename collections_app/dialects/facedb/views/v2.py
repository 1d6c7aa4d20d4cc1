"""/v2/va/: people and nodes."""

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import shown
from collections_app.dialects.facedb.views.base import LIMITS, FacedbView, described
from collections_app.dialects.facedb.wire import base
from collections_app.dialects.facedb.wire import v2 as wire
from collections_app.operations import collections, data_subject, enrol, registrations, search
from collections_app.operations.collections import Alias


class RegisterView(FacedbView):
    """/v2/va/register-facedb."""

    @described("register-facedb", body=wire.Register, answer=wire.Registered)
    def post(self, request: Request) -> Response:
        """Register a person with images; a person of the same uuId is replaced (decision N7)."""
        body = self.parse(wire.Register)
        person = enrol.enrol_person(
            self.caller,
            collection=Alias(body["nodeId"]),
            images=body["faceImages"],
            limits=LIMITS,
            person=wire.details(body),
        )
        return Response(shown(wire.Registered, person))


class ListView(FacedbView):
    """/v2/va/list-facedb."""

    @described("list-facedb", body=wire.List, answer=wire.Listed)
    def post(self, request: Request) -> StreamingHttpResponse:
        """List a node's people with their images."""
        body = self.parse(wire.List)
        people = data_subject.list_people(self.caller, collection=Alias(body["nodeId"]))
        return StreamingHttpResponse(base.listed(people, "faceDBs", wire.FaceDB), content_type="application/json")


class GetView(FacedbView):
    """/v2/va/get-facedb."""

    @described("get-facedb", body=wire.Get, answer=wire.Got)
    def post(self, request: Request) -> Response:
        """Return a person with their images."""
        body = self.parse(wire.Get)
        record = registrations.get_registration(self.caller, collection=Alias(body["nodeId"]), person=body["uuId"])
        return Response(wire.Got(record).data)


class ModifyView(FacedbView):
    """/v2/va/modify-facedb."""

    @described("modify-facedb", body=wire.Modify, answer=wire.Registered)
    def post(self, request: Request) -> Response:
        """Change a person: omitted fields stay unchanged, new images replace the earlier ones."""
        body = self.parse(wire.Modify)
        person = registrations.change_registration(
            self.caller,
            collection=Alias(body["nodeId"]),
            person=wire.details(body),
            images=body.get("faceImages", []),
            limits=LIMITS,
        )
        return Response(shown(wire.Registered, person))


class RemoveView(FacedbView):
    """/v2/va/remove-facedb."""

    @described("remove-facedb", body=wire.Remove, answer=base.Outcome)
    def post(self, request: Request) -> Response:
        """Erase a person."""
        body = self.parse(wire.Remove)
        data_subject.delete_person(self.caller, collection=Alias(body["nodeId"]), person=body["uuId"])
        return Response(base.Outcome({}).data)


class MatchView(FacedbView):
    """/v2/va/matching-face."""

    @described("matching-face", body=wire.Match, answer=wire.Matched)
    def post(self, request: Request) -> Response:
        """Find the person whose face it is."""
        body = self.parse(wire.Match)
        node = Alias(body["nodeId"])
        found = search.match_person(self.caller, collection=node, images=body["faceImages"], limits=LIMITS)
        return Response(shown(wire.Matched, found or {}))


class CreateNodeView(FacedbView):
    """/v2/va/create-computing-node."""

    @described("create-computing-node", body=wire.CreateNode, answer=wire.CreatedNode)
    def post(self, request: Request) -> Response:
        """Create a node, which keeps its images (decision N8); another may have its name (decision R6)."""
        body = self.parse(wire.CreateNode)
        policy = {"images": "original", "quality_gate": "none"}
        made = collections.create_collection(self.caller, name=body["nodeName"], distinct=True, **policy)
        return Response(wire.CreatedNode(made).data)


class GetNodeView(FacedbView):
    """/v2/va/get-computing-node."""

    @described("get-computing-node", answer=wire.FoundNode)
    def post(self, request: Request) -> Response:
        """Describe the caller's node: the last one that its key created here, else the oldest one (decision R5)."""
        node = collections.own_collection(self.caller)
        return Response(wire.FoundNode(node, context={"url": request.build_absolute_uri()}).data)


class ListNodesView(FacedbView):
    """/v2/va/list-computing-node."""

    @described("list-computing-node", answer=wire.ListedNodes)
    def post(self, request: Request) -> Response:
        """List the nodes that the key can access."""
        nodes = collections.list_collections(self.caller)
        return Response(wire.ListedNodes({"nodes": nodes}, context={"url": request.build_absolute_uri()}).data)


class UpdateNodeView(FacedbView):
    """/v2/va/update-computing-node."""

    @described("update-computing-node", body=wire.UpdateNode, answer=base.Outcome)
    def post(self, request: Request) -> Response:
        """Rename a node."""
        body = self.parse(wire.UpdateNode)
        node = Alias(body["nodeId"])
        collections.update_collection(self.caller, collection=node, name=body["nodeName"], distinct=True)
        return Response(base.Outcome({}).data)


class RemoveNodeView(FacedbView):
    """/v2/va/remove-computing-node."""

    @described("remove-computing-node", body=wire.RemoveNode, answer=wire.RemovedNode)
    def post(self, request: Request) -> Response:
        """Delete a node with all its people."""
        body = self.parse(wire.RemoveNode)
        collections.delete_collection(self.caller, name=Alias(body["nodeId"]))
        return Response(wire.RemovedNode(body).data)
