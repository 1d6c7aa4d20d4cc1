"""Search, verify, compare, detect."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import (
    LONGEST,
    Likeness,
    Percent,
    Verdict,
    WithImage,
    WithThreshold,
    decision,
    likeness,
    one_image,
)
from collections_app.dialects.native.wire.faces import Face, SeenFace
from collections_app.dialects.openapi import Image, example
from collections_app.operations.compare import Comparison, PersonVerification, Verification
from collections_app.operations.search import SearchResult

MOST_MATCHES = 100
_FACE = "87db50d4-f2c6-48ea-85ed-9f201309fd92"


@example({"image_url": "https://example.com/face.jpg", "false_match_rate": 1e-5})
class Search(WithImage, WithThreshold):
    """POST …/search: by image, or by an enrolled face."""

    face = serializers.CharField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_MATCHES, default=5)
    largest = serializers.BooleanField(default=False, help_text="Take the largest of several faces.")
    name = serializers.CharField(
        allow_blank=True, default="", max_length=LONGEST, help_text="Its name in the search log; by image only."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require an image or a face; the log names a search by face after the face."""
        if "face" not in attrs or {"image", "image_url"} & attrs.keys():
            return one_image(attrs, "image")
        if attrs["name"]:
            raise serializers.ValidationError({"name": "A search by a face is logged under that face."})
        if attrs["largest"]:
            raise serializers.ValidationError({"largest": "A search by a face looks at no image."})
        return attrs


@example({"image_url": "https://example.com/face.jpg", "face": _FACE})
class Verify(WithImage, WithThreshold):
    """POST …/verify: against a face or a person."""

    face = serializers.CharField(required=False)
    person = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require an image, and a face or a person."""
        if ("face" in attrs) == ("person" in attrs):
            raise serializers.ValidationError({"face": "Name a face or a person."})
        return one_image(attrs, "image")


@example({"source_url": "https://example.com/face.jpg", "target_url": "https://example.com/group.jpg"})
class Compare(WithThreshold):
    """POST /compare."""

    source = Image(required=False)  # type: ignore[assignment]
    source_url = serializers.CharField(required=False)
    target = Image(required=False)
    target_url = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require both images."""
        return one_image(one_image(attrs, "source"), "target")


class Match(Likeness):
    """An enrolled face that reaches the threshold."""

    face = Face()


class Found(serializers.Serializer[Any]):
    """The answer to POST …/search: the faces that match, best first."""

    id = serializers.CharField()
    threshold = Likeness()
    decision = serializers.ChoiceField(
        ["match", "review", "unknown"],
        help_text="review: the best face only reaches the policy's line for review, or a second person is near.",
    )
    next = serializers.ChoiceField(["clear", "near"], help_text="near: a second person scores within 3 points.")
    expected_false_matches = serializers.FloatField(help_text="At this threshold, among so many faces.")
    measured_on = serializers.CharField(help_text="What that was measured on: the collection, or a cohort by its name.")
    matches = Match(many=True)
    review = Match(many=True, help_text="Further faces, below the threshold, if the decision took them into account.")
    liveness = Percent(allow_null=True)
    probe = SeenFace(allow_null=True, help_text="The face of the image that was sent.")
    gallery_size = serializers.IntegerField()

    def to_representation(self, result: SearchResult) -> dict[str, Any]:
        """Add the similarity of every match."""
        record = result.record
        matches, review = (
            [{"face": one.face, **likeness(one.score)} for one in faces] for faces in (result.matches, result.review)
        )
        return super().to_representation(
            {
                "id": record.uuid,
                "threshold": likeness(record.applied.score),
                **(result.decision.facts if result.decision else {}),
                "matches": matches,
                "review": review,
                "liveness": record.liveness,
                "probe": result.source,
                "gallery_size": record.gallery_size,
            }
        )


class Verified(Verdict):
    """The answer to POST …/verify: the enrolled face, or a person's most similar one, and the similarity.

    Below the collection's floor the score is 0, and the face of a person is any of theirs.
    """

    face = Face()
    threshold = Likeness()

    def to_representation(self, done: Verification | PersonVerification) -> dict[str, Any]:
        """Add the similarity and the decision."""
        return super().to_representation(
            {
                **likeness(done.score),
                "decision": decision(match=done.match),
                "face": done.face,
                "threshold": likeness(done.threshold.score),
            }
        )


class ComparedFace(Verdict):
    """A face of the target."""

    face = SeenFace()


class Compared(serializers.Serializer[Any]):
    """The answer to POST /compare: the largest face of the source, and every face of the target, best first."""

    source = SeenFace()  # type: ignore[assignment]
    threshold = Likeness()
    faces = ComparedFace(many=True)

    def to_representation(self, done: Comparison) -> dict[str, Any]:
        """Add the similarity and the decision for every face of the target."""
        faces = [{"face": one.face, **likeness(one.score), "decision": decision(match=one.match)} for one in done.faces]
        shown = {"source": done.source.faces[0], "threshold": likeness(done.threshold.score), "faces": faces}
        return super().to_representation(shown)


class Detected(serializers.Serializer[Any]):
    """The answer to POST /detect: the faces of the image, largest first."""

    width = serializers.IntegerField()
    height = serializers.IntegerField()
    faces = SeenFace(many=True)
