"""Captures: tokens for browsers, and what browsers send with them."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import LONGEST
from collections_app.dialects.openapi import Image, example
from collections_app.operations.captures import MOST_MINUTES, return_url
from collections_app.operations.guidance import Hint
from recognition.results import Doubt
from tenants.captures import IssuedCapture, Verb, page_of
from tenants.models import CaptureToken

_VERBS = [verb.value for verb in Verb]
_FRAMES = 3


@example({"verb": "verify", "collection": "staff", "reference": "4711", "return_url": "https://shop.example/checked"})
class NewCapture(serializers.Serializer[Any]):
    """POST /captures. `collection` is for all verbs but `liveness`, `reference` for `enrol` and `verify`."""

    verb = serializers.ChoiceField(_VERBS)
    collection = serializers.CharField(allow_blank=True, default="", help_text="A collection's id, or its name.")
    reference = serializers.CharField(
        allow_blank=True, default="", max_length=LONGEST, help_text="Who is enrolled or verified."
    )
    consent = serializers.CharField(allow_blank=True, default="", max_length=LONGEST)
    origin = serializers.CharField(
        allow_blank=True,
        default="",
        max_length=300,
        help_text="The origin of your page that calls the operations below, such as https://shop.example; "
        "empty: our own page at `url` does.",
    )
    minutes = serializers.IntegerField(min_value=1, max_value=MOST_MINUTES, default=10)
    return_url = serializers.CharField(
        allow_blank=True, default="", max_length=2000, help_text="Where our page goes on to, with `?capture=ID`."
    )
    file = serializers.BooleanField(
        default=False, help_text="Our page takes a file, too; refused where the policy asks for liveness."
    )


class Outcome(serializers.Serializer[Any]):
    """What came of a capture; which of these there are depends on the verb."""

    decision = serializers.ChoiceField(["match", "no_match", "review", "unknown"], required=False)
    person = serializers.CharField(required=False)
    face = serializers.CharField(required=False, help_text="The face that was enrolled.")
    search = serializers.CharField(required=False, help_text="The search's id.")
    passed = serializers.BooleanField(required=False, help_text="Whether the liveness challenge was.")
    reasons = serializers.ListField(
        child=serializers.ChoiceField([doubt.value for doubt in Doubt]), required=False, help_text="Why it was not."
    )
    refused = serializers.CharField(required=False, help_text="Why nothing was done, such as `duplicate_face`.")


class Capture(serializers.Serializer[Any]):
    """A capture, without its secret."""

    id = serializers.CharField(source="pk")
    verb = serializers.ChoiceField(_VERBS)
    collection_id = serializers.CharField(allow_null=True)
    origin = serializers.CharField()
    file = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    state = serializers.ChoiceField(["waiting", "in_use", "done", "expired"])
    outcome = Outcome(allow_null=True)


class IssuedCaptureToken(Capture):
    """A new capture; only this answer has its token. `url` is our own page's address, if the token is for that."""

    token = serializers.CharField()
    url = serializers.CharField(allow_null=True)

    def to_representation(self, issued: IssuedCapture) -> dict[str, Any]:
        """Add the token to the capture."""
        return {**Capture(issued.capture).data, "token": issued.token, "url": page_of(issued) or None}


@example({"image": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."})
class Look(serializers.Serializer[Any]):
    """POST …/guidance: a small picture, 640 pixels wide or so, not mirrored."""

    image = Image()


class Guided(serializers.Serializer[Any]):
    """How the next picture would be better. The other two are null without one face."""

    hint = serializers.ChoiceField([hint.value for hint in Hint])
    yaw = serializers.FloatField(allow_null=True, help_text="Degrees; to the picture's right, the person's left.")
    width = serializers.FloatField(allow_null=True, help_text="The face's width, as a share of the picture's.")


@example({"verb": "verify", "image": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."})
class UseCapture(serializers.Serializer[Any]):
    """POST …/use: the token's own verb, with an image, or for `liveness` the frames that answer the challenge."""

    verb = serializers.ChoiceField(_VERBS)
    image = Image(required=False)
    frames = serializers.ListField(child=Image(), max_length=_FRAMES, required=False)


class Used(serializers.Serializer[Any]):
    """It is done; what came of it, the key's owner is told."""

    id = serializers.CharField(source="pk")
    return_url = serializers.SerializerMethodField()

    def get_return_url(self, capture: CaptureToken) -> str:
        """Where to go on to; empty: nowhere."""
        return return_url(capture)
