"""Faces: of a group, and in an image."""

from dataclasses import replace

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import Answer
from collections_app.dialects.nhn import errors, wire
from collections_app.dialects.nhn.views.base import V1View, described
from collections_app.operations import compare, erase, faces, search
from recognition.errors import ImageTooLarge, ImageTooSmall

_CROP = 224  # pixels, the sides of an aligned image (contract 3.5)


class FacesView(V1View):
    """/groups/{group-id}/faces."""

    @described("listFaces", "group", wire.faces.Faces, parameters=[wire.base.Page])
    def get(self, request: Request, group: str, **_: str) -> Response:
        """List a group's faces, newest first."""
        cursor = wire.base.cursor(self.parse(wire.base.Page), self.caller.tenant, group)
        page = faces.list_faces(self.caller, collection=group, limit=cursor.limit, before=cursor.place)
        return self.reply(wire.faces.Faces, page, tenant=self.caller.tenant, cursor=cursor)


class FaceView(V1View):
    """/groups/{group-id}/faces/{face-id}."""

    @described("searchByFace", "group face", wire.search.Found, parameters=[wire.search.Search])
    def get(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Find the faces most similar to a registered one."""
        query = self.parse(wire.search.Search)
        found = search.search_by_face(
            self.caller,
            collection=group,
            face=face,
            limit=query["limit"],
            threshold=query["threshold"],
        )
        return self.reply(wire.search.Found, found)

    @described("deleteFace", "group face")
    def delete(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Delete a face."""
        erase.delete_face(self.caller, collection=group, face=face)
        return self.reply()


class DetectView(V1View):
    """/detect."""

    @described("detect", "", wire.faces.Detected, body=wire.base.Picture)
    def post(self, request: Request, **_: str) -> Response:
        """Find the faces of an image."""
        body = self.parse(wire.base.Picture)
        seen = compare.detect(self.caller, image=body["image"], liveness=self.judged(body), limits=self.limits)
        return self.reply(wire.faces.Detected, seen, **body)


class SpoofingView(V1View):
    """/spoofing."""

    aligned = False

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer; a crop of another size has its own."""
        size = isinstance(error, ImageTooSmall) or (isinstance(error, ImageTooLarge) and error.unit == "side")
        return errors.CROP[self.generation] if self.aligned and size else super().answer(error)

    @described("detectSpoofing", "", wire.faces.Judged, body=wire.faces.Spoofing)
    def post(self, request: Request, **_: str) -> Response:
        """Tell of the faces of an image, or of one aligned crop, whether they are pictures of faces (contract 3.5)."""
        body = self.parse(wire.faces.Spoofing)
        self.aligned = body["aligned"]
        if self.aligned:
            limits = replace(self.limits, min_side=_CROP, max_side=_CROP)
            one = compare.assess_crop(self.caller, image=body["image"], limits=limits)
            return self.reply(wire.faces.JudgedCrop, one, **body)
        seen = compare.detect(self.caller, image=body["image"], liveness=self.judged(body), limits=self.limits)
        wire.faces.refuse_unsure(seen, body["spoof_below"])
        return self.reply(wire.faces.Judged, seen, **body, orientation=False)
