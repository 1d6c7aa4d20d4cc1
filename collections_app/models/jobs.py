"""Bulk jobs: long work on many items, cut into units that any worker may do."""

from typing import ClassVar

from django.db import models

from collections_app.models.collection import Collection
from collections_app.models.fields import new_uuid
from tenants.scope import TenantOwned, random_id


class BulkJob(TenantOwned):
    """A job that is cut into units: what it is to do, for whom, and how far it is.

    It first receives files (`stage` "receive"), then is planned into units ("plan"), worked on ("work") and finished
    ("finish"). Planning and finishing are done by the one worker that holds the job's lease; units have leases of their
    own. `options` hold no personal data. `sealed_key` is the key of the job's files and units, sealed by the vault, so
    that a new data key means one row. `actor_*`, `scopes` and `reach` are those of the caller who asked.
    """

    class Kind(models.TextChoices):
        """The kind of work."""

        EXPORT = "export"
        IMPORT = "import"
        REEMBED = "reembed"

    class State(models.TextChoices):
        """The state; waiting: for files or for the first worker."""

        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Stage(models.TextChoices):
        """What is done while it is not over."""

        RECEIVE = "receive"
        PLAN = "plan"
        WORK = "work"
        FINISH = "finish"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, null=True, related_name="jobs")
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    stage = models.CharField(max_length=8, choices=Stage, default=Stage.RECEIVE)
    options = models.JSONField(default=dict)
    sealed_key = models.BinaryField()
    total = models.PositiveIntegerField(null=True)
    done_before = models.PositiveIntegerField(default=0, help_text="Units that were done when it was last started.")
    created_at = models.DateTimeField(auto_now_add=True)
    began_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=255, blank=True)
    claim = models.CharField(max_length=36, blank=True)
    leased_until = models.DateTimeField(null=True)
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)
    scopes = models.JSONField(default=list)
    reach = models.JSONField(null=True)

    class Meta:
        """Indexes for the list of jobs and for the workers."""

        indexes: ClassVar = [
            models.Index(fields=["tenant", "created_at", "id"], name="job_by_time"),
            models.Index(fields=["state", "stage"], name="job_by_state"),
        ]

    def __str__(self) -> str:
        """Return its kind and id."""
        return f"{self.kind}-{self.pk}"


class JobUnit(TenantOwned):
    """One item of a job: idempotent, done by whoever holds its lease.

    `payload` says what is to be done and `result` what came of it, as JSON sealed with the job's key. `outcome` is
    empty while it is open. `claim` is the token of the worker that has it until `leased_until`: a worker that lost its
    lease cannot settle the unit. `face_id` is the enrolled face; no foreign key, so that an erasure can count what is
    left. An erasure empties payload and result.
    """

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="units", db_index=False)
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=8, blank=True)
    payload = models.BinaryField()
    result = models.BinaryField(null=True)
    face_id = models.BigIntegerField(null=True, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.CharField(max_length=36, blank=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        """Numbers are unique within a job; units are counted by their outcome, and the open ones taken in order."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "number"], name="job_unit")]
        indexes: ClassVar = [
            models.Index(fields=["job", "outcome", "number"], name="job_unit_by_outcome"),
            models.Index(fields=["job", "leased_until"], name="job_unit_by_lease"),
        ]

    def __str__(self) -> str:
        """Return its job and number."""
        return f"{self.job_id}/{self.number}"


class JobFile(TenantOwned):
    """A sealed file of a job: what it received, or what it made. Its bytes are in the storage, in pieces.

    `size` counts the bytes that are there; `complete` once there will be no more. A file that is `given` was received,
    or is a bundle to be fetched, and is removed some time after the job is over.
    """

    uuid = models.CharField(max_length=36, unique=True, default=new_uuid, editable=False)
    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="files", db_index=False)
    name = models.CharField(max_length=64)
    given = models.BooleanField(default=False)
    size = models.PositiveBigIntegerField(default=0)
    complete = models.BooleanField(default=False)

    class Meta:
        """Names are unique within a job."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "name"], name="job_file")]

    def __str__(self) -> str:
        """Return its job and name."""
        return f"{self.job_id}/{self.name}"
