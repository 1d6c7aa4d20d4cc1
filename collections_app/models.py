"""Collections with their policy, the people and faces in them, and the record of searches."""

import secrets
import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from collections_app import identifiers
from recognition import packs
from recognition.results import Box, Pose, Quality
from recognition.similarity import LOWEST, Threshold
from tenants.scope import TenantOwned, random_id


def new_uuid() -> str:
    """Return a random UUID in its text form, so that a list can be filtered by a part of it."""
    return str(uuid.uuid4())


def new_alias() -> str:
    """Return 16 random hex digits (decision N6: unguessable and unique over all tenants)."""
    return secrets.token_hex(8)


class KeyField(models.CharField):  # type: ignore[type-arg]  # generic to the type checker only
    """What the identifier in another field is compared by, kept beside it (collections_app.identifiers)."""

    def __init__(self, *args: Any, of: str = "", **kwargs: Any) -> None:  # noqa: ANN401 -- a field's
        """Keep whose key it is."""
        self._of = of
        super().__init__(*args, **{"max_length": identifiers.LONGEST, "editable": False, "default": "", **kwargs})

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: FBT001 -- Django's signature
        """Make the key, unless the row has one that is its own."""
        text, key = getattr(model_instance, self._of), getattr(model_instance, self.attname)
        if key not in identifiers.keys(text):
            key = identifiers.comparison_key(text)
            setattr(model_instance, self.attname, key)
        return str(key)

    def deconstruct(self) -> Any:  # noqa: ANN401 -- Django's signature
        """Be a plain column to migrations."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


MOST_FACES = 100_000_000  # that a collection may be let grow to
MOST_DAYS = 36_500  # that a face may be kept for at most, if not for good


class Collection(TenantOwned):
    """A named set of people's faces, and the policy under which faces enter and are found.

    The similarity threshold is a cosine of the collection's pack, and so is the floor, the lower end from which on
    callers may be told a score (null: the threshold); the liveness threshold is a score of 0 to 1.
    A deleted collection keeps its row, so that callers learn that it was (decision A12); its name is free again.
    """

    class State(models.TextChoices):
        """Whether it answers."""

        ACTIVE = "active"
        DELETED = "deleted"

    class Duplicates(models.TextChoices):
        """What happens to a face that already is in the collection under another person."""

        ALLOW = "allow"
        REFUSE = "refuse"

    class QualityGate(models.TextChoices):
        """What an enrolled face must be."""

        NONE = "none"
        STANDARD = "standard"
        STRICT = "strict"

    class Images(models.TextChoices):
        """What is kept of an enrolled image, encrypted."""

        NONE = "none"
        CROP = "crop"
        ORIGINAL = "original"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    name = models.CharField(max_length=255)
    name_key = KeyField(of="name")
    description = models.CharField(max_length=1000, blank=True)
    alias = models.CharField(max_length=16, unique=True, default=new_alias, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    pack = models.CharField(max_length=32, editable=False)
    similarity_threshold = models.FloatField(validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)])
    similarity_floor = models.FloatField(null=True, blank=True, help_text="Opens a lower end; null: the threshold.")
    liveness_on_enrol = models.BooleanField(default=False)
    liveness_on_search = models.BooleanField(default=False)
    liveness_threshold = models.FloatField(default=0.5, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    duplicates = models.CharField(max_length=8, choices=Duplicates, default=Duplicates.ALLOW)
    quality_gate = models.CharField(max_length=8, choices=QualityGate, default=QualityGate.NONE)
    images = models.CharField(max_length=8, choices=Images, default=Images.NONE)
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)]
    )
    face_limit = models.PositiveIntegerField(
        default=10_000_000, validators=[MinValueValidator(1), MaxValueValidator(MOST_FACES)]
    )
    consent_required = models.BooleanField(default=False, help_text="Refuse an enrolment without a consent reference.")

    class Meta:
        """A name is taken by at most one living collection of a tenant."""

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
        """Name it."""
        return self.name

    def clean(self) -> None:
        """Refuse a threshold at which strangers match in numbers, and a lower end that lies beneath or above it."""
        lowest, problems = LOWEST.on(packs.get(self.pack).similarity), {}
        if not self.similarity_threshold >= lowest:
            problems["similarity_threshold"] = f"Must be a score of {LOWEST.score:g} at least."
        if self.similarity_floor is not None and not lowest <= self.similarity_floor <= self.similarity_threshold:
            problems["similarity_floor"] = f"Must be a score from {LOWEST.score:g} to the threshold's."
        if problems:
            raise ValidationError(problems)

    @property
    def threshold(self) -> Threshold:
        """The score that a match has to reach."""
        return packs.get(self.pack).similarity.threshold(self.similarity_threshold)

    @property
    def floor(self) -> Threshold | None:
        """The score from which on callers may be told one, where the policy opens a lower end."""
        cosine = self.similarity_floor
        return None if cosine is None else packs.get(self.pack).similarity.threshold(cosine)


class Person(TenantOwned):
    """Somebody in a collection, with one or more faces. `reference` is the caller's own id for the person."""

    class Gender(models.IntegerChoices):
        """As the caller states it; nothing is inferred from a face."""

        UNKNOWN = 0
        MALE = 1
        FEMALE = 2

    class Listing(models.IntegerChoices):
        """The watch list a person stands on (decision N1)."""

        GENERAL = 0
        AUTHORISED = 1
        UNAUTHORISED = 2

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="people", db_index=False)
    reference = models.CharField(max_length=255)
    reference_key = KeyField(of="reference")
    external_id = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    age = models.PositiveSmallIntegerField(null=True, blank=True)
    gender = models.PositiveSmallIntegerField(choices=Gender, default=Gender.UNKNOWN)
    listing = models.PositiveSmallIntegerField(choices=Listing, default=Listing.GENERAL)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """A reference names one person of a collection."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collection", "reference_key"], name="person_reference"),
        ]
        indexes: ClassVar = [  # a list of people is read from its index alone, whatever part of a name is looked for
            models.Index(fields=["collection", "created_at", "id", "name", "reference"], name="person_listing"),
        ]

    def __str__(self) -> str:
        """Name the person."""
        return self.name or self.reference


class BarredReference(TenantOwned):
    """Somebody who is not to be enrolled in a collection, by the caller's own id for the person."""

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="do_not_enrol", db_index=False)
    reference = models.CharField(max_length=255)
    reference_key = KeyField(of="reference")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """A reference is on a list once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collection", "reference_key"], name="barred_reference"),
        ]

    def __str__(self) -> str:
        """Name its row; the reference is the caller's."""
        return str(self.pk)


class Face(TenantOwned):
    """One enrolled face: where it was in which image, and what the pipeline said of it. The template is recognition's.

    The box is in pixels of the upright image of `image_width` x `image_height`. `image` is shared by the faces of one
    enrolled image. `number` counts enrolments of the collection: a list by number is a list by time, without ties.
    `stored_frame` is the part of the upright image that the kept file shows: left, top, width, height.
    """

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    uuid = models.CharField(max_length=36, unique=True, default=new_uuid, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="faces", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="faces", db_index=False)
    number = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    image = models.CharField(max_length=36)
    label = models.CharField(max_length=255, blank=True)
    image_width = models.PositiveIntegerField()
    image_height = models.PositiveIntegerField()
    box_x = models.FloatField()
    box_y = models.FloatField()
    box_width = models.FloatField()
    box_height = models.FloatField()
    landmarks = models.JSONField()
    confidence = models.FloatField()
    yaw = models.FloatField()
    pitch = models.FloatField()
    roll = models.FloatField()
    sharpness = models.FloatField()
    brightness = models.FloatField()
    quality_reasons = models.JSONField(default=list)
    liveness = models.FloatField(null=True)

    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    via = models.CharField(max_length=16)
    stored_image = models.CharField(max_length=255, blank=True)
    consent = models.CharField(max_length=255, blank=True, help_text="The caller's reference to the person's consent.")
    stored_frame = models.JSONField(default=list)

    class Meta:
        """Listed newest first within its collection."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["collection", "number"], name="face_number")]
        # None begins with the tenant: SQLite would take it, and read all faces of the tenant to find five by their ids.
        indexes: ClassVar = [
            models.Index(fields=["collection", "created_at"], name="face_by_time"),
            models.Index(fields=["person", "number"], name="face_of_person"),
            models.Index(fields=["stored_image"], name="face_by_file"),
            # Whatever a list is narrowed by is read from this index alone, in the list's own order.
            models.Index(
                fields=[
                    "collection",
                    "number",
                    "created_at",
                    "person",
                    "via",
                    "actor_id",
                    "liveness",
                    "quality_reasons",
                ],
                name="face_listing",
            ),
        ]

    def __str__(self) -> str:
        """Name it by its uuid."""
        return self.uuid

    @property
    def box(self) -> Box:
        """Where it was."""
        return Box(self.box_x, self.box_y, self.box_width, self.box_height)

    @property
    def pose(self) -> Pose:
        """Which way it looked."""
        return Pose(self.yaw, self.pitch, self.roll)

    @property
    def quality(self) -> Quality:
        """How well it showed, and what the standard gate has to say of it."""
        return Quality(self.sharpness, self.brightness, self.box.side, tuple(self.quality_reasons))


class SearchRecord(TenantOwned):
    """One search: who asked, what was compared with which threshold, and what was answered. Never the probe itself.

    `candidates` are the best faces with their cosines, over and under the threshold, best first.
    """

    class Outcome(models.TextChoices):
        """How it ended."""

        MATCH = "match"
        NO_MATCH = "no_match"
        SPOOF = "spoof"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    uuid = models.CharField(max_length=36, unique=True, default=new_uuid, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="searches", db_index=False)
    at = models.DateTimeField(auto_now_add=True)
    request_name = models.CharField(max_length=255, blank=True)
    threshold = models.FloatField()
    outcome = models.CharField(max_length=8, choices=Outcome)
    best = models.CharField(max_length=36, blank=True, help_text="The best candidate's face.")
    candidates = models.JSONField(default=list)
    liveness = models.FloatField(null=True)
    pack = models.CharField(max_length=32)
    gallery_size = models.PositiveBigIntegerField()
    milliseconds = models.FloatField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        """Read by time."""

        indexes: ClassVar = [
            models.Index(fields=["tenant", "at", "id", "outcome", "milliseconds"], name="search_by_time"),
            models.Index(fields=["actor_id", "best", "at"], name="search_by_actor_and_face"),
            models.Index(fields=["collection", "at"], name="search_by_collection"),
        ]

    def __str__(self) -> str:
        """Name it by its uuid."""
        return self.uuid

    @property
    def applied(self) -> Threshold:
        """The score that a match had to reach."""
        return packs.get(self.pack).similarity.threshold(self.threshold)


class NearMatch(TenantOwned):
    """An answer about a face that a stranger's picture could have had (collections_app.operations.budget).

    `cost` is in tenths of a match; `spent` sums the actor's up about this face, this one included; `beside` is the best
    match of the answer where that looked like its owner. Kept for a window and no longer than the face.
    """

    KEPT = timedelta(days=30)

    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="near_matches", db_index=False)
    actor_id = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)
    cosine = models.FloatField()
    cost = models.PositiveSmallIntegerField()
    spent = models.PositiveIntegerField()
    beside = models.BigIntegerField(null=True)

    class Meta:
        """Summed up by face; who was told too much is found by actor; the old ones by time."""

        indexes: ClassVar = [
            models.Index(fields=["face", "at", "cost", "actor_id"], name="near_match_of_face"),
            models.Index(fields=["actor_id", "spent", "at"], name="near_match_by_actor"),
            models.Index(fields=["at"], name="near_match_by_time"),
        ]

    def __str__(self) -> str:
        """Name its row."""
        return str(self.pk)


class Receipt(TenantOwned):
    """An erasure: what was asked to go, what is known of what is left, and, once nothing is, the signed document.

    `faces`, `files` and `segments` name what has to be gone until it is; the document holds ids and counts only.
    """

    class Kind(models.TextChoices):
        """What is erased."""

        FACE = "face"
        PERSON = "person"
        COLLECTION = "collection"
        TENANT = "tenant"
        RETENTION = "retention"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    uuid = models.CharField(max_length=36, unique=True, default=new_uuid, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.SET_NULL, null=True, related_name="receipts")
    kind = models.CharField(max_length=12, choices=Kind)
    subject = models.CharField(max_length=64)
    requested_at = models.DateTimeField(auto_now_add=True)
    requested_by = models.CharField(max_length=80)
    request_id = models.CharField(max_length=64, blank=True)
    face_count = models.PositiveBigIntegerField(default=0)
    faces = models.JSONField(default=list)
    files = models.JSONField(default=list)
    segments = models.JSONField(default=list)
    searches = models.PositiveIntegerField(default=0)
    found_again = models.PositiveIntegerField(default=0)
    completed_at = models.DateTimeField(null=True)
    document = models.JSONField(default=dict)

    class Meta:
        """Listed newest first; the unfinished are found by time."""

        indexes: ClassVar = [
            models.Index(fields=["tenant", "requested_at"], name="receipt_by_time"),
            models.Index(fields=["completed_at"], name="receipt_completed"),
        ]

    def __str__(self) -> str:
        """Name it by its uuid."""
        return self.uuid


class KeyedRequest(TenantOwned):
    """A request that came with an Idempotency-Key: what it was, whose turn it is, and its answer, sealed.

    The answer tells of the face that it enrolled, and goes with it.
    """

    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claim = models.CharField(max_length=36, default=new_uuid)
    claimed_at = models.DateTimeField(auto_now_add=True)
    answer = models.BinaryField(null=True)
    face = models.ForeignKey(Face, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        """A key names one request of a tenant; the old ones are found by time."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "key"], name="keyed_request")]
        indexes: ClassVar = [models.Index(fields=["claimed_at"], name="keyed_request_by_time")]

    def __str__(self) -> str:
        """Name its row; the key is the caller's."""
        return str(self.pk)


class HealthReport(TenantOwned):
    """What a look at all of a collection's templates found: made by a job, read by the console.

    `findings` is the plain form of recognition.calibration.pairwise.Findings, with face ids as text; empty until it is
    done.
    """

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="health_reports")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    began_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    findings = models.JSONField(default=dict)

    def __str__(self) -> str:
        """Name its state."""
        return f"{self.collection_id} {self.state}"
