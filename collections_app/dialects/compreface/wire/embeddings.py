"""Embeddings that a caller sends instead of images."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.compreface.wire.base import Component, similarity
from collections_app.dialects.compreface.wire.images import Prediction, PredictionCount
from collections_app.dialects.openapi import example
from collections_app.operations.vectors import VectorSearch

_SHORT = [0.0627421774604647, -0.0236684433507126]
_LIKE = {"result": [{"embedding": _SHORT, "similarity": 0.97}]}


def _vector() -> serializers.ListField:
    return serializers.ListField(child=Component(), allow_empty=False)


@example({"embeddings": [_SHORT]})
class Embeddings(serializers.Serializer[Any]):
    """A body with embeddings; each has the dimension of the collection's model pack."""

    embeddings = serializers.ListField(child=_vector(), allow_empty=False)


class Recognise(Embeddings, PredictionCount):
    """POST /recognition/embeddings/recognize: query and body."""


@example({"source": _SHORT, "targets": [_SHORT]})
class Compare(serializers.Serializer[Any]):
    """POST /verification/embeddings/verify."""

    source = _vector()  # type: ignore[assignment]
    targets = serializers.ListField(child=_vector(), allow_empty=False)


class RecognisedVector(serializers.Serializer[Any]):
    """An embedding, and whose it may be: one entry for each example, best first."""

    embedding = serializers.ListField(child=serializers.FloatField())
    similarities = Prediction(many=True)


@example({"result": [{"embedding": _SHORT, "similarities": [{"similarity": 0.97, "subject": "Marie Curie"}]}]})
class RecognisedVectors(serializers.Serializer[Any]):
    """The answer to POST /recognition/embeddings/recognize."""

    result = RecognisedVector(many=True)

    def to_representation(self, found: VectorSearch) -> Any:
        """Render each embedding with its matches."""
        result = [
            {
                "embedding": sent,
                "similarities": [
                    {"similarity": similarity(match.score), "subject": match.face.person.reference} for match in matches
                ],
            }
            for sent, matches in zip(self.context["sent"], found.matches, strict=True)
        ]
        return super().to_representation({"result": result})


class Like(serializers.Serializer[Any]):
    """An embedding, and how similar it is."""

    embedding = serializers.ListField(child=serializers.FloatField())
    similarity = serializers.FloatField(min_value=0, max_value=1)


@example(_LIKE)
class ComparedVectors(serializers.Serializer[Any]):
    """The answer to a comparison of embeddings, most similar first."""

    result = Like(many=True)

    def to_representation(self, scores: Any) -> Any:
        """Render each embedding with its similarity."""
        pairs = zip(self.context["sent"], map(similarity, scores), strict=True)
        result = [{"embedding": sent, "similarity": like} for sent, like in pairs]
        return super().to_representation({"result": sorted(result, key=lambda one: -one["similarity"])})
