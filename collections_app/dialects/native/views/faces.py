"""Enrolled faces."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import shown
from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import (
    IDEMPOTENCY,
    NativeView,
    accepted,
    described,
    idempotency_key,
    once_only,
)
from collections_app.dialects.native.wire import faces as wire
from collections_app.dialects.native.wire.base import Page, from_cursor
from collections_app.dialects.native.wire.receipts import Receipt
from collections_app.dialects.openapi import either_form
from collections_app.dialects.parsers import Form, Json
from collections_app.errors import ImageNotKept
from collections_app.operations import enrol, erase, faces, idempotency, pictures
from recognition.images import MEDIA_TYPES


class FacesView(NativeView):
    """/collections/{collection}/faces."""

    parser_classes = [Json, Form]

    @described("listFaces", "collection", query=Page, answer=wire.Faces)
    def get(self, request: Request, collection: str) -> Response:
        """List faces, newest first."""
        query = self.parse(Page)
        before = from_cursor(query["cursor"], int)
        page = faces.list_faces(self.caller, collection=collection, limit=query["limit"], before=before)
        return Response(wire.Faces(wire.listed(page)).data)

    @described(
        "enrolFace",
        "collection",
        errors.ENROLMENT,
        body=either_form(wire.Enrol),
        headers=IDEMPOTENCY,
        status=201,
        answer=wire.Face,
    )
    def post(self, request: Request, collection: str) -> Response:
        """Enrol a face, once for each Idempotency-Key."""
        key, body = idempotency_key(request), self.parse(wire.Enrol)
        done = idempotency.once(
            self.caller,
            key=key,
            fingerprint=wire.fingerprint(request.path, body),
            work=lambda settle: enrol.enrol_face(self.caller, collection=collection, settle=settle, **body),
            render=lambda enrolled: shown(wire.Face, enrolled.faces[0]),
            about=lambda enrolled: enrolled.faces,
        )
        return once_only(done)


class FaceView(NativeView):
    """/collections/{collection}/faces/{face}."""

    @described("getFace", "collection face", answer=wire.Face)
    def get(self, request: Request, collection: str, face: str) -> Response:
        """Return a face."""
        return Response(shown(wire.Face, faces.get_face(self.caller, collection=collection, face=face)))

    @described("deleteFace", "collection face", status=202, answer=Receipt)
    def delete(self, request: Request, collection: str, face: str) -> Response:
        """Erase a face."""
        receipt = erase.delete_face(self.caller, collection=collection, face=face)
        return accepted(Receipt(receipt).data, f"receipts/{receipt.uuid}")


class FaceImageView(NativeView):
    """/collections/{collection}/faces/{face}/image."""

    @described(
        "getFaceImage",
        "collection face",
        (ImageNotKept,),
        answer=OpenApiTypes.BINARY,
        media_types=tuple(MEDIA_TYPES.values()),
    )
    def get(self, request: Request, collection: str, face: str) -> HttpResponse:
        """Return the stored image of a face."""
        picture = pictures.face_picture(self.caller, collection=collection, face=face)
        return HttpResponse(picture.content, content_type=picture.kind)
