"""Receipts of erasures."""

from typing import Any, Literal

from rest_framework import serializers

from collections_app import models
from collections_app.dialects.native.wire.base import Listing


class Receipt(serializers.Serializer[models.Receipt]):
    """An erasure and, once it is complete, its signed document."""

    id = serializers.CharField(source="uuid")
    kind = serializers.ChoiceField(models.Receipt.Kind.choices)
    subject = serializers.CharField(help_text="The id of the erased object.")
    faces = serializers.IntegerField(source="face_count")
    requested_at = serializers.DateTimeField()
    state = serializers.SerializerMethodField()
    completed_at = serializers.DateTimeField(allow_null=True)
    document = serializers.SerializerMethodField()

    def get_state(self, one: models.Receipt) -> Literal["pending", "complete"]:
        """Whether every copy is deleted."""
        return "complete" if one.completed_at else "pending"

    def get_document(self, one: models.Receipt) -> dict[str, Any] | None:
        """The signed document; `manage.py verify_receipt` checks it."""
        return one.document or None


class Receipts(Listing):
    """The answer to GET /receipts."""

    receipts = Receipt(many=True)
