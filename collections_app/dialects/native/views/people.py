"""People."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import faces as wire_faces
from collections_app.dialects.native.wire import people as wire
from collections_app.dialects.native.wire.base import Page, cursor, from_cursor
from collections_app.dialects.native.wire.receipts import Receipt
from collections_app.errors import FaceNotFound
from collections_app.operations import data_subject, merge_split


class PeopleView(NativeView):
    """/collections/{collection}/people."""

    @described("listPeople", "collection", query=Page, answer=wire.People)
    def get(self, request: Request, collection: str) -> Response:
        """List people."""
        query = self.parse(Page)
        after = from_cursor(query["cursor"], int) or 0
        page = data_subject.page_people(self.caller, collection=collection, limit=query["limit"], after=after)
        following = cursor(page.people[-1].pk) if page.more else None
        return Response(wire.People({"people": page.people, "next_cursor": following}).data)

    @described("splitPerson", "collection", (FaceNotFound,), body=wire.Split, status=201, answer=wire.Person)
    def post(self, request: Request, collection: str) -> Response:
        """Create a person from faces of others; people without a remaining face are deleted."""
        body = self.parse(wire.Split)
        return Response(
            wire.Person(merge_split.move_faces(self.caller, collection=collection, **body).person).data, status=201
        )


class PersonFacesView(NativeView):
    """/collections/{collection}/people/{person}/faces."""

    @described("listFacesOfPerson", "collection person", query=Page, answer=wire_faces.Faces)
    def get(self, request: Request, collection: str, person: str) -> Response:
        """List a person's faces, newest first."""
        query = self.parse(Page)
        before = from_cursor(query["cursor"], int)
        page = data_subject.list_faces_of(
            self.caller, collection=collection, person=person, limit=query["limit"], before=before
        )
        return Response(wire_faces.Faces(wire_faces.listed(page)).data)

    @described("moveFaces", "collection person", (FaceNotFound,), body=wire.MovedFaces, answer=wire.Person)
    def post(self, request: Request, collection: str, person: str) -> Response:
        """Move faces to a person; people without a remaining face are deleted."""
        body = self.parse(wire.MovedFaces)
        target = merge_split.move_faces(self.caller, collection=collection, person=person, **body)
        return Response(wire.Person(target.person).data)


class PersonView(NativeView):
    """/collections/{collection}/people/{person}."""

    @described("getPerson", "collection person", answer=wire.Person)
    def get(self, request: Request, collection: str, person: str) -> Response:
        """Return a person."""
        return Response(wire.Person(data_subject.get_person(self.caller, collection=collection, person=person)).data)

    @described("changePerson", "collection person", body=wire.ChangedPerson, answer=wire.Person)
    def patch(self, request: Request, collection: str, person: str) -> Response:
        """Change a person's details."""
        details = self.parse(wire.ChangedPerson)["details"]
        changed = data_subject.update_person(self.caller, collection=collection, person=person, details=details)
        return Response(wire.Person(changed).data)

    @described("deletePerson", "collection person", status=202, answer=Receipt)
    def delete(self, request: Request, collection: str, person: str) -> Response:
        """Erase a person."""
        receipt = data_subject.delete_person(self.caller, collection=collection, person=person)
        return accepted(Receipt(receipt).data, f"receipts/{receipt.uuid}")


class PersonMergeView(NativeView):
    """/collections/{collection}/people/{person}/merge."""

    @described("mergePeople", "collection person", body=wire.Merge, answer=wire.Person)
    def post(self, request: Request, collection: str, person: str) -> Response:
        """Move all faces of another person to this one; the other is deleted."""
        merged = merge_split.merge_people(self.caller, collection=collection, person=person, **self.parse(wire.Merge))
        return Response(wire.Person(merged.person).data)
