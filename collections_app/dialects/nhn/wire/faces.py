"""Faces: in an image, and of a group."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from collections_app.dialects.nhn.wire.base import (
    MOST_FACES,
    PICTURE,
    SCORE_DIGITS,
    TOKEN,
    Condition,
    Flag,
    Image,
    Json,
    Picture,
    Text,
    Whole,
    next_token,
    versioned,
)
from collections_app.dialects.openapi import example
from collections_app.models import Face
from collections_app.operations.enrol import Enrolment
from collections_app.operations.faces import FacePage
from recognition.errors import LivenessUnsure
from recognition.results import Analysis, Box, DetectedFace, Liveness, Verdict

_LABEL = r"\A[A-Za-z0-9_.:-]{1,255}\Z"  # decision H9
_LANDMARKS = ("leftEye", "rightEye", "nose", "leftLip", "rightLip")  # decisions H4 and H27; results.Landmarks' order
_SHARE_DIGITS = 6
_BOX = {"x0": 0.36, "y0": 0.21, "x1": 0.612, "y1": 0.715}
_NOWHERE = dict.fromkeys(_BOX, 0.0)
_CROP: Json = {"bbox": _NOWHERE, "landmarks": [], "spoofing": False, "confidence": 0.0}
SEEN = {"bbox": _BOX, "confidence": 99.8945155187}
DETAIL = {
    "bbox": _BOX,
    "landmarks": [{"type": name, "x": 0.415, "y": 0.513} for name in _LANDMARKS],
    "orientation": {"x": 15.303436, "y": -9.222179, "z": -7.97249},
    "confidence": 99.8945155187,
}
_JUDGED = {name: value for name, value in DETAIL.items() if name != "orientation"} | {"spoofing": False}
FACE = {
    "faceId": "87db50d4-f2c6-b8ea-05ed-9f201309fd92",
    "imageId": "9297db50-d4f2-c6b8-ea05-edf2013089fd",
    "externalImageId": "image01.jpg",
    **SEEN,
}


@example({"image": PICTURE, "externalImageId": "image01.jpg", "limit": 3})
class Register(Picture):
    """POST /groups/{group-id}."""

    externalImageId = Text(validators=[RegexValidator(_LABEL)], required=False)
    limit = Whole(min_value=1, max_value=MOST_FACES["prerelease"])


class RegisterToday(Register):
    """The same in production, and v2.0's POST /groups/{group-id}/faces (contract 3.3)."""

    limit = Whole(min_value=1, max_value=MOST_FACES["current"])


@example({"image": PICTURE})
class Spoofing(Condition):
    """POST /spoofing. An aligned image is a crop of 224 x 224 pixels, in which no face is searched (contract 3.5)."""

    image = Image()
    aligned = Flag(default=False)


class Bbox(serializers.Serializer[Any]):
    """A box, as shares of the image's sides; clipped to the image."""

    x0 = serializers.FloatField()
    y0 = serializers.FloatField()
    x1 = serializers.FloatField()
    y1 = serializers.FloatField()


class Landmark(serializers.Serializer[Any]):
    """A point of a face, as shares of the image's sides. Left and right are the image's (decision H27)."""

    type = serializers.ChoiceField(_LANDMARKS)
    x = serializers.FloatField()
    y = serializers.FloatField()


class Orientation(serializers.Serializer[Any]):
    """Yaw, pitch and roll in degrees: to the image's right, up and clockwise are positive (decision H28)."""

    x = serializers.FloatField(source="yaw")
    y = serializers.FloatField(source="pitch")
    z = serializers.FloatField(source="roll")


class FaceDetail(serializers.Serializer[Any]):
    """A face seen in an image."""

    bbox = Bbox()
    landmarks = Landmark(many=True)
    orientation = Orientation(required=False)
    spoofing = serializers.BooleanField(required=False)
    confidence = serializers.FloatField()


class RegisteredFace(serializers.Serializer[Any]):
    """A face of a group."""

    faceId = serializers.CharField(source="uuid")
    imageId = serializers.CharField(source="image")
    externalImageId = serializers.CharField(source="label", required=False)
    bbox = Bbox()
    confidence = serializers.FloatField()

    def to_representation(self, face: Face) -> Json:
        """Omit an empty label."""
        shown = {"uuid": face.uuid, "image": face.image, "bbox": _bbox(face.box, face.image_width, face.image_height)}
        label = {"label": face.label} if face.label else {}
        return super().to_representation(shown | label | {"confidence": _percent(face.confidence)})


@example({"modelVersion": "v1.0", "faceCount": 2, "faces": [FACE, FACE], "nextToken": TOKEN})
class Faces(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}/faces; the count is the group's, not the page's (decision H15)."""

    modelVersion = serializers.CharField(required=False)
    faceCount = serializers.IntegerField()
    faces = RegisteredFace(many=True)
    nextToken = serializers.CharField()

    def to_representation(self, page: FacePage) -> Json:
        """Add the token of the next page; empty on the last page."""
        group, place = page.collection, page.faces[-1].number if page.more else 0
        token = next_token(self.context, place, group.name) if page.more else ""
        shown = {**versioned(group.pack, self.context), "faceCount": page.total}
        return super().to_representation(shown | {"faces": page.faces, "nextToken": token})


@example({"faceDetailCount": 1, "faceDetails": [DETAIL]})
class Detected(serializers.Serializer[Any]):
    """The answer to POST /detect and /faces/detect."""

    faceDetailCount = serializers.IntegerField()
    faceDetails = FaceDetail(many=True)

    def to_representation(self, seen: Analysis) -> Json:
        """Add the number of faces."""
        most = MOST_FACES[self.context["generation"]]
        details = face_details(seen.faces[:most], seen.width, seen.height, self.context)
        return super().to_representation({"faceDetailCount": len(details), "faceDetails": details})


@example(
    {
        "modelVersion": "v1.0",
        "addedFaceCount": 1,
        "addedFaces": [FACE],
        "addedFaceDetails": [DETAIL],
        "notAddedFaceCount": 1,
        "notAddedFaces": [DETAIL],
    }
)
class Registered(serializers.Serializer[Any]):
    """The answer to a registration; addedFaceDetails is parallel to addedFaces (decision H25)."""

    modelVersion = serializers.CharField(required=False)
    addedFaceCount = serializers.IntegerField()
    addedFaces = RegisteredFace(many=True)
    addedFaceDetails = FaceDetail(many=True)
    notAddedFaceCount = serializers.IntegerField()
    notAddedFaces = FaceDetail(many=True)

    def to_representation(self, done: Enrolment) -> Json:
        """Add the numbers of both kinds; if any face was detected, at least one was added."""
        width, height = done.width, done.height
        others = done.not_added[: MOST_FACES[self.context["generation"]] - len(done.faces)]
        return super().to_representation(
            {
                **versioned(done.collection.pack, self.context),
                "addedFaceCount": len(done.faces),
                "addedFaces": done.faces,
                "addedFaceDetails": face_details(done.added, width, height, self.context),
                "notAddedFaceCount": len(others),
                "notAddedFaces": face_details(others, width, height, self.context),
            }
        )


@example({"faceDetailCount": 1, "faceDetails": [_JUDGED]})
class Judged(Detected):
    """The answer to POST /spoofing."""


@example({"faceDetailCount": 1, "faceDetails": [_CROP]})
class JudgedCrop(serializers.Serializer[Any]):
    """The answer to POST /spoofing of an aligned image: without a box and landmarks (contract 3.5)."""

    faceDetailCount = serializers.IntegerField()
    faceDetails = FaceDetail(many=True)

    def to_representation(self, seen: Liveness) -> Json:
        """Return one face."""
        judged = _CROP | {"spoofing": seen.score < self.context["spoof_below"]}
        return super().to_representation({"faceDetailCount": 1, "faceDetails": [judged]})


def refuse_unsure(seen: Analysis, spoof_below: float) -> None:
    """Refuse an image with a face of which it cannot be told whether it is live (decision H32)."""
    for face in seen.faces:
        if face.liveness and face.liveness.verdict(spoof_below) is Verdict.UNSURE:
            raise LivenessUnsure(face.liveness.advice or "")


def _percent(share: float) -> float:
    return round(100 * share, SCORE_DIGITS)


def _share(pixels: float, side: int) -> float:
    return round(float(pixels) / side, _SHARE_DIGITS)


def _bbox(box: Box, width: int, height: int) -> Json:
    edges = {"x0": (box.x, width), "y0": (box.y, height)}
    edges |= {"x1": (box.x + box.width, width), "y1": (box.y + box.height, height)}
    return {name: min(1.0, max(0.0, _share(pixels, side))) for name, (pixels, side) in edges.items()}


def _spoofing(liveness: Liveness | None, spoof_below: float | None) -> Json:
    verdict = liveness.verdict(spoof_below) if liveness and spoof_below is not None else Verdict.UNSURE
    return {} if verdict is Verdict.UNSURE else {"spoofing": verdict is Verdict.SPOOF}


def face_details(faces: Sequence[DetectedFace], width: int, height: int, context: Mapping[str, Any]) -> list[Json]:
    """Return the values for FaceDetail.

    `context["orientation"]` tells whether to include the orientation, `context["spoof_below"]` below which liveness a
    face is a spoof; None or absent: that is not told, and neither is it of a face of which it cannot be (decision H32).
    """
    spoof_below = context.get("spoof_below")
    return [
        {
            "bbox": _bbox(face.box, width, height),
            "landmarks": [
                {"type": name, "x": _share(x, width), "y": _share(y, height)}
                for name, (x, y) in zip(_LANDMARKS, face.landmarks, strict=True)
            ],
            **({"orientation": face.pose} if context["orientation"] else {}),
            **_spoofing(face.liveness, spoof_below),
            "confidence": _percent(face.confidence),
        }
        for face in faces
    ]
