"""Search, verify, compare, detect."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import Form, Json
from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import search as wire
from collections_app.dialects.native.wire.base import WithImage, either_form, threshold_of
from collections_app.errors import FaceNotFound, ImageRefused, PersonNotFound, ProbingRefused
from collections_app.operations import compare, search


class ImageView(NativeView):
    """An endpoint that takes images, in base64 or as files."""

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
        """Find whose face it is."""
        given = self.parse(wire.Search)
        threshold, limit = threshold_of(given), given["limit"]
        if "face" in given:
            found = search.search_by_face(
                self.caller, collection=collection, face=given["face"], limit=limit, threshold=threshold
            )
        else:
            found = search.search_by_image(
                self.caller,
                collection=collection,
                image=given["image"],
                limit=limit,
                threshold=threshold,
                largest=given["largest"],
                request_name=given["name"],
            )
        return Response(wire.Found(found).data)


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
        given = self.parse(wire.Verify)
        asked = {"collection": collection, "image": given["image"], "threshold": threshold_of(given)}
        if "person" in given:
            verified: Any = compare.verify_person(self.caller, person=given["person"], **asked)
        else:
            verified = compare.verify(self.caller, face=given["face"], **asked)
        return Response(wire.Verified(verified).data)


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
        given = self.parse(wire.Compare)
        done = compare.compare(
            self.caller, source=given["source"], target=given["target"], threshold=threshold_of(given)
        )
        return Response(wire.Compared(done).data)
