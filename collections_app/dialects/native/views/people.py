"""People."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import people as wire
from collections_app.dialects.native.wire.base import Page, cursor, from_cursor
from collections_app.dialects.native.wire.receipts import Receipt
from collections_app.operations import people, regroup, subjects


class PeopleView(NativeView):
    """/collections/{collection}/people."""

    @described("listPeople", "collection", query=Page, answer=wire.People)
    def get(self, request: Request, collection: str) -> Response:
        """List people."""
        given = self.parse(Page)
        after = from_cursor(given["cursor"], int) or 0
        page = subjects.page_people(self.caller, collection=collection, limit=given["limit"], after=after)
        following = cursor(page.people[-1].pk) if page.more else None
        return Response(wire.People({"people": page.people, "next_cursor": following}).data)


class PersonView(NativeView):
    """/collections/{collection}/people/{person}."""

    @described("getPerson", "collection person", answer=wire.Person)
    def get(self, request: Request, collection: str, person: str) -> Response:
        """Return a person."""
        return Response(wire.Person(subjects.get_person(self.caller, collection=collection, person=person)).data)

    @described("changePerson", "collection person", body=wire.PersonFields, answer=wire.Person)
    def patch(self, request: Request, collection: str, person: str) -> Response:
        """Change what is said of them."""
        details = self.parse(wire.PersonFields)["details"]
        changed = subjects.update_person(self.caller, collection=collection, person=person, details=details)
        return Response(wire.Person(changed).data)

    @described("deletePerson", "collection person", status=202, answer=Receipt)
    def delete(self, request: Request, collection: str, person: str) -> Response:
        """Erase them."""
        receipt = people.delete_person(self.caller, collection=collection, person=person)
        return accepted(Receipt(receipt).data, f"receipts/{receipt.uuid}")


class PersonMergeView(NativeView):
    """/collections/{collection}/people/{person}/merge."""

    @described("mergePeople", "collection person", body=wire.Merge, answer=wire.Person)
    def post(self, request: Request, collection: str, person: str) -> Response:
        """Give somebody else's faces to the person; the other goes."""
        other = self.parse(wire.Merge)["other"]
        merged = regroup.merge_people(self.caller, collection=collection, person=person, other=other)
        return Response(wire.Person(merged).data)
