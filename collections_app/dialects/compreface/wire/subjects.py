"""Subjects: the people of a collection by their names."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.compreface.wire.base import Subject
from collections_app.dialects.openapi import example

_LONGEST = 50
_FORBIDDEN = frozenset(";/\\")


@extend_schema_field({"type": "string", "minLength": 1, "maxLength": _LONGEST, "pattern": r"^[^;/\\]*$"})
class NewName(Subject):
    """The name of a new subject, or a new name: 1 to 50 characters without ;, / and the backslash."""

    default_error_messages = {
        "blank": "Subject name cannot be empty",
        "size": f"Subject name size must be between 1 and {_LONGEST}",
        "characters": "The name cannot contain the following special characters: ';', '/', '\\'",
    }

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the name; a missing one counts as blank."""
        name = super().run_validation("" if data is serializers.empty or data is None else data)
        if len(name) > _LONGEST:
            self.fail("size")
        if _FORBIDDEN & set(name):
            self.fail("characters")
        return name


@example({"subject": "Marie Curie"})
class Name(serializers.Serializer[Any]):
    """POST and PUT /recognition/subjects: a name."""

    subject = NewName()


@example({"subject": "Marie Curie"})
class Named(serializers.Serializer[Any]):
    """The answer to POST and DELETE: the subject."""

    subject = serializers.CharField()


@example({"subjects": ["Marie Curie", "Lise Meitner"]})
class Subjects(serializers.Serializer[Any]):
    """The answer to GET /recognition/subjects."""

    subjects = serializers.ListField(child=serializers.CharField())


@example({"updated": True})
class Updated(serializers.Serializer[Any]):
    """The answer to PUT."""

    updated = serializers.BooleanField()


@example({"deleted": 2})
class Deleted(serializers.Serializer[Any]):
    """The answer to a deletion of several: how many there were."""

    deleted = serializers.IntegerField()
