"""Tenants, their members, keys and audit entries."""

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
        """Whether the tenant's callers are answered."""

        ACTIVE = "active"
        SUSPENDED = "suspended"
        ERASED = "erased"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    profiles = models.JSONField(
        default=dict, blank=True, help_text="Which generation of a dialect the tenant speaks, by dialect."
    )
    face_quota = models.PositiveBigIntegerField(null=True, blank=True, help_text="Most faces; empty: no limit.")
    collection_quota = models.PositiveIntegerField(null=True, blank=True, help_text="Most collections.")
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Over all keys; empty: no limit."
    )
    calls_per_day = models.PositiveIntegerField(null=True, blank=True, help_text="Over all keys, by UTC day.")

    def __str__(self) -> str:
        """Name it by its slug."""
        return self.slug

    def lock(self) -> None:
        """Take its lock until the transaction ends, for what is counted over all of it; after a gallery's lock."""
        Tenant.objects.select_for_update(no_key=True).get(pk=self.pk)


class Member(TenantOwned):
    """A person's place in a tenant."""

    class Role(models.TextChoices):
        """What a member may do; tenants.access maps each to scopes."""

        OWNER = "owner"
        ADMIN = "admin"
        OPERATOR = "operator"
        AUDITOR = "auditor"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One place a person and tenant."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "user"], name="member_once")]

    def __str__(self) -> str:
        """Name the person and the role."""
        return f"{self.user} ({self.role})"


class Authenticator(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]  # untyped
    """A person's authenticator app, its seed wrapped by a master key: people are no tenant's (tenants.authenticators).

    `last_t` is the time step of the last code taken, so that a code serves once; `drift` the steps its clock is off.
    """

    wrapped_seed = models.BinaryField(editable=False)
    drift = models.SmallIntegerField(default=0)
    last_t = models.BigIntegerField(default=-1)

    def get_throttle_factor(self) -> int:
        """Have a wrong code make the next try wait 1 second, then 2, 4, 8."""
        return 1


class Invitation(TenantOwned):
    """A place in a tenant that waits for somebody with a link. The link's secret is known only as a SHA-256.

    It goes with the member who gave it (null: the platform), and opens nothing while they may not give it any more
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
        """Name who is invited."""
        return self.email


class ApiKey(TenantOwned):
    """A credential for programs. The secret is known only as a SHA-256 (tenants.keys).

    While rotations overlap, each secret of `previous`, a SHA-256 in hexadecimal beside a time in ISO 8601, opens the
    door until then. `parent` is the key that made this one: its limits count this one's calls too.
    """

    GENERATIONS: ClassVar[int] = 4
    ANCESTORS: ClassVar[str] = "parent__parent__parent"  # as many as there may be, for one query of them all

    id = models.CharField(primary_key=True, max_length=24, editable=False)
    name = models.CharField(max_length=100)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = models.JSONField(default=list)
    previous = models.JSONField(default=list, editable=False)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, editable=False, related_name="issued")
    collections = models.JSONField(null=True, blank=True, help_text="Ids of the collections it reaches; null: all.")
    networks = models.JSONField(default=list, blank=True, help_text="Networks it may be used from; empty: any.")
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    calls_per_day = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Right to within half a minute.")

    class Meta:
        """Listed by tenant."""

        indexes: ClassVar = [models.Index(fields=["tenant", "created_at"])]

    def __str__(self) -> str:
        """Name the key, never its secret."""
        return f"{self.name} ({self.id})"

    def lineage(self) -> Iterator["ApiKey"]:
        """Yield the key, the key that made it, and so on."""
        key: ApiKey | None = self
        while key is not None:
            yield key
            key = key.parent


class RateWindow(models.Model):
    """How much of a limit was leased to processes in its present window (tenants.limits)."""

    subject = models.CharField(max_length=64, help_text="What is limited: a key, a tenant, letters to an account.")
    seconds = models.PositiveIntegerField(help_text="How long a window is.")
    start = models.PositiveBigIntegerField(default=0, help_text="When the present one began, in epoch seconds.")
    taken = models.PositiveBigIntegerField(default=0)

    class Meta:
        """One row a limit."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["subject", "seconds"], name="rate_window_of_subject")]

    def __str__(self) -> str:
        """Name what it is for."""
        return f"{self.subject} in {self.seconds} s"


class UsageDay(TenantOwned):
    """How often an endpoint was called on a day, by UTC (tenants.usage)."""

    day = models.DateField()
    operation = models.CharField(max_length=120)
    calls = models.PositiveBigIntegerField(default=0)

    class Meta:
        """One row a day and operation."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "day", "operation"], name="usage_of_day"),
        ]

    def __str__(self) -> str:
        """Name what was counted."""
        return f"{self.day} {self.operation}"


class DataKey(TenantOwned):
    """A tenant's data key, wrapped by a master key. The highest version seals; every version opens (tenants.vault)."""

    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One key a version."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "version"], name="data_key_version")]

    def __str__(self) -> str:
        """Name the version."""
        return f"v{self.version}"


class SigningKey(models.Model):
    """A key of the installation's own signature, its private half wrapped by a master key (tenants.signing)."""

    version = models.PositiveIntegerField(unique=True)
    public = models.BinaryField(max_length=32)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Name the version."""
        return f"v{self.version}"


class AuditHead(TenantOwned):
    """The end of a tenant's audit chain; its row lock puts the entries in order."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    number = models.PositiveBigIntegerField(default=0)
    end = models.CharField(max_length=64)
    wrapped_key = models.BinaryField()
    verified = models.PositiveBigIntegerField(default=0, help_text="Up to this entry the chain was found sound.")
    verified_seal = models.CharField(max_length=64, blank=True)
    check_asked_at = models.DateTimeField(null=True, help_text="When somebody asked for the whole to be recomputed.")
    check_done = models.PositiveBigIntegerField(default=0, help_text="Entries recomputed and sound so far.")
    check_broken_at = models.PositiveBigIntegerField(null=True)
    check_ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Name the last number."""
        return str(self.number)


class AuditEntry(TenantOwned):
    """One thing somebody did. Append-only; chained by HMAC to the entry before it (tenants.audit)."""

    number = models.PositiveBigIntegerField()
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
        """One entry a number; read newest first."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "number"], name="audit_number")]
        indexes: ClassVar = [models.Index(fields=["tenant", "target_kind", "target_id"])]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        """Name the action."""
        return f"{self.number} {self.action}"


class TaskLock(models.Model):
    """A task that one worker at a time is at: whoever moved `until` has it until then (tenants.queue)."""

    task = models.CharField(primary_key=True, max_length=100)
    until = models.DateTimeField()

    def __str__(self) -> str:
        """Name the task."""
        return self.task


class Heartbeat(models.Model):
    """When a part of the work behind the requests last gave a sign of life (tenants.heartbeat).

    `worker:NAME` is a worker's process; `schedule:NAME` an entry of the schedule, and `at` when it was last sent;
    `queue` is moved by a task, so that it tells of the whole way, and `lag_seconds` of how long the task waited.
    """

    name = models.CharField(primary_key=True, max_length=200)
    at = models.DateTimeField()
    lag_seconds = models.FloatField(null=True)

    def __str__(self) -> str:
        """Name the part."""
        return self.name


class Webhook(TenantOwned):
    """Where a tenant wants to be told of events. Its secret is sealed by the tenant's vault (tenants.events).

    Before `free_at` nobody sends to it: an attempt is under way, or the last one found nobody.
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
        """Name its id; the URL may hold a secret."""
        return str(self.pk)


class Event(TenantOwned):
    """Something that happened, written in the transaction in which it did: the outbox. Ids only, no biometrics."""

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        """Name its kind."""
        return f"{self.id} {self.kind}"


class Delivery(TenantOwned):
    """An event on its way to a webhook, and how that went: the delivery log."""

    class State(models.TextChoices):
        """How far it is."""

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
        """An event goes to a webhook once; what is due is found by webhook and time."""

        verbose_name_plural = "deliveries"
        constraints: ClassVar = [models.UniqueConstraint(fields=["webhook", "event"], name="delivery_once")]
        indexes: ClassVar = [models.Index(fields=["webhook", "state", "next_at"], name="delivery_due")]

    def __str__(self) -> str:
        """Name its state."""
        return f"{self.event_id} {self.state}"
