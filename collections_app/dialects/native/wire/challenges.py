"""Liveness challenges."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import Image, example
from recognition.results import Doubt, Move

_MOVES = [move.value for move in Move]
_MOST_FRAMES = 3


@example(
    {
        "id": "0b7e2a52-0c39-4a8e-9d1b-1b8f1f2f8c55",
        "moves": ["turn_left", "come_closer"],
        "expires_at": "2026-11-30T09:30:00Z",
    }
)
class Challenge(serializers.Serializer[Any]):
    """What to ask of the person, in this order; left and right are their own."""

    id = serializers.CharField(source="uuid")
    moves = serializers.ListField(child=serializers.ChoiceField(_MOVES))
    expires_at = serializers.DateTimeField()


@example({"id": "0b7e2a52-0c39-4a8e-9d1b-1b8f1f2f8c55", "frames": ["/9j/4AAQSkZJRgABAQEAYABgAAD/2...."] * _MOST_FRAMES})
class Answer(serializers.Serializer[Any]):
    """Pictures of the person: looking straight, then after each move. Not mirrored, with one face each."""

    id = serializers.CharField()
    frames = serializers.ListField(child=Image(), max_length=_MOST_FRAMES)


@example(
    {
        "id": "0b7e2a52-0c39-4a8e-9d1b-1b8f1f2f8c55",
        "moves": ["turn_left", "come_closer"],
        "passed": False,
        "reasons": ["moves_like_a_flat_picture"],
    }
)
class Answered(serializers.Serializer[Any]):
    """Whether the pictures show a live person who moved as asked; if not, `reasons` say why."""

    id = serializers.CharField(source="challenge")
    moves = serializers.ListField(child=serializers.ChoiceField(_MOVES))
    passed = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.ChoiceField([doubt.value for doubt in Doubt]), source="doubts")
