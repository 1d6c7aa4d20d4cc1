"""Faces: of a collection, and in an image."""

from functools import partial

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.rekognition import wire
from collections_app.dialects.rekognition.views.base import LIMITS, RekognitionView, described
from collections_app.operations import compare, data_subject, enrol, erase, faces


class IndexFacesView(RekognitionView):
    """IndexFaces."""

    @described("IndexFaces", wire.faces.Indexed, wire.faces.IndexFaces)
    def post(self, request: Request) -> Response:
        """Add the largest faces of an image that pass the quality filter; an image without a face adds none."""
        body = self.parse(wire.faces.IndexFaces)
        gate = wire.faces.gate(body["QualityFilter"])
        done = enrol.enrol_faces(
            self.caller,
            collection=body["CollectionId"],
            image=self.image(body["Image"]),
            limit=min(body["MaxFaces"], wire.faces.MOST),
            label=body.get("ExternalImageId", ""),
            gate=gate,
            limits=LIMITS,
        )
        return self.reply(wire.faces.Indexed, done, gate=gate, attributes=body["DetectionAttributes"])


class ListFacesView(RekognitionView):
    """ListFaces."""

    @described("ListFaces", wire.faces.Faces, wire.faces.ListFaces)
    def post(self, request: Request) -> Response:
        """List a collection's faces, newest first."""
        body = self.parse(wire.faces.ListFaces)
        collection = body["CollectionId"]
        before = wire.base.cursor(body["NextToken"], self.caller.tenant, collection)
        limit = body["MaxResults"] or wire.base.MOST_LISTED
        user, among = body.get("UserId"), body["FaceIds"] or None
        listing = partial(data_subject.list_faces_of, person=user) if user else faces.list_faces
        found = listing(self.caller, collection=collection, limit=limit, before=before, among=among)
        return self.reply(wire.faces.Faces, found)


class DeleteFacesView(RekognitionView):
    """DeleteFaces."""

    @described("DeleteFaces", wire.faces.DeletedFaces, wire.faces.DeleteFaces)
    def post(self, request: Request) -> Response:
        """Delete those of the faces that the collection holds and that are associated with no user."""
        body = self.parse(wire.faces.DeleteFaces)
        asked = body["FaceIds"]
        done = erase.delete_unnamed_faces(self.caller, collection=body["CollectionId"], faces=asked)
        return self.reply(wire.faces.DeletedFaces, done, asked=asked)


class DetectFacesView(RekognitionView):
    """DetectFaces."""

    @described("DetectFaces", wire.faces.Detected, wire.faces.DetectFaces)
    def post(self, request: Request) -> Response:
        """Find the faces of an image."""
        body = self.parse(wire.faces.DetectFaces)
        seen = compare.detect(self.caller, image=self.image(body["Image"]), limits=LIMITS)
        return self.reply(wire.faces.Detected, seen, attributes=body["Attributes"])
