"""Users: named people of a collection."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects.rekognition import wire
from collections_app.dialects.rekognition.views.base import LIMITS, RekognitionView, described
from collections_app.operations import idempotency, named_people, search


class _OnceView(RekognitionView):
    """An operation with a ClientRequestToken: with the same token and body it is done once, and answered alike."""

    def once(self, body: type[Serializer[Any]] | None, work: Callable[[], object]) -> Response:
        """Do the work unless it was done, and answer; without a body an empty object."""
        asked: Any = self.request.data
        done = idempotency.once_on_rows(
            self.caller,
            key=str(asked.get("ClientRequestToken") or ""),
            fingerprint=hashlib.sha256(json.dumps([type(self).__name__, asked], sort_keys=True).encode()).hexdigest(),
            work=work,
            render=lambda result: body(result).data if body else {},
            about=lambda result: getattr(result, "present", ()),
        )
        return Response(done.answer)


class CreateUserView(_OnceView):
    """CreateUser."""

    @described("CreateUser", wire.base.NOTHING, wire.users.NamedUser)
    def post(self, request: Request) -> Response:
        """Make a user without faces."""
        body = self.parse(wire.users.NamedUser)
        made = {"collection": body["CollectionId"], "reference": body["UserId"]}
        return self.once(None, lambda: named_people.add_person(self.caller, **made))


class DeleteUserView(_OnceView):
    """DeleteUser."""

    @described("DeleteUser", wire.base.NOTHING, wire.users.NamedUser)
    def post(self, request: Request) -> Response:
        """Delete a user; the faces stay in the collection."""
        body = self.parse(wire.users.NamedUser)
        gone = {"collection": body["CollectionId"], "reference": body["UserId"]}
        return self.once(None, lambda: named_people.release_person(self.caller, **gone))


class ListUsersView(RekognitionView):
    """ListUsers."""

    @described("ListUsers", wire.users.Users, wire.users.ListUsers)
    def post(self, request: Request) -> Response:
        """List a collection's users."""
        body = self.parse(wire.users.ListUsers)
        collection = body["CollectionId"]
        after = wire.base.cursor(body["NextToken"], self.caller.tenant, wire.users.LIST, collection) or 0
        found = named_people.page_named_people(
            self.caller, collection=collection, limit=body["MaxResults"], after=after
        )
        return self.reply(wire.users.Users, found, collection=collection)


class AssociateFacesView(_OnceView):
    """AssociateFaces."""

    @described("AssociateFaces", wire.users.Associated, wire.users.AssociateFaces)
    def post(self, request: Request) -> Response:
        """Associate faces with a user whose faces they match; the first ones of a user need not match any."""
        body = self.parse(wire.users.AssociateFaces)
        work = {"collection": body["CollectionId"], "reference": body["UserId"], "faces": body["FaceIds"]}
        work["threshold"] = body["UserMatchThreshold"]
        return self.once(wire.users.Associated, lambda: named_people.assign_faces(self.caller, **work))


class DisassociateFacesView(_OnceView):
    """DisassociateFaces."""

    @described("DisassociateFaces", wire.users.Disassociated, wire.users.DisassociateFaces)
    def post(self, request: Request) -> Response:
        """Take faces from a user; they stay in the collection."""
        body = self.parse(wire.users.DisassociateFaces)
        work = {"collection": body["CollectionId"], "reference": body["UserId"], "faces": body["FaceIds"]}
        return self.once(wire.users.Disassociated, lambda: named_people.take_faces(self.caller, **work))


class SearchUsersView(RekognitionView):
    """SearchUsers."""

    @described("SearchUsers", wire.users.FoundUsers, wire.users.SearchUsers)
    def post(self, request: Request) -> Response:
        """Find the users most similar to a face or to a user, who is not among them."""
        body = self.parse(wire.users.SearchUsers)
        asked = {"collection": body["CollectionId"], "limit": body["MaxUsers"]}
        asked["threshold"] = body["UserMatchThreshold"]
        if "FaceId" in body:
            found = search.search_by_face(self.caller, face=body["FaceId"], named=True, **asked)
            searched = {"SearchedFace": ("FaceId", body["FaceId"])}
        else:
            found = search.search_by_person(self.caller, reference=body["UserId"], **asked)
            searched = {"SearchedUser": ("UserId", body["UserId"])}
        return self.reply(wire.users.FoundUsers, found, searched=searched)


class SearchUsersByImageView(RekognitionView):
    """SearchUsersByImage."""

    @described("SearchUsersByImage", wire.users.FoundUsersByImage, wire.users.SearchUsersByImage)
    def post(self, request: Request) -> Response:
        """Find the users most similar to the largest face of an image."""
        body = self.parse(wire.users.SearchUsersByImage)
        found = search.search_people_by_image(
            self.caller,
            collection=body["CollectionId"],
            image=self.image(body["Image"]),
            limit=body["MaxUsers"],
            threshold=body["UserMatchThreshold"],
            gate=wire.faces.gate(body["QualityFilter"]),
            limits=LIMITS,
        )
        return self.reply(wire.users.FoundUsersByImage, found)
