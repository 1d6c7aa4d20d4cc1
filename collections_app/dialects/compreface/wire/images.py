"""Images and the faces in them: recognised, verified, compared, detected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rest_framework import serializers

from collections_app.dialects.compreface.wire.base import Count, Flag, Share, probability, similarity
from collections_app.dialects.compreface.wire.faces import File
from collections_app.dialects.openapi import Image, example
from collections_app.operations.budget import Match
from collections_app.operations.compare import Comparison
from collections_app.operations.each_face import Likenesses, Recognition
from recognition import packs
from recognition.results import Analysis, Box, DetectedFace, Selection

Json: TypeAlias = dict[str, Any]
_MOST_MATCHES = 4096
_PLUGINS = frozenset({"landmarks", "pose", "detector", "calculator"})
_DIGITS = 5

_BOX = {"probability": 0.99875, "x_max": 376, "y_max": 479, "x_min": 68, "y_min": 77}
_SEEN = {
    "box": _BOX,
    "landmarks": [[156, 245], [277, 253], [202, 311], [148, 358], [274, 365]],
    "pose": {"pitch": 2.5, "roll": -1.2, "yaw": 7.9},
    "execution_time": {"detector": 130.0},
}
_VERSIONS = {"detector": "light.yunet", "calculator": "light.v1"}
_PLUGIN_TEXT = (
    "Comma-separated: `landmarks` (five points: the image's left eye and right eye, nose, left and right corner of "
    "the mouth), `pose` (degrees; pitch is positive upwards, yaw to the image's left, roll anticlockwise), "
    "`calculator` (the embedding). Any other is ignored."
)


class Plugins(serializers.CharField):
    """Names of plugins; unknown ones are ignored (decision C7)."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the known ones."""
        return frozenset(name.strip() for name in super().to_internal_value(data).split(",")) & _PLUGINS


class Options(serializers.Serializer[Any]):
    """The query of every request with images."""

    limit = Count(
        default=0,
        min_value=0,
        least="Limit should be equal or greater than 0",
        help_text="How many faces, largest first; 0: all, up to 100.",
    )
    det_prob_threshold = Share(default=0.0, help_text="The least confidence of the detector; faces below do not count.")
    face_plugins = Plugins(default="", allow_blank=True, help_text=_PLUGIN_TEXT)
    status = Flag(default=False, help_text="Adds `execution_time` and `plugins_versions`.")

    def validate(self, attrs: Json) -> Json:
        """Add which faces are meant."""
        selection = Selection(attrs["limit"], attrs["det_prob_threshold"], required=True)
        return {**attrs, "selection": selection, "face_plugins": attrs["face_plugins"] or frozenset()}


class PredictionCount(serializers.Serializer[Any]):
    """How many subjects to return for each face; more than 4,096 are never returned."""

    prediction_count = Count(
        default=1, min_value=1, least="prediction_count should be equal or greater than 1", help_text="For each face."
    )

    def validate_prediction_count(self, value: int) -> int:
        """Bound the number."""
        return min(value, _MOST_MATCHES)


class RecogniseOptions(Options, PredictionCount):
    """The query of POST /recognition/recognize."""


class Recognise(File, RecogniseOptions):
    """POST /recognition/recognize: query and body."""


class OneImage(File, Options):
    """POST of one image: query and body."""


@example({"source_image": "/9j/4AAQSkZJRgABAQEAYABgAAD/2....", "target_image": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."})
class Pair(serializers.Serializer[Any]):
    """The body of POST /verification/verify."""

    source_image = Image()
    target_image = Image()


class Compare(Pair, Options):
    """POST /verification/verify: query and body."""


class FaceBox(serializers.Serializer[Any]):
    """A box in pixels of the upright image, clipped to it, and the detector's confidence."""

    probability = serializers.FloatField()
    x_max = serializers.IntegerField()
    y_max = serializers.IntegerField()
    x_min = serializers.IntegerField()
    y_min = serializers.IntegerField()


class FacePose(serializers.Serializer[Any]):
    """Degrees: pitch is positive upwards, yaw to the image's left, roll anticlockwise (decision C6)."""

    pitch = serializers.FloatField()
    roll = serializers.FloatField()
    yaw = serializers.FloatField()


class ExecutionTime(serializers.Serializer[Any]):
    """Milliseconds; the whole request counts as the detector's (decision C8)."""

    detector = serializers.FloatField()


class Versions(serializers.Serializer[Any]):
    """The models that were used."""

    detector = serializers.CharField()
    calculator = serializers.CharField()


class Seen(serializers.Serializer[Any]):
    """A face of an image. What was not asked for is absent."""

    box = FaceBox()
    landmarks = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()), required=False)
    pose = FacePose(required=False)
    embedding = serializers.ListField(child=serializers.FloatField(), required=False)
    execution_time = ExecutionTime(required=False)


class Prediction(serializers.Serializer[Any]):
    """A subject with an example that matches."""

    similarity = serializers.FloatField(min_value=0, max_value=1)
    subject = serializers.CharField()


class RecognisedFace(Seen):
    """A face of an image, and whose it may be: one entry for each example, best first."""

    subjects = Prediction(many=True)


class VerifiedFace(Seen):
    """A face of an image, and how similar it is to the example."""

    subject = serializers.CharField(allow_blank=True)
    similarity = serializers.FloatField(min_value=0, max_value=1)


class MatchedFace(Seen):
    """A face of the target, and how similar it is to the source."""

    similarity = serializers.FloatField(min_value=0, max_value=1)


class Answer(serializers.Serializer[Any]):
    """An answer about an image; `context` has plugins, milliseconds (None: not asked for) and the pack's name."""

    def answered(self, faces: Sequence[Json]) -> Any:
        """Return the values of an answer with these faces."""
        return super().to_representation({"result": faces, **versions(self.context)})


@example({"result": [_SEEN | {"subjects": [{"similarity": 0.97, "subject": "Marie Curie"}]}]})
class Recognised(Answer):
    """The answer to POST /recognition/recognize."""

    result = RecognisedFace(many=True)
    plugins_versions = Versions(required=False)

    def to_representation(self, found: "Found") -> Any:
        """Render each face with its matches."""
        return self.answered(
            [
                seen(face, found.width, found.height, self.context)
                | {"subjects": [_prediction(match) for match in matches]}
                for face, matches in found.faces
            ]
        )


@example({"result": [_SEEN | {"subject": "Marie Curie", "similarity": 0.97}]})
class Verified(Answer):
    """The answer to POST /recognition/faces/{image_id}/verify; an unknown image has a similarity of 0."""

    result = VerifiedFace(many=True)
    plugins_versions = Versions(required=False)

    def to_representation(self, done: Likenesses) -> Any:
        """Render each face with its similarity."""
        subject = done.face.person.reference if done.face else ""
        return self.answered(
            [
                _seen_in(done.seen, face, self.context) | {"subject": subject, "similarity": similarity(score)}
                for face, score in zip(done.seen.faces, done.scores, strict=True)
            ]
        )


@example({"result": [_SEEN], "plugins_versions": _VERSIONS})
class Detected(Answer):
    """The answer to POST /detection/detect."""

    result = Seen(many=True)
    plugins_versions = Versions(required=False)

    def to_representation(self, found: Analysis) -> Any:
        """Render each face."""
        return self.answered([_seen_in(found, face, self.context) for face in found.faces])


class ComparedPair(serializers.Serializer[Any]):
    """The source's face, and the target's faces, largest first."""

    source_image_face = Seen()
    face_matches = MatchedFace(many=True)
    plugins_versions = Versions(required=False)


@example({"result": [{"source_image_face": _SEEN, "face_matches": [_SEEN | {"similarity": 0.97}]}]})
class Compared(serializers.Serializer[Any]):
    """The answer to POST /verification/verify; two images have no floor."""

    result = ComparedPair(many=True)

    def to_representation(self, done: Comparison) -> Any:
        """Render both images' faces; one that cannot be told from others has a similarity of 0 (decision R20)."""
        scores = {id(one.face): one.score for one in done.faces}
        matches = [
            _seen_in(done.target, face, self.context) | {"similarity": similarity(scores.get(id(face)))}
            for face in done.target.faces
        ]
        source = _seen_in(done.source, done.source.faces[0], self.context)
        pair = {"source_image_face": source, "face_matches": matches, **versions(self.context)}
        return super().to_representation({"result": [pair]})


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of an image with their matches, and the image's size."""

    width: int
    height: int
    faces: Iterable[tuple[DetectedFace, Sequence[Match]]]

    @classmethod
    def of(cls, found: Recognition) -> "Found":
        """Return the faces of an operation's result."""
        return cls(found.seen.width, found.seen.height, zip(found.seen.faces, found.matches, strict=True))


def seen(face: DetectedFace, width: int, height: int, context: Mapping[str, Any]) -> Json:
    """Return the values for Seen: the box, and what `context` asks for."""
    plugins, milliseconds = context.get("plugins", ()), context.get("milliseconds")
    values: Json = {"box": _box(face.box, width, height) | {"probability": probability(face.confidence)}}
    if "landmarks" in plugins:
        values["landmarks"] = [[round(float(x)), round(float(y))] for x, y in face.landmarks]
    if "pose" in plugins:
        pose = {"pitch": face.pose.pitch, "roll": -face.pose.roll, "yaw": -face.pose.yaw}
        values["pose"] = {name: round(angle, _DIGITS) for name, angle in pose.items()}
    if "calculator" in plugins:
        values["embedding"] = face.template.tolist()
    if milliseconds is not None:
        values["execution_time"] = {"detector": milliseconds}
    return values


def versions(context: Mapping[str, Any]) -> Json:
    """Return `plugins_versions` if the status was asked for."""
    if context.get("milliseconds") is None:
        return {}
    pack = packs.get(context["pack"])
    names = {"detector": f"{pack.name}.{pack.detector.name}", "calculator": f"{pack.name}.v{pack.version}"}
    return {"plugins_versions": names}


def _seen_in(image: Analysis, face: DetectedFace, context: Mapping[str, Any]) -> Json:
    return seen(face, image.width, image.height, context)


def _prediction(match: Match) -> Json:
    return {"similarity": similarity(match.score), "subject": match.face.person.reference}


def _box(box: Box, width: int, height: int) -> Json:
    edges = {"x_max": (box.x + box.width, width), "y_max": (box.y + box.height, height)}
    edges |= {"x_min": (box.x, width), "y_min": (box.y, height)}
    return {name: min(side, max(0, round(float(edge)))) for name, (edge, side) in edges.items()}
