"""Searches and comparisons."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.rekognition import wire
from collections_app.dialects.rekognition.views.base import LIMITS, RekognitionView, described
from collections_app.operations import compare, search
from recognition.errors import NoFace


class SearchFacesView(RekognitionView):
    """SearchFaces."""

    @described("SearchFaces", wire.search.Found, wire.search.SearchFaces)
    def post(self, request: Request) -> Response:
        """Find the faces most similar to one of the collection, which is not among them."""
        body = self.parse(wire.search.SearchFaces)
        found = search.search_by_face(
            self.caller,
            collection=body["CollectionId"],
            face=body["FaceId"],
            limit=body["MaxFaces"],
            threshold=body["FaceMatchThreshold"],
        )
        return self.reply(wire.search.Found, found)


class SearchFacesByImageView(RekognitionView):
    """SearchFacesByImage."""

    @described("SearchFacesByImage", wire.search.FoundByImage, wire.search.SearchFacesByImage)
    def post(self, request: Request) -> Response:
        """Find the faces most similar to the largest face of an image."""
        body = self.parse(wire.search.SearchFacesByImage)
        found = search.search_by_image(
            self.caller,
            collection=body["CollectionId"],
            image=self.image(body["Image"]),
            limit=body["MaxFaces"],
            threshold=body["FaceMatchThreshold"],
            largest=True,
            gate=wire.faces.gate(body["QualityFilter"]),
            limits=LIMITS,
        )
        return self.reply(wire.search.FoundByImage, found)


class CompareFacesView(RekognitionView):
    """CompareFaces."""

    @described("CompareFaces", wire.search.Compared, wire.search.CompareFaces)
    def post(self, request: Request) -> Response:
        """Compare the largest face of one image with every face of another; each must show one."""
        body = self.parse(wire.search.CompareFaces)
        done = compare.compare(
            self.caller,
            source=self.image(body["SourceImage"]),
            target=self.image(body["TargetImage"]),
            threshold=body["SimilarityThreshold"],
            gate=wire.faces.gate(body["QualityFilter"]),
            limits=LIMITS,
        )
        if not done.target.faces:
            raise NoFace
        return self.reply(wire.search.Compared, done)
