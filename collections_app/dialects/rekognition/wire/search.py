"""Searches and comparisons."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import example
from collections_app.dialects.rekognition.wire.base import (
    CollectionId,
    FaceId,
    Image,
    Json,
    Percent,
    QualityFilter,
    Whole,
    model_version,
)
from collections_app.dialects.rekognition.wire.faces import (
    COMPARED,
    FACE,
    SEEN,
    BoundingBox,
    Face,
    FaceDetail,
    box,
    detail,
    enrolled,
    percent,
)
from collections_app.operations.compare import Comparison
from collections_app.operations.search import SearchResult
from recognition.similarity import Threshold

_MATCHES, _MOST_MATCHES = 80, 4096
_BYTES = {"Bytes": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."}
_MATCH = {"Similarity": 97.0, "Face": FACE}


class _Search(serializers.Serializer[Any]):
    """What both searches take."""

    CollectionId = CollectionId()
    MaxFaces = Whole(min_value=1, max_value=_MOST_MATCHES, default=_MATCHES)
    FaceMatchThreshold = Percent()

    def validate_FaceMatchThreshold(self, value: float) -> Threshold:
        """Convert it; the scales are the same."""
        return Threshold(value)


@example({"CollectionId": "people", "FaceId": FACE["FaceId"], "MaxFaces": 5, "FaceMatchThreshold": 90})
class SearchFaces(_Search):
    """SearchFaces."""

    FaceId = FaceId()


@example({"CollectionId": "people", "Image": _BYTES, "MaxFaces": 5, "FaceMatchThreshold": 90})
class SearchFacesByImage(_Search):
    """SearchFacesByImage."""

    Image = Image()
    QualityFilter = QualityFilter(default="NONE")


class FaceMatch(serializers.Serializer[Any]):
    """A face of the collection, and how similar it is."""

    Similarity = serializers.FloatField()
    Face = Face()


@example({"SearchedFaceId": FACE["ImageId"], "FaceMatches": [_MATCH], "FaceModelVersion": "light-1"})
class Found(serializers.Serializer[Any]):
    """The answer to SearchFaces, best match first."""

    SearchedFaceId = serializers.CharField()
    FaceMatches = FaceMatch(many=True)
    FaceModelVersion = serializers.CharField()

    def to_representation(self, found: SearchResult) -> Json:
        """Add the face that was searched for."""
        return super().to_representation({"SearchedFaceId": found.record.request_name, **_found(found)})


@example(
    {
        "SearchedFaceBoundingBox": SEEN["BoundingBox"],
        "SearchedFaceConfidence": 99.8,
        "FaceMatches": [_MATCH],
        "FaceModelVersion": "light-1",
    }
)
class FoundByImage(serializers.Serializer[Any]):
    """The answer to SearchFacesByImage, best match first."""

    SearchedFaceBoundingBox = BoundingBox()
    SearchedFaceConfidence = serializers.FloatField()
    FaceMatches = FaceMatch(many=True)
    FaceModelVersion = serializers.CharField()

    def to_representation(self, found: SearchResult) -> Json:
        """Add the face that was searched for."""
        seen = found.source
        assert seen  # noqa: S101 -- a search by image has one
        probe = {"SearchedFaceBoundingBox": box(seen.box, found.width, found.height)}
        probe["SearchedFaceConfidence"] = percent(seen.confidence)  # type: ignore[assignment]
        return super().to_representation(probe | _found(found))


@example({"SourceImage": _BYTES, "TargetImage": _BYTES, "SimilarityThreshold": 90})
class CompareFaces(serializers.Serializer[Any]):
    """CompareFaces."""

    SourceImage = Image()
    TargetImage = Image()
    SimilarityThreshold = Percent()
    QualityFilter = QualityFilter(default="NONE")

    def validate_SimilarityThreshold(self, value: float) -> Threshold:
        """Convert it; the scales are the same."""
        return Threshold(value)


class SourceImageFace(serializers.Serializer[Any]):
    """The source's face."""

    BoundingBox = BoundingBox()
    Confidence = serializers.FloatField()


class CompareFacesMatch(serializers.Serializer[Any]):
    """A face of the target that matches."""

    Similarity = serializers.FloatField()
    Face = FaceDetail()


@example(
    {
        "SourceImageFace": SEEN,
        "FaceMatches": [{"Similarity": 97.0, "Face": COMPARED}],
        "UnmatchedFaces": [COMPARED],
    }
)
class Compared(serializers.Serializer[Any]):
    """The answer to CompareFaces, most similar first. The orientation corrections are always null there: absent."""

    SourceImageFace = SourceImageFace()
    FaceMatches = CompareFacesMatch(many=True)
    UnmatchedFaces = FaceDetail(many=True)

    def to_representation(self, done: Comparison) -> Json:
        """Divide the faces at the threshold."""
        size, seen = (done.target.width, done.target.height), done.source.faces[0]
        source = {"BoundingBox": box(seen.box, done.source.width, done.source.height)}
        return super().to_representation(
            {
                "SourceImageFace": source | {"Confidence": percent(seen.confidence)},
                "FaceMatches": [
                    {"Similarity": one.score, "Face": detail(one.face, *size)} for one in done.faces if one.match
                ],
                "UnmatchedFaces": [detail(one.face, *size) for one in done.faces if not one.match],
            }
        )


def _found(found: SearchResult) -> Json:
    pack = found.record.pack
    matches = [{"Similarity": match.score, "Face": enrolled(match.face, pack)} for match in found.matches]
    return {"FaceMatches": matches, "FaceModelVersion": model_version(pack)}
