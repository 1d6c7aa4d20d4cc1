"""Records of requests and of the work behind them: searches, erasures, keyed requests, health reports."""

from typing import ClassVar

from django.db import models

from collections_app.models.collection import Collection
from collections_app.models.fields import new_uuid
from recognition import packs
from recognition.similarity import Threshold
from tenants.scope import TenantOwned, random_id


class SearchRecord(TenantOwned):
    """One search: the caller, the threshold and the result. The probe is never stored.

    `candidates` are the UUIDs and cosines of the best faces, above and below the threshold, best first. They were
    normalised by this version of the `calibration`; null: they are plain.
    """

    class Outcome(models.TextChoices):
        """The result."""

        MATCH = "match"
        REVIEW = "review"
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
    calibration = models.PositiveIntegerField(null=True)
    gallery_size = models.PositiveBigIntegerField()
    milliseconds = models.FloatField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        """Indexes by time, by actor and best face, and by collection."""

        indexes: ClassVar = [
            models.Index(fields=["tenant", "at", "id", "outcome", "milliseconds"], name="search_by_time"),
            models.Index(fields=["actor_id", "best", "at"], name="search_by_actor_and_face"),
            models.Index(fields=["collection", "at"], name="search_by_collection"),
        ]

    def __str__(self) -> str:
        """Return its UUID."""
        return self.uuid

    @property
    def applied(self) -> Threshold:
        """The score that a match had to reach."""
        return packs.get(self.pack).similarity.threshold(self.threshold)


class Receipt(TenantOwned):
    """An erasure: what is erased, what is left of it, and, once nothing is left, the signed document.

    `faces`, `files` and `segments` list what must be gone; they are emptied on completion. `searches` counts the
    searches for erased faces afterwards, `found_again` how many erased faces they found. The document holds ids and
    counts only.
    """

    class Kind(models.TextChoices):
        """What is erased."""

        FACE = "face"
        PERSON = "person"
        COLLECTION = "collection"
        TENANT = "tenant"
        RETENTION = "retention"
        TEMPLATES = "templates"

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
        """Indexes for the list of receipts and for the open ones."""

        indexes: ClassVar = [
            models.Index(fields=["tenant", "requested_at"], name="receipt_by_time"),
            models.Index(fields=["completed_at"], name="receipt_completed"),
        ]

    def __str__(self) -> str:
        """Return its UUID."""
        return self.uuid


class KeyedRequest(TenantOwned):
    """A request with an Idempotency-Key: its fingerprint, the process that works on it, and its sealed answer.

    The answer is deleted with each face that it describes (AnsweredFace).
    """

    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claim = models.CharField(max_length=36, default=new_uuid)
    claimed_at = models.DateTimeField(auto_now_add=True)
    answer = models.BinaryField(null=True)

    class Meta:
        """A key is unique within a tenant; old requests are found by time."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "key"], name="keyed_request")]
        indexes: ClassVar = [models.Index(fields=["claimed_at"], name="keyed_request_by_time")]

    def __str__(self) -> str:
        """Return the row's id; the key is the caller's."""
        return str(self.pk)


class LivenessChallenge(TenantOwned):
    """Moves that a caller (`asked_by`) had a person asked for; answered once, before it expires."""

    uuid = models.CharField(max_length=36, unique=True, default=new_uuid, editable=False)
    moves = models.JSONField()
    asked_by = models.CharField(max_length=80)
    expires_at = models.DateTimeField(db_index=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        """A caller's open challenges are counted."""

        indexes: ClassVar = [models.Index(fields=["asked_by", "expires_at"], name="challenge_by_caller")]

    def __str__(self) -> str:
        """Return its UUID."""
        return self.uuid


class SeenFrame(TenantOwned):
    """The digest of a picture that answered a challenge: it answers no other. Nothing else of the picture is kept."""

    digest = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        """A tenant's digests are unique."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "digest"], name="seen_frame")]

    def __str__(self) -> str:
        """Return the digest."""
        return self.digest


class JudgedMatch(TenantOwned):
    """What a member said of a match: that it was right or wrong. Neither the search's row nor the face's must exist.

    `cosine` is the match's by the search's `pack`, on the scale that the search used.
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="judged_matches", db_index=False)
    search_uuid = models.CharField(max_length=36)
    face_id = models.BigIntegerField(db_index=True)
    at = models.DateTimeField(auto_now_add=True)
    pack = models.CharField(max_length=32, default="")
    cosine = models.FloatField()
    right = models.BooleanField()

    class Meta:
        """A match is judged once; counted by collection."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "search_uuid", "face_id"], name="match_judged_once")
        ]
        indexes: ClassVar = [models.Index(fields=["collection", "right", "cosine"], name="judged_match_by_cosine")]

    def __str__(self) -> str:
        """Return the search and the judgement."""
        return f"{self.search_uuid} {'right' if self.right else 'wrong'}"


class AnsweredFace(TenantOwned):
    """A face that a kept answer describes. Its id is no foreign key, so that an erasure can count what is left."""

    request = models.ForeignKey(KeyedRequest, on_delete=models.CASCADE, related_name="+")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+")
    face_id = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        """Return the face's id."""
        return str(self.face_id)


class HealthReport(TenantOwned):
    """The result of comparing a collection's templates with one another: written by a job, shown by the console.

    `findings` is recognition.calibration.pairwise.Findings as JSON, with face ids as text; empty until the job is done.
    """

    class State(models.TextChoices):
        """How far the job is."""

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
        """Return its collection and state."""
        return f"{self.collection_id} {self.state}"
