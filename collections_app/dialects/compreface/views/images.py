"""Recognise, verify, compare and detect the faces of images."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.compreface import wire
from collections_app.dialects.compreface.views.base import LIMITS, CompreFaceView, described
from collections_app.dialects.openapi import either_form
from collections_app.operations import compare, each_face

_FILE = either_form(wire.faces.File)


class RecogniseView(CompreFaceView):
    """/recognition/recognize."""

    @described("recognize", parameters=[wire.images.RecogniseOptions], body=_FILE, answer=wire.images.Recognised)
    def post(self, request: Request) -> Response:
        """Find the subjects whose examples match the faces of an image."""
        body = self.parse(wire.images.Recognise)
        found = each_face.search_each_face(
            self.caller,
            collection=self.collection,
            image=body["file"],
            limit=body["prediction_count"],
            selection=body["selection"],
            limits=LIMITS,
        )
        return self.reply(wire.images.Recognised, wire.images.Found.of(found), body, found.collection.pack)


class VerifyFaceView(CompreFaceView):
    """/recognition/faces/{image_id}/verify."""

    @described("verifyFace", "face", parameters=[wire.images.Options], body=_FILE, answer=wire.images.Verified)
    def post(self, request: Request, face: str) -> Response:
        """Compare the faces of an image with an example."""
        wanted, body = wire.faces.image_id(face), self.parse(wire.images.OneImage)
        done = each_face.verify_each_face(
            self.caller,
            collection=self.collection,
            face=wanted,
            image=body["file"],
            selection=body["selection"],
            limits=LIMITS,
        )
        return self.reply(wire.images.Verified, done, body, done.collection.pack)


class CompareView(CompreFaceView):
    """/verification/verify."""

    @described(
        "verify",
        parameters=[wire.images.Options],
        body=either_form(wire.images.Pair),
        answer=wire.images.Compared,
    )
    def post(self, request: Request) -> Response:
        """Compare the one face of an image with the faces of another."""
        body = self.parse(wire.images.Compare)
        done = compare.compare(
            self.caller,
            source=body["source_image"],
            target=body["target_image"],
            one=True,
            selection=body["selection"],
            limits=LIMITS,
        )
        return self.reply(wire.images.Compared, done, body, done.pack)


class DetectView(CompreFaceView):
    """/detection/detect."""

    @described("detect", parameters=[wire.images.Options], body=_FILE, answer=wire.images.Detected)
    def post(self, request: Request) -> Response:
        """Find the faces of an image."""
        body = self.parse(wire.images.OneImage)
        embed = "calculator" in body["face_plugins"]
        found = compare.detect(self.caller, image=body["file"], embed=embed, selection=body["selection"], limits=LIMITS)
        return self.reply(wire.images.Detected, found, body, "")
