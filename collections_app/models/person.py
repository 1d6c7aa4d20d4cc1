"""The people of a collection, and the references that must not be enrolled in it."""

from typing import ClassVar

from django.db import models
from django.db.models import CharField, Q
from django.db.models.functions import Cast

from collections_app.models.collection import Collection
from collections_app.models.fields import FoldedField, KeyField
from tenants.scope import TenantOwned, random_id


class Person(TenantOwned):
    """A person in a collection, with one or more faces. `reference` is the caller's own id for the person."""

    class Gender(models.IntegerChoices):
        """As stated by the caller; nothing is inferred from a face."""

        UNKNOWN = 0
        MALE = 1
        FEMALE = 2

    class Listing(models.IntegerChoices):
        """The watch list that the person is on (decision N1)."""

        GENERAL = 0
        AUTHORISED = 1
        UNAUTHORISED = 2

    lacking: int  # faces without a template of the other pack: operations.model_changes.must_come_again
    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="people", db_index=False)
    reference = models.CharField(max_length=255)
    reference_key = KeyField(of="reference")
    reference_folded = FoldedField(of="reference")
    external_id = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    age = models.PositiveSmallIntegerField(null=True, blank=True)
    gender = models.PositiveSmallIntegerField(choices=Gender, default=Gender.UNKNOWN)
    listing = models.PositiveSmallIntegerField(choices=Listing, default=Listing.GENERAL)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """A reference is unique within a collection."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collection", "reference_key"], name="person_reference"),
        ]
        indexes: ClassVar = [  # covers the list of people, also when it is filtered by part of a name
            models.Index(fields=["collection", "created_at", "id", "name", "reference"], name="person_listing"),
            # To list and count those with a reference of the caller's: a person without one has the id in its place.
            models.Index(
                fields=["collection", "id"], condition=~Q(reference=Cast("id", CharField())), name="person_named"
            ),
            models.Index(fields=["collection", "reference_folded"], name="person_in_any_case"),
        ]

    def __str__(self) -> str:
        """Return the name, or else the reference."""
        return self.name or self.reference


class BarredReference(TenantOwned):
    """An entry of a collection's do-not-enrol list: a reference, the caller's own id for a person."""

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="do_not_enrol", db_index=False)
    reference = models.CharField(max_length=255)
    reference_key = KeyField(of="reference")
    reference_folded = FoldedField(of="reference")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """A reference is on a list once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collection", "reference_key"], name="barred_reference"),
        ]
        indexes: ClassVar = [models.Index(fields=["collection", "reference_folded"], name="barred_in_any_case")]

    def __str__(self) -> str:
        """Return the row's id; the reference is the caller's and may be personal."""
        return str(self.pk)
