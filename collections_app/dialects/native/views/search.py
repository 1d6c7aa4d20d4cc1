"""Search, verify, detect, compare."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import shown
from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import search as wire
from collections_app.dialects.native.wire.base import WithImage, threshold_of
from collections_app.dialects.openapi import either_form
from collections_app.dialects.parsers import Form, Json
from collections_app.errors import FaceNotFound, ImageRefused, PersonNotFound, ProbingRefused
from collections_app.operations import compare, search


class ImageView(NativeView):
    """The base of endpoints that take images, in base64 or as files."""

    parser_classes = [Json, Form]


class SearchView(ImageView):
    """/collections/{collection}/search."""

    @described(
        "search",
        "collection",
        errors.ONE_FACE,
        (FaceNotFound, ProbingRefused),
        body=either_form(wire.Search),
        answer=wire.Found,
    )
    def post(self, request: Request, collection: str) -> Response:
        """Find the enrolled faces that match a face."""
        body = self.parse(wire.Search)
        threshold, limit = threshold_of(body), body["limit"]
        if "face" in body:
            found = search.search_by_face(
                self.caller, collection=collection, face=body["face"], limit=limit, threshold=threshold, review=True
            )
        else:
            found = search.search_with_decision(
                self.caller,
                collection=collection,
                image=body["image"],
                limit=limit,
                threshold=threshold,
                largest=body["largest"],
                request_name=body["name"],
            )
        return Response(shown(wire.Found, found))


class VerifyView(ImageView):
    """/collections/{collection}/verify."""

    @described(
        "verify",
        "collection",
        errors.IMAGE,
        (FaceNotFound, PersonNotFound, ProbingRefused),
        body=either_form(wire.Verify),
        answer=wire.Verified,
    )
    def post(self, request: Request, collection: str) -> Response:
        """Compare an image with an enrolled face or person."""
        body = self.parse(wire.Verify)
        values = {"collection": collection, "image": body["image"], "threshold": threshold_of(body)}
        if "person" in body:
            verified: Any = compare.verify_person(self.caller, person=body["person"], **values)
        else:
            verified = compare.verify(self.caller, face=body["face"], **values)
        return Response(shown(wire.Verified, verified))


class DetectView(ImageView):
    """/detect."""

    @described("detect", "", errors.IMAGE, body=either_form(WithImage), answer=wire.Detected)
    def post(self, request: Request) -> Response:
        """Find the faces of an image."""
        return Response(wire.Detected(compare.detect(self.caller, image=self.parse(WithImage)["image"])).data)


class CompareView(ImageView):
    """/compare."""

    @described("compare", "", errors.IMAGE, (ImageRefused,), body=either_form(wire.Compare), answer=wire.Compared)
    def post(self, request: Request) -> Response:
        """Compare the largest face of one image with every face of another."""
        body = self.parse(wire.Compare)
        done = compare.compare(self.caller, source=body["source"], target=body["target"], threshold=threshold_of(body))
        return Response(shown(wire.Compared, done))
