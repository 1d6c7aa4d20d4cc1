"""The tables of the operator's first page: tenants with their use, background work, sign-ins that failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from recognition import packs
from recognition.models import Gallery
from tenants import heartbeat, rls
from tenants.models import Delivery, Heartbeat, Invitation, LoggedRequest, Tenant, UsageDay

_SHOWN = 50
_DAY = timedelta(days=1)
_SCHEDULE, _DONE = "schedule:", "done:"


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant with what it uses: counts against quotas, calls of today and of seven days, its last request."""

    tenant: Tenant
    faces: int
    collections: int
    today: int
    week: int
    failed: int
    last: datetime | None
    invitations: int


@rls.all_tenants()
def tables() -> dict[str, Any]:
    """Return the page's tables by name."""
    return {
        "tenants": _tenants(),
        "work": {
            "workers": heartbeat.workers(),
            "lag": heartbeat.signs().lag_seconds,
            "pending": Delivery.unscoped.filter(state=Delivery.State.PENDING, attempts__gt=0).count(),
            "failed": Delivery.unscoped.filter(state=Delivery.State.FAILED).count(),
        },
        "runs": _runs(),
        "sign_ins": _sign_ins(),
        "version": settings.VERSION,
        "packs": packs.names(),
    }


def _tenants() -> list[TenantRow]:
    """Return the newest tenants that are not erased; each column is one query."""
    today = timezone.now().date()
    shown = list(Tenant.objects.exclude(state=Tenant.State.ERASED).order_by("-created_at")[:_SHOWN])
    held = Gallery.unscoped.filter(tenant__in=shown, serves__state="active").values("tenant_id").order_by()
    sizes = {row["tenant_id"]: row for row in held.annotate(faces=Sum("size"), collections=Count("pk"))}
    days = UsageDay.unscoped.filter(tenant__in=shown, day__gt=today - 7 * _DAY).values("tenant_id").order_by()
    calls = {row["tenant_id"]: row for row in days.annotate(week=Sum("calls"), today=Sum("calls", filter=Q(day=today)))}
    recent = LoggedRequest.unscoped.filter(tenant__in=shown, at__gte=timezone.now() - _DAY).values("tenant_id")
    wrong = Count("pk", filter=Q(status__gte=400) | ~Q(code=""))
    asked: dict[int, Any] = {row["tenant_id"]: row for row in recent.order_by().annotate(last=Max("at"), failed=wrong)}
    waiting = Invitation.unscoped.filter(tenant__in=shown, accepted_at=None, expires_at__gt=timezone.now())
    invited = dict(waiting.values("tenant_id").order_by().annotate(n=Count("pk")).values_list("tenant_id", "n"))
    return [
        TenantRow(
            tenant,
            _of(sizes, tenant, "faces"),
            _of(sizes, tenant, "collections"),
            _of(calls, tenant, "today"),
            _of(calls, tenant, "week"),
            _of(asked, tenant, "failed"),
            asked.get(tenant.pk, {}).get("last"),
            invited.get(tenant.pk, 0),
        )
        for tenant in shown
    ]


def _of(rows: Mapping[int, Mapping[str, Any]], tenant: Tenant, name: str) -> int:
    return rows.get(tenant.pk, {}).get(name) or 0


def _runs() -> list[tuple[str, datetime]]:
    """Return when each entry of the schedule was last sent, and when backups and checks were last made."""
    rows = Heartbeat.objects.filter(Q(name__startswith=_SCHEDULE) | Q(name__startswith=_DONE)).order_by("name")
    return [(row.name.partition(":")[2], row.at) for row in rows]


def _sign_ins() -> list[AccessAttempt]:
    """Return the newest sign-ins that failed and are still counted."""
    return list(AccessAttempt.objects.order_by("-attempt_time")[:_SHOWN])
