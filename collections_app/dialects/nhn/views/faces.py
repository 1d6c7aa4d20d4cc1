"""Faces: of a group, and in an image."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.nhn import wire
from collections_app.dialects.nhn.views.base import NhnView, described
from collections_app.operations import compare, erase, faces, search


class FacesView(NhnView):
    """/groups/{group-id}/faces."""

    @described("listFaces", "group", wire.faces.Faces, parameters=[wire.base.Page])
    def get(self, request: Request, group: str, **_: str) -> Response:
        """List a group's faces, newest first."""
        limit, before = wire.base.cursor(self.parse(wire.base.Page), self.caller.tenant, group)
        page = faces.list_faces(self.caller, collection=group, limit=limit, before=before)
        return self.reply(wire.faces.Faces, page, tenant=self.caller.tenant, limit=limit)


class FaceView(NhnView):
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


class DetectView(NhnView):
    """/detect."""

    @described("detect", "", wire.faces.Detected, body=wire.base.Picture)
    def post(self, request: Request, **_: str) -> Response:
        """Find the faces of an image."""
        body = self.parse(wire.base.Picture)
        seen = compare.detect(self.caller, image=body["image"], limits=self.limits)
        return self.reply(wire.faces.Detected, seen, orientation=body["orientation"])
