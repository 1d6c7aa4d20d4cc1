"""Scheduled work on tenants. A task receives ids only."""

import logging

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from tenants import audit, heartbeat, limits
from tenants.access import system
from tenants.models import Invitation, Tenant
from tenants.queue import isolate_failure
from tenants.sessions import SessionStore
from tenants.sign_ins import forget_sign_ins

logger = logging.getLogger("faceplane.tasks")


@shared_task
def verify_audits() -> None:
    """Verify the new entries of every tenant's audit chain and a part of the old; a broken chain raises an alert."""
    today = timezone.now().toordinal()
    for tenant in Tenant.objects.order_by("pk"):
        with isolate_failure("verify_audits", tenant):
            _report(tenant, audit.verify_recent(tenant, day=today))
    heartbeat.note("audits")


@shared_task
def verify_audit(tenant_id: int) -> None:
    """Verify the whole of a tenant's audit chain, on request."""
    for tenant in Tenant.objects.filter(pk=tenant_id):
        _report(tenant, audit.check(tenant))


def _report(tenant: Tenant, found: audit.Verification) -> None:
    if found.late:
        logger.error("Audit entries were not chained in time", extra={"tenant": tenant.slug, "entries": found.late})
    if found.sound:
        logger.info("An audit chain is sound", extra={"tenant": tenant.slug, "entries": found.entries})
        return
    heartbeat.note("audit_broken")
    logger.error("An audit chain is broken", extra={"tenant": tenant.slug, "broken_at": found.broken_at})
    with transaction.atomic():
        audit.alert(system(tenant, "verify_audits"), "alert.audit_broken", tenant, broken_at=found.broken_at)


@shared_task
def forget() -> None:
    """Delete expired invitations, sessions, counts of limits and signs of life."""
    Invitation.unscoped.filter(expires_at__lte=timezone.now()).delete()
    SessionStore.clear_expired()
    forget_sign_ins()
    limits.forget()
    heartbeat.forget()


@shared_task
def pulse() -> None:
    """Record that schedule, queue, worker and database work together."""
    heartbeat.beat_queue("pulse")
