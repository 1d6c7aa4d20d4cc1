"""Faces: in an image, and of a collection.

Longer than 300 lines, since every body here is made of the shapes at its top.
"""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import example
from collections_app.dialects.rekognition.wire.base import (
    GATES,
    TOKEN,
    CollectionId,
    FaceIds,
    Image,
    Json,
    PageSize,
    PaginationToken,
    QualityFilter,
    Text,
    UserId,
    Whole,
    model_version,
    next_token,
    page,
)
from collections_app.models import Face as EnrolledFace
from collections_app.operations.enrol import Enrolment
from collections_app.operations.erase import Deletion
from collections_app.operations.faces import FacePage
from collections_app.operations.named_people import is_named
from recognition import packs
from recognition.results import Analysis, Box, DetectedFace, QualityReason

_ATTRIBUTES = (
    "DEFAULT", "ALL", "AGE_RANGE", "BEARD", "EMOTIONS", "EYE_DIRECTION", "EYEGLASSES", "EYES_OPEN", "GENDER",
    "MOUTH_OPEN", "MUSTACHE", "FACE_OCCLUDED", "SMILE", "SUNGLASSES",
)  # fmt: skip
MOST = 100  # faces that one image may add
_LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")  # in results.Landmarks' order; H27
# The others that ALL adds: the mean of these points of recognition.pipeline.landmarks. No model here finds pupils.
_MORE_LANDMARKS = {
    "leftEyeBrowLeft": [17],
    "leftEyeBrowRight": [21],
    "leftEyeBrowUp": [19],
    "rightEyeBrowLeft": [22],
    "rightEyeBrowRight": [26],
    "rightEyeBrowUp": [24],
    "leftEyeLeft": [36],
    "leftEyeRight": [39],
    "leftEyeUp": [37, 38],
    "leftEyeDown": [40, 41],
    "rightEyeLeft": [42],
    "rightEyeRight": [45],
    "rightEyeUp": [43, 44],
    "rightEyeDown": [46, 47],
    "noseLeft": [31],
    "noseRight": [35],
    "mouthUp": [51],
    "mouthDown": [57],
    "upperJawlineLeft": [0],
    "midJawlineLeft": [4],
    "chinBottom": [8],
    "midJawlineRight": [12],
    "upperJawlineRight": [16],
}
_REASONS = {
    QualityReason.SMALL_FACE: "SMALL_BOUNDING_BOX",
    QualityReason.EXTREME_POSE: "EXTREME_POSE",
    QualityReason.LOW_SHARPNESS: "LOW_SHARPNESS",
    QualityReason.TOO_DARK: "LOW_BRIGHTNESS",
    QualityReason.TOO_BRIGHT: "LOW_FACE_QUALITY",
    QualityReason.CUT_BY_EDGE: "LOW_FACE_QUALITY",
    QualityReason.LOW_CONFIDENCE: "LOW_CONFIDENCE",
    QualityReason.UNRECOGNISABLE: "LOW_FACE_QUALITY",
    QualityReason.NOT_HUMAN: "LOW_FACE_QUALITY",
}
_BEYOND = "EXCEEDS_MAX_FACES"
_SHARE_DIGITS, _DIGITS = 6, 4
_HALF_SHARP = 30.0  # the sharpness of the strict gate counts as 50 of 100
_BYTES = {"Bytes": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."}
_BOX = {"Width": 0.25, "Height": 0.4, "Left": 0.3, "Top": 0.2}
_ID = "87db50d4-f2c6-48ea-85ed-9f201309fd92"
FACE = {
    "FaceId": _ID,
    "BoundingBox": _BOX,
    "ImageId": "9297db50-d4f2-46b8-85ed-edf2013089fd",
    "ExternalImageId": "ada",
    "Confidence": 99.8,
    "IndexFacesModelVersion": "1",
}
COMPARED = {
    "BoundingBox": _BOX,
    "Confidence": 99.8,
    "Landmarks": [{"Type": name, "X": 0.41, "Y": 0.51} for name in _LANDMARKS],
    "Pose": {"Roll": -2.1, "Yaw": 8.3, "Pitch": 1.2},
    "Quality": {"Brightness": 41.5, "Sharpness": 83.1},
}
SEEN = {"BoundingBox": _BOX, "Confidence": 99.8}


class BoundingBox(serializers.Serializer[Any]):
    """A box, as shares of the image's sides; it may extend beyond the image."""

    Width = serializers.FloatField()
    Height = serializers.FloatField()
    Left = serializers.FloatField()
    Top = serializers.FloatField()


class Landmark(serializers.Serializer[Any]):
    """A point of a face, as shares of the image's sides. Left and right are the image's."""

    Type = serializers.ChoiceField([*_LANDMARKS, *_MORE_LANDMARKS])
    X = serializers.FloatField()
    Y = serializers.FloatField()


class Pose(serializers.Serializer[Any]):
    """Degrees: clockwise, to the image's right and up are positive."""

    Roll = serializers.FloatField(source="roll")
    Yaw = serializers.FloatField(source="yaw")
    Pitch = serializers.FloatField(source="pitch")


class ImageQuality(serializers.Serializer[Any]):
    """Brightness and sharpness of a face, 0 to 100; 50 is as sharp as the strict gate asks for."""

    Brightness = serializers.FloatField()
    Sharpness = serializers.FloatField()


class FaceDetail(serializers.Serializer[Any]):
    """A face seen in an image."""

    BoundingBox = BoundingBox()
    Confidence = serializers.FloatField()
    Landmarks = Landmark(many=True)
    Pose = Pose()
    Quality = ImageQuality()


class Face(serializers.Serializer[Any]):
    """A face of a collection."""

    FaceId = serializers.CharField()
    BoundingBox = BoundingBox()
    ImageId = serializers.CharField()
    ExternalImageId = serializers.CharField(required=False)
    Confidence = serializers.FloatField()
    IndexFacesModelVersion = serializers.CharField()
    UserId = serializers.CharField(required=False)


@example({"CollectionId": "people", "Image": _BYTES, "ExternalImageId": "ada", "MaxFaces": 1})
class IndexFaces(serializers.Serializer[Any]):
    """IndexFaces."""

    CollectionId = CollectionId()
    Image = Image()
    ExternalImageId = Text(r"[a-zA-Z0-9_.\-:]+", max_length=255, required=False)
    DetectionAttributes = serializers.ListField(child=serializers.ChoiceField(_ATTRIBUTES), default=list)
    MaxFaces = Whole(min_value=1, default=MOST)
    QualityFilter = QualityFilter(default="AUTO")


class FaceRecord(serializers.Serializer[Any]):
    """A face that was added, and what was seen of it."""

    Face = Face()
    FaceDetail = FaceDetail()


class UnindexedFace(serializers.Serializer[Any]):
    """A face that was not added, and why."""

    Reasons = serializers.ListField(child=serializers.ChoiceField(sorted({*_REASONS.values(), _BEYOND})))
    FaceDetail = FaceDetail()


@example(
    {
        "FaceRecords": [{"Face": FACE, "FaceDetail": COMPARED}],
        "FaceModelVersion": "light-1",
        "UnindexedFaces": [{"Reasons": [_BEYOND], "FaceDetail": COMPARED}],
    }
)
class Indexed(serializers.Serializer[Any]):
    """The answer to IndexFaces, largest first."""

    FaceRecords = FaceRecord(many=True)
    FaceModelVersion = serializers.CharField()
    UnindexedFaces = UnindexedFace(many=True)

    def to_representation(self, done: Enrolment) -> Json:
        """Pair each stored face with its detail, and give the reasons of the others."""
        gates = {self.context["gate"], done.collection.quality_gate}
        size = (done.width, done.height, self.context["attributes"])
        records = [
            {"Face": enrolled(face, done.collection.pack), "FaceDetail": detail(seen, *size)}
            for face, seen in zip(done.faces, done.added, strict=True)
        ]
        others = [{"Reasons": _reasons(seen, gates), "FaceDetail": detail(seen, *size)} for seen in done.not_added]
        shown = {"FaceRecords": records, "FaceModelVersion": model_version(done.collection.pack)}
        return super().to_representation(shown | {"UnindexedFaces": others})


@example({"CollectionId": "people", "MaxResults": 100})
class ListFaces(serializers.Serializer[Any]):
    """ListFaces."""

    CollectionId = CollectionId()
    NextToken = PaginationToken()
    MaxResults = PageSize()
    UserId = UserId(required=False)
    FaceIds = FaceIds(max_length=4096, default=list)


@example({"Faces": [FACE], "NextToken": TOKEN, "FaceModelVersion": "light-1"})
class Faces(serializers.Serializer[Any]):
    """The answer to ListFaces, newest first."""

    Faces = Face(many=True)
    NextToken = serializers.CharField(required=False)
    FaceModelVersion = serializers.CharField()

    def to_representation(self, found: FacePage) -> Json:
        """Add the token of the next page."""
        of, last = found.collection, found.faces[-1:]
        token = next_token(of.tenant, last[0].number, of.name) if found.more else None
        faces = [enrolled(face, of.pack) for face in found.faces]
        return super().to_representation({"Faces": faces, **page(token), "FaceModelVersion": model_version(of.pack)})


@example({"CollectionId": "people", "FaceIds": [_ID]})
class DeleteFaces(serializers.Serializer[Any]):
    """DeleteFaces."""

    CollectionId = CollectionId()
    FaceIds = FaceIds(max_length=4096)


class UnsuccessfulFaceDeletion(serializers.Serializer[Any]):
    """A face that was not deleted, and why."""

    FaceId = serializers.CharField()
    UserId = serializers.CharField(required=False)
    Reasons = serializers.ListField(child=serializers.ChoiceField(["FACE_NOT_FOUND", "ASSOCIATED_TO_AN_EXISTING_USER"]))


@example(
    {"DeletedFaces": [_ID], "UnsuccessfulFaceDeletions": [{"FaceId": FACE["ImageId"], "Reasons": ["FACE_NOT_FOUND"]}]}
)
class DeletedFaces(serializers.Serializer[Any]):
    """The answer to DeleteFaces."""

    DeletedFaces = serializers.ListField(child=serializers.CharField())
    UnsuccessfulFaceDeletions = UnsuccessfulFaceDeletion(many=True)

    def to_representation(self, done: Deletion) -> Json:
        """Divide the requested faces."""
        asked = list(dict.fromkeys(self.context["asked"]))
        kept = [
            {"FaceId": face, "UserId": done.named[face], "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
            if face in done.named
            else {"FaceId": face, "Reasons": ["FACE_NOT_FOUND"]}
            for face in asked
            if face not in done.deleted
        ]
        shown = {"DeletedFaces": [face for face in asked if face in done.deleted], "UnsuccessfulFaceDeletions": kept}
        return super().to_representation(shown)


@example({"Image": _BYTES, "Attributes": ["DEFAULT"]})
class DetectFaces(serializers.Serializer[Any]):
    """DetectFaces."""

    Image = Image()
    Attributes = serializers.ListField(child=serializers.ChoiceField(_ATTRIBUTES), default=list)


@example({"FaceDetails": [COMPARED]})
class Detected(serializers.Serializer[Any]):
    """The answer to DetectFaces, largest first."""

    FaceDetails = FaceDetail(many=True)

    def to_representation(self, seen: Analysis) -> Json:
        """Render every face."""
        return super().to_representation(
            {"FaceDetails": [detail(one, seen.width, seen.height, self.context["attributes"]) for one in seen.faces]}
        )


def enrolled(face: EnrolledFace, pack: str) -> Json:
    """Return the values for Face; without an ExternalImageId that was not given, and without a user who is none."""
    return {
        "FaceId": face.uuid,
        "BoundingBox": box(face.box, face.image_width, face.image_height),
        "ImageId": face.image,
        **({"ExternalImageId": face.label} if face.label else {}),
        "Confidence": percent(face.confidence),
        "IndexFacesModelVersion": str(packs.get(pack).version),
        **({"UserId": face.person.reference} if is_named(face.person) else {}),
    }


def box(seen: Box, width: int, height: int) -> Json:
    """Return the values for BoundingBox."""
    return {
        "Width": share(seen.width, width),
        "Height": share(seen.height, height),
        "Left": share(seen.x, width),
        "Top": share(seen.y, height),
    }


def share(pixels: float, side: int) -> float:
    """Return pixels as a share of a side."""
    return round(float(pixels) / side, _SHARE_DIGITS)


def percent(part: float) -> float:
    """Convert a share to 0 to 100."""
    return round(100 * part, _DIGITS)


def detail(face: DetectedFace, width: int, height: int, attributes: Sequence[str] = ()) -> Json:
    """Return the values for FaceDetail; with the attribute ALL it has more landmarks."""
    sharpness, points = face.quality.sharpness, dict(zip(_LANDMARKS, face.landmarks, strict=True))
    if "ALL" in attributes and face.points is not None:
        points |= {name: face.points[places].mean(axis=0) for name, places in _MORE_LANDMARKS.items()}
    return {
        "BoundingBox": box(face.box, width, height),
        "Confidence": percent(face.confidence),
        "Landmarks": [{"Type": name, "X": share(x, width), "Y": share(y, height)} for name, (x, y) in points.items()],
        "Pose": face.pose,
        "Quality": {
            "Brightness": percent(face.quality.brightness),
            "Sharpness": percent(sharpness / (sharpness + _HALF_SHARP)),
        },
    }


def gate(filter_: str) -> str:
    """Return our quality gate for a QualityFilter."""
    return GATES[filter_]


def _reasons(face: DetectedFace, gates: set[str]) -> list[str]:
    """Return why a face was not added: a gate that refuses it, else that there were too many."""
    failed = {*face.quality.floor_reasons, *(reason for gate in gates for reason in face.quality.failed(gate))}
    return sorted({_REASONS[reason] for reason in failed}) or [_BEYOND]
