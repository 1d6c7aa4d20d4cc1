"""Searches and comparisons."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.nhn.wire.base import (
    PICTURE,
    Image,
    Json,
    Options,
    QueryWhole,
    Whole,
    versioned,
)
from collections_app.dialects.nhn.wire.faces import (
    DETAIL,
    FACE,
    SEEN,
    Bbox,
    FaceDetail,
    Landmark,
    Orientation,
    RegisteredFace,
    face_details,
)
from collections_app.dialects.openapi import example
from collections_app.operations.budget import Match
from collections_app.operations.compare import Comparison, Verification
from collections_app.operations.search import SearchResult
from recognition.results import DetectedFace
from recognition.similarity import Threshold

_MATCHES = {"matchFaceCount": 1, "matchFaces": [{"face": FACE, "similarity": 99.8945155187}]}


class QueryThreshold(serializers.Serializer[Any]):
    """A threshold in the query, as in later versions of the contract (decision H5)."""

    threshold = QueryWhole(min_value=1, max_value=100)

    def validate_threshold(self, value: int) -> Threshold:
        """Convert it to a Threshold; the scales are the same."""
        return Threshold(value)


class Search(QueryThreshold):
    """The query of a search."""

    limit = QueryWhole(min_value=1, max_value=4096)


@example({"sourceImage": PICTURE, "targetImage": PICTURE, "threshold": 80})
class Compare(Options):
    """POST /compare. The document's example spells a key "threshold " (decision H5)."""

    sourceImage = Image()
    targetImage = Image()
    threshold = Whole(min_value=1, max_value=100, default=None, allow_null=True)

    def validate_threshold(self, value: int | None) -> Threshold | None:
        """Convert it to a Threshold; the scales are the same."""
        return None if value is None else Threshold(value)

    def to_internal_value(self, data: Any) -> Any:
        """Trim the keys: the document has "threshold " (decision H5)."""
        return super().to_internal_value({key.strip(): data[key] for key in data} if type(data) is dict else data)


@example({"compareImage": PICTURE})
class Verify(Options):
    """POST /verify/groups/{group-id}/faces/{face-id}, in v2.0 /groups/{group-id}/faces/{face-id}/verify."""

    compareImage = Image(form="image")


class SourceFace(serializers.Serializer[Any]):
    """The probe's face: box and confidence; in production all details (contract 3.4)."""

    bbox = Bbox()
    landmarks = Landmark(many=True, required=False)
    orientation = Orientation(required=False)
    spoofing = serializers.BooleanField(required=False)
    confidence = serializers.FloatField()


class MatchedFace(serializers.Serializer[Any]):
    """A registered face, and how similar it is."""

    face = RegisteredFace()
    similarity = serializers.FloatField()


@example(_MATCHES)
class Found(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}/faces/{face-id}; it has no modelVersion (decision H12)."""

    matchFaceCount = serializers.IntegerField()
    matchFaces = MatchedFace(many=True)

    def to_representation(self, found: SearchResult) -> Json:
        """Add the number of matches."""
        return super().to_representation(_matches(found.matches))


@example({"modelVersion": "v1.0", **_MATCHES, "sourceFace": SEEN})
class FoundByImage(serializers.Serializer[Any]):
    """The answer to a search by image."""

    modelVersion = serializers.CharField(required=False)
    matchFaceCount = serializers.IntegerField()
    matchFaces = MatchedFace(many=True)
    sourceFace = serializers.SerializerMethodField()

    @extend_schema_field(SourceFace)
    def get_sourceFace(self, shown: Json) -> Json:
        """The probe's face."""
        return _source(shown["source"], shown["width"], shown["height"], self.context)

    def to_representation(self, found: SearchResult) -> Json:
        """Add the number of matches and the probe's face."""
        shown = {**versioned(found.record.pack, self.context), **_matches(found.matches)}
        probe = {"source": found.source, "width": found.width, "height": found.height}
        return super().to_representation(shown | probe)


class ComparedFace(serializers.Serializer[Any]):
    """A face of the target, and how similar it is to the source."""

    faceDetail = FaceDetail()
    similarity = serializers.FloatField()


@example(
    {
        "modelVersion": "v1.0",
        "matchedFaceDetailCount": 1,
        "matchedFaceDetails": [{"faceDetail": DETAIL, "similarity": 90.654}],
        "unmatchedFaceDetailCount": 1,
        "unmatchedFaceDetails": [{"faceDetail": DETAIL, "similarity": 60.654}],
        "sourceFace": SEEN,
    }
)
class Compared(serializers.Serializer[Any]):
    """The answer to a comparison."""

    modelVersion = serializers.CharField(required=False)
    matchedFaceDetailCount = serializers.IntegerField()
    matchedFaceDetails = ComparedFace(many=True)
    unmatchedFaceDetailCount = serializers.IntegerField()
    unmatchedFaceDetails = ComparedFace(many=True)
    sourceFace = serializers.SerializerMethodField()

    @extend_schema_field(SourceFace)
    def get_sourceFace(self, shown: Json) -> Json:
        """The source's largest face."""
        seen = shown["source"]
        return _source(seen.faces[0], seen.width, seen.height, self.context)

    def to_representation(self, done: Comparison) -> Json:
        """Divide the faces at the threshold."""
        details = face_details([one.face for one in done.faces], done.target.width, done.target.height, self.context)
        pairs = [
            (one.match, {"faceDetail": detail, "similarity": one.score})
            for detail, one in zip(details, done.faces, strict=True)
        ]
        matched = [pair for match, pair in pairs if match]
        unmatched = [pair for match, pair in pairs if not match]
        return super().to_representation(
            {
                **versioned(done.pack, self.context),
                "matchedFaceDetailCount": len(matched),
                "matchedFaceDetails": matched,
                "unmatchedFaceDetailCount": len(unmatched),
                "unmatchedFaceDetails": unmatched,
                "source": done.source,
            }
        )


@example({"similarity": 98.156, "face": FACE, "sourceFace": DETAIL})
class Verified(serializers.Serializer[Any]):
    """The answer to a verification, which the pre-release guide does not have."""

    similarity = serializers.FloatField()
    face = RegisteredFace()
    sourceFace = FaceDetail()

    def to_representation(self, done: Verification) -> Json:
        """Return both faces; a similarity below the group's floor is 0 (decision R19)."""
        [source] = face_details(done.seen.faces[:1], done.seen.width, done.seen.height, self.context)
        shown = {"similarity": done.score or 0, "face": done.face, "sourceFace": source}
        return super().to_representation(shown)


def _source(face: DetectedFace, width: int, height: int, context: Mapping[str, Any]) -> Json:
    """Return the values for SourceFace: box and confidence; in production all details (contract 3.4)."""
    [detail] = face_details([face], width, height, context)
    if context["generation"] == "prerelease":
        detail = {name: detail[name] for name in ("bbox", "spoofing", "confidence") if name in detail}
    return dict(SourceFace(detail).data)


def _matches(matches: Sequence[Match]) -> Json:
    found = [{"face": match.face, "similarity": match.score} for match in matches]
    return {"matchFaceCount": len(found), "matchFaces": found}
