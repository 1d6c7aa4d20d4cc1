"""Subjects: the people of the key's collection."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.compreface import wire
from collections_app.dialects.compreface.views.base import CompreFaceView, described
from collections_app.operations import named_people, people
from collections_app.operations.references import AnyCase


class SubjectsView(CompreFaceView):
    """/recognition/subjects."""

    @described("listSubjects", answer=wire.subjects.Subjects)
    def get(self, request: Request) -> Response:
        """List the subjects."""
        found = people.list_references(self.caller, collection=self.collection)
        return Response(wire.subjects.Subjects({"subjects": found}).data)

    @described("addSubject", body=wire.subjects.Name, status=201, answer=wire.subjects.Named)
    def post(self, request: Request) -> Response:
        """Add a subject without an example."""
        name = self.parse(wire.subjects.Name)["subject"]
        added = named_people.add_person(self.caller, collection=self.collection, reference=name)
        return Response(wire.subjects.Named({"subject": added.reference}).data, status=201)

    @described("deleteSubjects", answer=wire.subjects.Deleted)
    def delete(self, request: Request) -> Response:
        """Delete all subjects with their examples."""
        erased = people.erase_people(self.caller, collection=self.collection)
        return Response(wire.subjects.Deleted({"deleted": erased.people}).data)


class SubjectView(CompreFaceView):
    """/recognition/subjects/{subject}."""

    @described("renameSubject", "person", body=wire.subjects.Name, answer=wire.subjects.Updated)
    def put(self, request: Request, person: str) -> Response:
        """Rename a subject; if another one has the name, that one gets all examples (decision R16)."""
        name = self.parse(wire.subjects.Name)["subject"]
        if name != person:
            people.rename_person(self.caller, collection=self.collection, person=AnyCase(person), reference=name)
        return Response(wire.subjects.Updated({"updated": name != person}).data)

    @described("deleteSubject", "person", answer=wire.subjects.Named)
    def delete(self, request: Request, person: str) -> Response:
        """Delete a subject with its examples."""
        erased = people.erase_person(self.caller, collection=self.collection, person=AnyCase(person))
        return Response(wire.subjects.Named({"subject": erased.reference}).data)
