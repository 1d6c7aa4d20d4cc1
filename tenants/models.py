"""The tables of this app: tenants, members, keys, limits, usage, vault, audit log, background work, webhooks.

One file although it is longer than 300 lines: small models without logic, which readers want to see side by side.
"""

from collections.abc import Iterator
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin, TimestampMixin

from tenants.scope import TenantOwned, random_id


class Tenant(models.Model):
    """One customer: the owner of collections, keys and members."""

    class State(models.TextChoices):
        """Only an active tenant's callers are answered."""

        ACTIVE = "active"
        SUSPENDED = "suspended"
        ERASED = "erased"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    profiles = models.JSONField(
        default=dict,
        blank=True,
        help_text="The version of each dialect's contract that applies to the tenant, by dialect.",
    )
    face_quota = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The largest number of faces; empty: no limit."
    )
    collection_quota = models.PositiveIntegerField(
        null=True, blank=True, help_text="The largest number of collections; empty: no limit."
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of all keys together; empty: no limit."
    )
    calls_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of all keys together, on a UTC day; empty: no limit."
    )

    def __str__(self) -> str:
        """Return the slug."""
        return self.slug

    def lock(self) -> None:
        """Lock the tenant's row until the transaction ends, for tenant-wide counts; take it after a gallery's lock."""
        Tenant.objects.select_for_update(no_key=True).get(pk=self.pk)


class Member(TenantOwned):
    """A person's membership in a tenant."""

    class Role(models.TextChoices):
        """What a member may do; tenants.access maps each role to scopes."""

        OWNER = "owner"
        ADMIN = "admin"
        OPERATOR = "operator"
        AUDITOR = "auditor"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    time_zone = models.CharField(max_length=64, default="UTC", help_text="In which the console shows times.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One membership per person and tenant."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "user"], name="member_once")]

    def __str__(self) -> str:
        """Return the person and the role."""
        return f"{self.user} ({self.role})"


class Authenticator(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]  # untyped
    """A person's authenticator app (tenants.authenticators). A master key wraps its seed: people belong to no tenant.

    `last_t` is the time step of the last accepted code, so that a code works once; `drift` is how many steps its clock
    is off.
    """

    wrapped_seed = models.BinaryField(editable=False)
    drift = models.SmallIntegerField(default=0)
    last_t = models.BigIntegerField(default=-1)

    def get_throttle_factor(self) -> int:
        """Make the wait after each wrong code 1, 2, 4, 8, ... seconds."""
        return 1


class RecoveryCode(models.Model):
    """A code that replaces an authenticator's once, by its SHA-256 (tenants.authenticators); it is of no tenant."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes")
    secret_hash = models.BinaryField(max_length=32, unique=True)

    def __str__(self) -> str:
        """Return the row's id."""
        return str(self.pk)


class ProvidedAccount(models.Model):
    """Whose account at an OpenID Connect provider an account here is; it is of no tenant."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provided")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)

    class Meta:
        """One account per person; a subject is the issuer's own."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["issuer", "subject"], name="provided_once")]

    def __str__(self) -> str:
        """Return the issuer and its subject."""
        return f"{self.issuer} {self.subject}"


class SignIn(models.Model):
    """A session of a person, for their list of sessions: its row's key (tenants.sessions), and where it began."""

    session = models.CharField(primary_key=True, max_length=40)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    at = models.DateTimeField(auto_now_add=True)
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        """Return the person and the time."""
        return f"{self.user_id} {self.at}"


class Invitation(TenantOwned):
    """An invitation to become a member, accepted by a link. Only the SHA-256 of the link's secret is stored.

    It is deleted with its inviter (null: the platform), and unusable while the inviter lacks the permission to invite
    (tenants.access).
    """

    inviter = models.ForeignKey(Member, on_delete=models.CASCADE, null=True, related_name="+")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Member.Role)
    secret_hash = models.BinaryField(max_length=32, unique=True)
    invited_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        """Listed by tenant."""

        indexes: ClassVar = [models.Index(fields=["tenant", "created_at"], name="invitation_by_time")]

    def __str__(self) -> str:
        """Return the invited address."""
        return self.email


class ApiKey(TenantOwned):
    """A credential for programs. Only the SHA-256 of its secret is stored (tenants.keys).

    A key whose clients sign with the secret has no SHA-256, so that nobody can enter with the secret itself; its
    secrets are KeptSecrets.

    `previous` lists secrets from before rotations that are still accepted: [SHA-256 in hexadecimal, ISO 8601 time until
    which it is]. `parent` is the key that issued this one: its limits count this one's calls too.
    """

    GENERATIONS: ClassVar[int] = 4
    ANCESTORS: ClassVar[str] = "parent__parent__parent"  # GENERATIONS - 1 of them, so that one query fetches all

    id = models.CharField(primary_key=True, max_length=24, editable=False)
    name = models.CharField(max_length=100)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = models.JSONField(default=list)
    previous = models.JSONField(default=list, editable=False)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, editable=False, related_name="issued")
    collections = models.JSONField(
        null=True, blank=True, help_text="Ids of the collections that the key may use; null: all."
    )
    networks = models.JSONField(
        default=list, blank=True, help_text="Networks from which the key may be used; empty: any."
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    calls_per_day = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Exact to half a minute.")

    class Meta:
        """Listed by tenant."""

        indexes: ClassVar = [models.Index(fields=["tenant", "created_at"])]

    def __str__(self) -> str:
        """Return name and id, never the secret."""
        return f"{self.name} ({self.id})"

    @property
    def signs(self) -> bool:
        """Whether its clients sign requests with the secret instead of sending it."""
        return not self.secret_hash

    def lineage(self) -> Iterator["ApiKey"]:
        """Yield the key, the key that issued it, and so on."""
        key: ApiKey | None = self
        while key is not None:
            yield key
            key = key.parent


class OperatorKey(models.Model):
    """A credential for the operator's programs, which manage tenants (tenants.operators). It belongs to no tenant."""

    id = models.CharField(primary_key=True, max_length=24, editable=False)
    name = models.CharField(max_length=100)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = models.JSONField(default=list)
    networks = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        """Return name and id, never the secret."""
        return f"{self.name} ({self.id})"


class KeptSecret(TenantOwned):
    """A secret of a key whose clients sign with it instead of sending it, sealed by the tenant's vault (tenants.keys).

    `until`: a rotation replaced it, and it is accepted until then; null: the key's present secret.
    """

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="kept_secrets")
    sealed = models.BinaryField()
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the id."""
        return str(self.pk)


class CaptureToken(TenantOwned):
    """A right to do one thing once from a browser, given by a key or a member (tenants.captures).

    Only the SHA-256 of its secret is stored, and that of the cookie of the browser that used it first, for our own
    page. `reference` and `consent` are of the person, and are emptied when it was used; `outcome` then holds ids only.
    """

    id = models.CharField(primary_key=True, max_length=24, editable=False)
    secret_hash = models.BinaryField(max_length=32)
    browser_hash = models.BinaryField(max_length=32, default=b"")
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    verb = models.CharField(max_length=8)
    collection_id = models.BigIntegerField(null=True)
    reference = models.CharField(max_length=255, blank=True)
    consent = models.CharField(max_length=255, blank=True)
    origin = models.CharField(max_length=300)
    return_url = models.CharField(max_length=2000, blank=True)
    file = models.BooleanField(default=False, help_text="Our page takes a file as well as the camera's picture.")
    looks = models.PositiveSmallIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    challenge = models.CharField(max_length=36, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    outcome = models.JSONField(null=True)

    def __str__(self) -> str:
        """Return the id, never the secret."""
        return self.pk

    @property
    def state(self) -> str:
        """Whether it waits for its use, is in use, is done, or has expired."""
        if self.used_at:
            return "in_use" if self.outcome is None else "done"
        return "expired" if self.expires_at <= timezone.now() else "waiting"


class RateWindow(models.Model):
    """How much of a limit was leased to processes in its current window (tenants.limits)."""

    subject = models.CharField(max_length=64, help_text="What is limited: a key, a tenant, mails to an account.")
    seconds = models.PositiveIntegerField(help_text="The length of a window in seconds.")
    start = models.PositiveBigIntegerField(default=0, help_text="When the current window began, in epoch seconds.")
    taken = models.PositiveBigIntegerField(default=0)

    class Meta:
        """One row per limit."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["subject", "seconds"], name="rate_window_of_subject")]

    def __str__(self) -> str:
        """Return what is limited."""
        return f"{self.subject} in {self.seconds} s"


class UsageDay(TenantOwned):
    """How often an endpoint was called on a UTC day (tenants.usage)."""

    day = models.DateField()
    operation = models.CharField(max_length=120)
    calls = models.PositiveBigIntegerField(default=0)

    class Meta:
        """One row per day and operation."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "day", "operation"], name="usage_of_day"),
        ]

    def __str__(self) -> str:
        """Return what was counted."""
        return f"{self.day} {self.operation}"


class LoggedRequest(TenantOwned):
    """A request with one of the tenant's keys (tenants.request_log). It holds nothing that was sent or answered.

    `code` and `reason` say why it was refused, in its dialect's code; the collection's id is no foreign key, so that
    the log is no part of it.
    """

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    at = models.DateTimeField()
    request_id = models.CharField(max_length=64)
    via = models.CharField(max_length=16)
    operation = models.CharField(max_length=120)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    key = models.CharField(max_length=24)
    collection_id = models.BigIntegerField(null=True)
    milliseconds = models.FloatField()

    class Meta:
        """Read newest first, and found by a request's id."""

        indexes: ClassVar = [
            models.Index(fields=["tenant", "at"], name="request_by_time"),
            models.Index(fields=["tenant", "request_id"], name="request_by_id"),
        ]

    def __str__(self) -> str:
        """Return the request's id and the status."""
        return f"{self.request_id} {self.status}"


class DataKey(TenantOwned):
    """A tenant's data key, wrapped by a master key. The highest version seals, every version opens (tenants.vault)."""

    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One key per version."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "version"], name="data_key_version")]

    def __str__(self) -> str:
        """Return the version."""
        return f"v{self.version}"


class SigningKey(models.Model):
    """A key pair with which the installation signs; a master key wraps the private key (tenants.signing)."""

    version = models.PositiveIntegerField(unique=True)
    public = models.BinaryField(max_length=32)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Return the version."""
        return f"v{self.version}"


class AuditHead(TenantOwned):
    """The end of a tenant's audit chain; its row lock orders the entries."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    number = models.PositiveBigIntegerField(default=0)
    end = models.CharField(max_length=64)
    wrapped_key = models.BinaryField()
    verified = models.PositiveBigIntegerField(
        default=0, help_text="The number of the last entry that a check found intact."
    )
    verified_seal = models.CharField(max_length=64, blank=True)
    check_asked_at = models.DateTimeField(null=True, help_text="When somebody asked for a check of the whole chain.")
    check_done = models.PositiveBigIntegerField(default=0, help_text="Entries that this check has found intact so far.")
    check_broken_at = models.PositiveBigIntegerField(null=True)
    check_ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the last number."""
        return str(self.number)


class AuditEntry(TenantOwned):
    """One recorded action. Append-only; chained by HMAC to the entry before it (tenants.audit).

    Until it is chained, `number` is null and `digest` the HMAC over its own fields.
    """

    number = models.PositiveBigIntegerField(null=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=150)
    address = models.CharField(max_length=45, blank=True)
    via = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=32, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)

    class Meta:
        """One entry per number; read newest first."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "number"], name="audit_number")]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "target_kind", "target_id"]),
            models.Index(fields=["tenant", "at"], condition=models.Q(number=None), name="audit_waiting"),
        ]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        """Return number and action."""
        return f"{self.number} {self.action}"


class TaskLock(models.Model):
    """A lock on a task: the worker that last moved `until` holds it until then (tenants.queue)."""

    task = models.CharField(primary_key=True, max_length=100)
    until = models.DateTimeField()

    def __str__(self) -> str:
        """Return the task's name."""
        return self.task


class Heartbeat(models.Model):
    """The last sign of life of a part of the background work (tenants.heartbeat).

    Names: `worker:NAME` is a worker process; `schedule:NAME` an entry of the schedule, with `at` when it was last sent;
    `queue` is updated by a task, which proves that schedule, queue and worker all work; `lag_seconds` is how long that
    task waited; `done:DEED` says when something happened last, such as a backup; `ran:TASK` when a task of the schedule
    last succeeded, and in `took_seconds` how long it took; `failed:TASK` when it last failed.
    """

    name = models.CharField(primary_key=True, max_length=200)
    at = models.DateTimeField()
    lag_seconds = models.FloatField(null=True)
    took_seconds = models.FloatField(null=True)

    def __str__(self) -> str:
        """Return the part's name."""
        return self.name


class Webhook(TenantOwned):
    """A URL to which a tenant's events are sent. The tenant's vault seals its secret (tenants.events).

    Nothing is sent to it before `free_at`: an attempt is running, or the last one got no answer.
    """

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    url = models.CharField(max_length=2000)
    kinds = models.JSONField(default=list)
    sealed_secret = models.BinaryField()
    active = models.BooleanField(default=True)
    free_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Listed by tenant."""

        indexes: ClassVar = [models.Index(fields=["tenant", "active"], name="webhook_of_tenant")]

    def __str__(self) -> str:
        """Return the id; the URL may hold a secret."""
        return str(self.pk)


class Event(TenantOwned):
    """An event, written in the transaction of the change (an outbox). It holds ids only, no biometrics."""

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        """Return id and kind."""
        return f"{self.id} {self.kind}"


class Delivery(TenantOwned):
    """The delivery of an event to a webhook, and its result: the delivery log."""

    class State(models.TextChoices):
        """The state of a delivery."""

        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    problem = models.CharField(max_length=200, blank=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        """One delivery per event and webhook; due ones are found by webhook and time."""

        verbose_name_plural = "deliveries"
        constraints: ClassVar = [models.UniqueConstraint(fields=["webhook", "event"], name="delivery_once")]
        indexes: ClassVar = [models.Index(fields=["webhook", "state", "next_at"], name="delivery_due")]

    def __str__(self) -> str:
        """Return event and state."""
        return f"{self.event_id} {self.state}"
