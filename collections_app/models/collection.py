"""A collection and its policy."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from collections_app.models.fields import KeyField, new_alias
from recognition import packs
from recognition.models import Gallery
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold
from tenants.scope import TenantOwned, random_id

MOST_FACES = 100_000_000  # the highest face limit of a collection
MOST_DAYS = 36_500  # the longest retention; null keeps faces for good


class Collection(TenantOwned):
    """A named set of people's faces, and the policy under which faces enter and are found.

    `false_match_rate`: each calibration sets the similarity threshold by this rate; null: the threshold stays.
    `similarity_threshold`, `review_threshold` and `similarity_floor` are cosines of the collection's pack; the floor is
    the lowest cosine for which callers get a score (null: the threshold). `liveness_threshold` is a score from 0 to 1.
    The row of a deleted collection stays, so that callers learn that it was deleted (decision A12); its name is free.
    """

    hooked = True  # False: the tenant has no active webhook (operations.collections.find)
    bars = True  # False: nobody is on its list of people who may not be enrolled
    exhausted = True  # False: the caller has reached the limit of no face
    changing = True  # False: it has no gallery but the one that searches read (collections_app.galleries)

    class State(models.TextChoices):
        """Whether it can be used."""

        ACTIVE = "active"
        DELETED = "deleted"

    class Duplicates(models.TextChoices):
        """What happens to a new face that matches a face of another person in the collection."""

        ALLOW = "allow"
        REFUSE = "refuse"

    class QualityGate(models.TextChoices):
        """How good a face must be to be enrolled."""

        NONE = "none"
        STANDARD = "standard"
        STRICT = "strict"

    class Scale(models.TextChoices):
        """Whether scores are measured against the collection's own strangers, once there are enough.

        MEASURED: a score also means a rate that they were measured to reach at most, as far as there are enough.
        """

        NORMALISED = "normalised"
        MEASURED = "measured"
        PLAIN = "plain"

    class Images(models.TextChoices):
        """What is kept of an enrolled image, encrypted."""

        NONE = "none"
        CROP = "crop"
        ORIGINAL = "original"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    name = models.CharField(max_length=255)
    name_key = KeyField(of="name")
    description = models.CharField(max_length=1000, blank=True)
    tags = models.JSONField(default=dict, blank=True, help_text="The caller's own labels: texts by name.")
    alias = models.CharField(max_length=16, unique=True, default=new_alias, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    pack = models.CharField(max_length=32, editable=False)
    gallery: models.OneToOneField[Gallery, Gallery] = models.OneToOneField(  # type: ignore[misc]  # null only once its deletion is done
        Gallery, on_delete=models.SET_NULL, null=True, editable=False, related_name="serves"
    )
    similarity_threshold = models.FloatField(validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)])
    false_match_rate = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(FALSE_MATCH_RATES[-1]), MaxValueValidator(1e-2)]
    )
    review_threshold = models.FloatField(null=True, blank=True, help_text="For review from here; null: the threshold.")
    similarity_floor = models.FloatField(null=True, blank=True, help_text="Opens a lower end; null: the threshold.")
    scale = models.CharField(max_length=10, choices=Scale, default=Scale.NORMALISED, db_default=Scale.NORMALISED)
    liveness_on_enrol = models.BooleanField(default=False)
    liveness_on_search = models.BooleanField(default=False)
    liveness_threshold = models.FloatField(default=0.5, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    duplicates = models.CharField(max_length=8, choices=Duplicates, default=Duplicates.ALLOW)
    quality_gate = models.CharField(max_length=8, choices=QualityGate, default=QualityGate.STANDARD)
    images = models.CharField(max_length=8, choices=Images, default=Images.NONE)
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)]
    )
    face_limit = models.PositiveIntegerField(
        default=10_000_000, validators=[MinValueValidator(1), MaxValueValidator(MOST_FACES)]
    )
    consent_required = models.BooleanField(default=False, help_text="Refuse an enrolment without a consent reference.")

    class Meta:
        """Active collections of a tenant have different names."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "name_key"], condition=Q(state="active"), name="collection_name_of_tenant"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "name"], name="collection_by_name"),
            models.Index(fields=["tenant", "name_key"], name="collection_by_key"),
        ]

    def __str__(self) -> str:
        """Return its name."""
        return self.name

    def clean(self) -> None:
        """Refuse a threshold below LOWEST, and a floor or line for review that is not between LOWEST and that."""
        lowest, problems = LOWEST.on(packs.get(self.pack).similarity), {}
        if not self.similarity_threshold >= lowest:
            problems["similarity_threshold"] = f"Must be a score of {LOWEST.score:g} at least."
        if self.similarity_floor is not None and not lowest <= self.similarity_floor <= self.similarity_threshold:
            problems["similarity_floor"] = f"Must be a score from {LOWEST.score:g} to the threshold's."
        lowest_told = lowest if self.similarity_floor is None else self.similarity_floor
        if self.review_threshold is not None and not lowest_told <= self.review_threshold <= self.similarity_threshold:
            problems["review_threshold"] = "Must be a score from the floor's to the threshold's."
        if problems:
            raise ValidationError(problems)

    @property
    def threshold(self) -> Threshold:
        """The score that a match must reach."""
        return packs.get(self.pack).similarity.threshold(self.similarity_threshold)

    @property
    def review(self) -> Threshold | None:
        """The score from which a face is for review, if the policy sets one below the threshold."""
        cosine = self.review_threshold
        return None if cosine is None else packs.get(self.pack).similarity.threshold(cosine)

    @property
    def floor(self) -> Threshold | None:
        """The lowest score that callers get, if the policy sets a floor below the threshold."""
        cosine = self.similarity_floor
        return None if cosine is None else packs.get(self.pack).similarity.threshold(cosine)
