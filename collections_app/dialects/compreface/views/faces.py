"""Examples of subjects: enrolled faces."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiRequest
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.compreface import wire
from collections_app.dialects.compreface.views.base import LIMITS, CompreFaceView, described
from collections_app.dialects.openapi import either_form
from collections_app.errors import FaceNotFound, ImageNotKept
from collections_app.operations import enrol, erase, faces, people, pictures
from collections_app.operations.data_subject import PersonDetails

_BYTES = "application/octet-stream"
_IDS = OpenApiRequest(wire.faces.IDS, examples=[OpenApiExample("As documented", value=wire.faces.SOME_IDS)])


class FacesView(CompreFaceView):
    """/recognition/faces."""

    @described("listFaces", parameters=[wire.faces.Page], answer=wire.faces.Faces)
    def get(self, request: Request) -> Response:
        """List the examples, newest first."""
        query = self.parse(wire.faces.Page)
        number, size = query["page"], query["size"]
        page = faces.list_faces(
            self.caller, collection=self.collection, limit=size, offset=number * size, person=query["subject"]
        )
        return Response(wire.faces.Faces(page, context={"page": number, "size": size}).data)

    @described(
        "addFace",
        parameters=[wire.faces.Add],
        body=either_form(wire.faces.File),
        status=201,
        answer=wire.faces.Example,
    )
    def post(self, request: Request) -> Response:
        """Add an example of a subject, which need not exist."""
        body = self.parse(wire.faces.AddFile)
        done = enrol.enrol_face(
            self.caller,
            collection=self.collection,
            image=body["file"],
            person=PersonDetails(reference=body["subject"]),
            confidence=body["det_prob_threshold"],
            limits=LIMITS,
        )
        return Response(wire.faces.Example(done.faces[0], context={"subject": body["subject"]}).data, status=201)

    @described("deleteFaces", parameters=[wire.faces.Whose], answer=wire.subjects.Deleted)
    def delete(self, request: Request) -> Response:
        """Delete all examples of a subject, or of all; subjects are deleted with them."""
        whose = self.parse(wire.faces.Whose).get("subject", "")
        erased = people.erase_people(self.caller, collection=self.collection, person=whose)
        return Response(wire.subjects.Deleted({"deleted": erased.faces}).data)


class SeveralFacesView(CompreFaceView):
    """/recognition/faces/delete."""

    @described("deleteSeveralFaces", body={"application/json": _IDS}, answer=wire.faces.Example(many=True))
    def post(self, request: Request) -> Response:
        """Delete examples by their ids; unknown ones are ignored."""
        wanted = wire.faces.image_ids(request.data)
        gone = erase.delete_known_faces(self.caller, collection=self.collection, faces=wanted)
        return Response(wire.faces.Example(gone, many=True).data)


class FaceView(CompreFaceView):
    """/recognition/faces/{image_id}."""

    @described("deleteFace", "face", answer=wire.faces.Example)
    def delete(self, request: Request, face: str) -> Response:
        """Delete an example; with the last one its subject."""
        wanted = wire.faces.image_id(face)
        gone = erase.delete_known_faces(self.caller, collection=self.collection, faces=[wanted])
        if not gone:
            raise FaceNotFound(wanted)
        return Response(wire.faces.Example(gone[0]).data)


class ImageView(CompreFaceView):
    """/recognition/faces/{image_id}/img."""

    @described("downloadImage", "face", answer=OpenApiTypes.BINARY, media_types=(_BYTES,))
    def get(self, request: Request, face: str) -> HttpResponse:
        """Return what is kept of an example's image; empty if nothing is, or the image is unknown."""
        wanted = wire.faces.image_id(face)
        try:
            content = pictures.face_picture(self.caller, collection=self.collection, face=wanted).content
        except (FaceNotFound, ImageNotKept):
            content = b""
        return HttpResponse(content, content_type=_BYTES, headers={"Cache-Control": "no-store"})
