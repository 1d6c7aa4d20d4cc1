"""The bodies of /v3/va/, in the vendor's field order and spellings.

One file, though over 300 lines: half of them are the one answer of inference-image, with its example.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from collections_app.dialects.facedb.errors import Unsupported
from collections_app.dialects.facedb.wire.base import (
    DIGITS,
    IMAGES,
    LONGEST,
    LONGEST_NOTE,
    OLDEST,
    FaceImage,
    Outcome,
    Whole,
)
from collections_app.dialects.openapi import Always, Identifier, Text, example
from collections_app.operations.budget import Match
from collections_app.operations.data_subject import PersonDetails, PersonRecord
from collections_app.operations.each_face import Recognition
from collections_app.operations.search import PersonMatch
from recognition.results import Analysis, DetectedFace

_PERSON, _FACE = 0, 1
_FACE_CLASS = 300
_CONTINUES = 1  # an event in progress: it brings no thumbnail
_IMAGE = "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."


class FeatureType(Whole):
    """What is enrolled: 0 a person, who is known by the face here, or 1 a face (decision N13)."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse what the contract does not know, and vehicles as not supported."""
        kind = super().to_internal_value(data)
        if kind not in {_PERSON, _FACE}:
            raise Unsupported
        return kind


_FEATURE = {
    "node_id": "53ba9bc997c72840",
    "feature_type": 1,
    "uuid": "12345",
    "user_id": "12345",
    "user_name": "apple",
    "user_age": 25,
    "identifier": 0,
    "gender": 1,
    "feature_images": [_IMAGE],
    "memo": "memo",
}


@example(_FEATURE)
class AddFeature(serializers.Serializer[Any]):
    """POST add-or-update-feature."""

    node_id = serializers.CharField()
    feature_type = FeatureType()
    uuid = Identifier(default="", allow_blank=True, allow_null=True)
    user_id = Text()
    user_name = Text()
    user_age = Whole(min_value=0, max_value=OLDEST)
    identifier = Whole(min_value=0, max_value=2)
    gender = Whole(min_value=0, max_value=2)
    feature_images = serializers.ListField(child=FaceImage(), min_length=1, max_length=IMAGES)
    memo = serializers.CharField(
        max_length=LONGEST_NOTE, default="", allow_blank=True, allow_null=True, trim_whitespace=False
    )


@example({"code": 0, "message": "", "uuid": "70697e9139e95a76"})
class AddedFeature(Outcome):
    """The answer to add-or-update-feature."""

    uuid = serializers.CharField(source="reference")


@example({"node_id": "53ba9bc997c72840", "feature_type": 1})
class ListFeatures(serializers.Serializer[Any]):
    """POST list-feature."""

    node_id = serializers.CharField()
    feature_type = FeatureType()


class Feature(serializers.Serializer[Any]):
    """A person; `context` has the feature_type that was asked for."""

    node_id = serializers.CharField(source="collection.alias")
    feature_type = serializers.SerializerMethodField()
    uuid = serializers.CharField(source="person.reference", default="", read_only=True)
    user_id = serializers.CharField(source="person.external_id", default="", read_only=True)
    user_name = serializers.CharField(source="person.name", default="", read_only=True)
    user_age = serializers.SerializerMethodField()
    identifier = serializers.IntegerField(source="person.listing", default=0, read_only=True)
    gender = serializers.IntegerField(source="person.gender", default=0, read_only=True)
    feature_images = serializers.ListField(child=FaceImage(), source="images")
    memo = serializers.CharField(source="person.note", default="", read_only=True)

    def get_feature_type(self, _: object) -> int:
        """As it was asked for."""
        return int(self.context["feature_type"])

    def get_user_age(self, record: PersonRecord | dict[str, Any]) -> int:
        """The age; 0 if it is unknown or nobody matches."""
        return record.person.age or 0 if isinstance(record, PersonRecord) else 0


@example({"code": 0, "message": "", "feature_list": [_FEATURE]})
class ListedFeatures(Outcome):
    """The answer to list-feature, streamed person by person."""

    feature_list = Feature(many=True)


@example({"nodeId": "53ba9bc997c72840", "uuId": "70697e9139e95a76", "feature_type": 1})
class RemoveFeature(serializers.Serializer[Any]):
    """POST remove-feature."""

    nodeId = serializers.CharField()
    uuId = serializers.CharField(max_length=LONGEST)
    feature_type = FeatureType()


@example({"node_id": "53ba9bc997c72840", "feature_type": 1, "feature_images": [_IMAGE]})
class MatchFeature(serializers.Serializer[Any]):
    """POST matching-feature."""

    node_id = serializers.CharField()
    feature_type = FeatureType()
    feature_images = serializers.ListField(child=FaceImage(), min_length=1, max_length=IMAGES)


_STORED = {name: value for name, value in _FEATURE.items() if name not in {"node_id", "feature_images"}}


@example({"code": 0, "message": "", **_STORED})
class MatchedFeature(Outcome, Feature):
    """The answer to matching-feature; without a match uuid is empty."""

    node_id = None  # type: ignore[assignment]  # how to leave out a field of the base
    feature_images = None  # type: ignore[assignment]

    def to_representation(self, found: PersonMatch | dict[str, Any]) -> Any:
        """Render the person."""
        return super().to_representation(found.record if isinstance(found, PersonMatch) else found)


@example({"node_id": "53ae8e84be6e03bb", "image_buffer": _IMAGE})
class Infer(serializers.Serializer[Any]):
    """POST inference-image."""

    node_id = serializers.CharField()
    image_buffer = FaceImage()


class Rect(serializers.Serializer[Any]):
    """A box, as shares of the frame; it may extend beyond the frame."""

    height = serializers.FloatField()
    width = serializers.FloatField()
    x = serializers.FloatField()
    y = serializers.FloatField()


class FaceDetail(serializers.Serializer[Any]):
    """Whose face it is; of nobody 0 and empty."""

    age = serializers.IntegerField()
    gender = serializers.IntegerField()
    identify = serializers.IntegerField()
    memo = serializers.CharField(allow_blank=True)
    name = serializers.CharField(allow_blank=True)


class FeatureDetail(FaceDetail):
    """The same under the name that the results of video have (contract 2.5)."""

    feature = Always([])
    feature_uid = serializers.CharField(allow_blank=True)


class EventDetail(serializers.Serializer[Any]):
    """Whose face it is, and how similar: 0 to 1, of nobody 0."""

    event_score = serializers.FloatField(min_value=0, max_value=1)
    face = FaceDetail()
    face_uid = serializers.CharField(allow_blank=True)
    feature_detail = FeatureDetail()


class Event(serializers.Serializer[Any]):
    """A face: an event if it is somebody's, otherwise detected. There are no regions, tracks and vehicles."""

    abnormal_score = Always(0)
    class_id = Always(_FACE_CLASS)
    directional_type = Always(0)
    cls_items = Always([])
    event_detail = EventDetail()
    event_id = serializers.IntegerField()
    event_status = Always(_CONTINUES)
    event_type = serializers.ChoiceField(["MatchingFace", "AllDetect"])
    image_buffer = Always("")
    image_rect = Rect()
    is_detected = serializers.BooleanField()
    is_event = serializers.BooleanField()
    is_tracked = Always(value=False)
    object_id = serializers.IntegerField()
    object_prob = serializers.FloatField(min_value=0, max_value=1)
    stay_time = Always(0)


class ObjectMeta(serializers.Serializer[Any]):
    """The faces of an image, largest first. It comes from no camera."""

    camera_name = Always("")
    camera_uid = Always("")
    event_list = Event(many=True)
    frame_height = serializers.IntegerField()
    frame_number = Always(0)
    frame_width = serializers.IntegerField()
    time_stamp = serializers.CharField()


_DETAIL = {"age": 25, "gender": 1, "identify": 0, "memo": "memo", "name": "apple"}
_EVENT = {
    "abnormal_score": 0,
    "class_id": _FACE_CLASS,
    "directional_type": 0,
    "cls_items": [],
    "event_detail": {
        "event_score": 0.93,
        "face": _DETAIL,
        "face_uid": "12345",
        "feature_detail": {**_DETAIL, "feature": [], "feature_uid": "12345"},
    },
    "event_id": 1,
    "event_status": _CONTINUES,
    "event_type": "MatchingFace",
    "image_buffer": "",
    "image_rect": {"height": 0.24, "width": 0.05, "x": 0.71, "y": 0.41},
    "is_detected": False,
    "is_event": True,
    "is_tracked": False,
    "object_id": 1,
    "object_prob": 0.82,
    "stay_time": 0,
}
_META = {
    "camera_name": "",
    "camera_uid": "",
    "event_list": [_EVENT],
    "frame_height": 1080,
    "frame_number": 0,
    "frame_width": 1920,
    "time_stamp": "2023-11-14 07:31:26.505",
}


@example({"code": 0, "message": "SUCCESS", "meta": _META})
class Inferred(serializers.Serializer[Any]):
    """The answer to inference-image; an image without a face has no events."""

    code = Always(0)
    message = Always("SUCCESS")
    meta = ObjectMeta()

    def to_representation(self, found: Recognition) -> Any:
        """Render each face with the best match."""
        seen = found.seen
        events = [
            _event(number, face, matches, seen)
            for number, (face, matches) in enumerate(zip(seen.faces, found.matches, strict=True), start=1)
        ]
        at = timezone.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        meta = {"event_list": events, "frame_height": seen.height, "frame_width": seen.width, "time_stamp": at}
        return super().to_representation({"meta": meta})


def details(body: dict[str, Any]) -> PersonDetails:
    """Return the person of a registration; without a uuid the person gets a new one (decision N7)."""
    return PersonDetails(
        reference=body["uuid"] or secrets.token_hex(8),
        external_id=body["user_id"],
        name=body["user_name"],
        age=body["user_age"],
        gender=body["gender"],
        listing=body["identifier"],
        note=body["memo"] or "",
    )


def _event(number: int, face: DetectedFace, matches: Sequence[Match], seen: Analysis) -> dict[str, Any]:
    best, box = next(iter(matches), None), face.box
    person = best.face.person if best else None
    detail = {
        "age": person.age or 0 if person else 0,
        "gender": person.gender if person else 0,
        "identify": person.listing if person else 0,
        "memo": person.note if person else "",
        "name": person.name if person else "",
    }
    uid = person.reference if person else ""
    shares = {"height": box.height / seen.height, "width": box.width / seen.width}
    shares |= {"x": box.x / seen.width, "y": box.y / seen.height}
    return {
        "event_detail": {
            "event_score": round(best.score / 100, DIGITS) if best else 0.0,
            "face": detail,
            "face_uid": uid,
            "feature_detail": detail | {"feature_uid": uid},
        },
        "event_id": number,
        "event_type": "MatchingFace" if best else "AllDetect",
        "image_rect": {name: round(float(share), DIGITS) for name, share in shares.items()},
        "is_detected": best is None,
        "is_event": best is not None,
        "object_id": number,
        "object_prob": round(float(face.confidence), DIGITS),
    }
