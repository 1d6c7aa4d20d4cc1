"""Do-not-enrol lists."""

from typing import Any

from rest_framework import serializers

from collections_app import models
from collections_app.dialects.native.wire.base import Listing
from collections_app.dialects.openapi import Identifier, example


@example({"reference": "EMP/2024/001"})
class NewBarredReference(serializers.Serializer[Any]):
    """POST …/do-not-enrol."""

    reference = Identifier(help_text="Your own id for the person.")


class BarredReference(serializers.Serializer[models.BarredReference]):
    """A reference on the list, and since when."""

    reference = serializers.CharField()
    created_at = serializers.DateTimeField()


class DoNotEnrol(Listing):
    """The answer to GET …/do-not-enrol."""

    references = BarredReference(many=True)
