"""People and their details."""

from typing import Any

from django.db.models import IntegerChoices
from rest_framework import serializers

from collections_app import models
from collections_app.dialects.native.wire.base import LONGEST, Listing
from collections_app.dialects.openapi import Identifier, Text, example
from collections_app.operations.data_subject import PersonDetails


class Named(serializers.ChoiceField):
    """One of the model's choices, by its name in lower case."""

    def __init__(self, kind: type[IntegerChoices], **more: Any) -> None:
        """Allow the names."""
        self._kind = kind
        super().__init__([name.lower() for name in kind.names], **more)

    def to_internal_value(self, data: Any) -> Any:
        """Return the value of the name."""
        return self._kind[super().to_internal_value(data).upper()].value

    def to_representation(self, value: Any) -> str:
        """Return the name of the value."""
        return self._kind(value).name.lower()


@example({"name": "Jacinda Ardern", "listing": "authorised"})
class ChangedPerson(serializers.Serializer[Any]):
    """PATCH …/people/{person}: omitted fields stay unchanged, and so does the reference."""

    external_id = Text(required=False, allow_blank=True)
    name = Text(required=False, allow_blank=True)
    age = serializers.IntegerField(required=False, min_value=0, max_value=150)
    gender = Named(models.Person.Gender, required=False)
    listing = Named(models.Person.Listing, required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values as PersonDetails."""
        return {"details": PersonDetails(**attrs)}


class PersonFields(ChangedPerson):
    """The person of an enrolment; omitted fields of a known person stay unchanged."""

    reference = Identifier(required=False, help_text="Your own id for the person.")


class Correction(serializers.Serializer[Any]):
    """The reason of a correction, for the audit log."""

    reason = serializers.CharField(allow_blank=True, default="", max_length=LONGEST)


@example({"other": "7046029254386353131"})
class Merge(Correction):
    """POST …/people/{person}/merge."""

    other = serializers.CharField(max_length=LONGEST)


@example({"faces": ["87db50d4-f2c6-b8ea-05ed-9f201309fd92"], "reason": "two people"})
class MovedFaces(Correction):
    """POST …/people/{person}/faces."""

    faces = serializers.ListField(child=serializers.CharField(max_length=LONGEST), allow_empty=False, max_length=1000)


@example({"faces": ["87db50d4-f2c6-b8ea-05ed-9f201309fd92"], "name": "B. Obama"})
class Split(MovedFaces):
    """POST …/people."""

    name = Text(allow_blank=True, default="")


class Person(serializers.Serializer[models.Person]):
    """A person."""

    id = serializers.CharField(source="pk")
    reference = serializers.CharField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    age = serializers.IntegerField(allow_null=True)
    note = serializers.CharField()
    created_at = serializers.DateTimeField()
    gender = Named(models.Person.Gender)
    listing = Named(models.Person.Listing)


class People(Listing):
    """The answer to GET …/people."""

    people = Person(many=True)
