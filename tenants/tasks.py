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

logger = logging.getLogger("faceplane.tasks")


@shared_task
def verify_audits() -> None:
    """Verify what is new in every tenant's audit chain, and a part of the old; a broken one raises an alert."""
    today = timezone.now().toordinal()
    for tenant in Tenant.objects.order_by("pk"):
        with isolate_failure("verify_audits", tenant):
            _tell(tenant, audit.verify_recent(tenant, day=today))


@shared_task
def verify_audit(tenant_id: int) -> None:
    """Verify the whole of a tenant's audit chain, as somebody asked."""
    for tenant in Tenant.objects.filter(pk=tenant_id):
        _tell(tenant, audit.check(tenant))


def _tell(tenant: Tenant, found: audit.Verification) -> None:
    if found.sound:
        logger.info("An audit chain is sound", extra={"tenant": tenant.slug, "entries": found.entries})
        return
    logger.error("An audit chain is broken", extra={"tenant": tenant.slug, "broken_at": found.broken_at})
    with transaction.atomic():
        audit.alert(system(tenant, "verify_audits"), "alert.audit_broken", tenant, broken_at=found.broken_at)


@shared_task
def forget() -> None:
    """Delete invitations that are past their time, taken or not, sessions that are, and counts of windows that are."""
    Invitation.unscoped.filter(expires_at__lte=timezone.now()).delete()
    SessionStore.clear_expired()
    limits.forget()
    heartbeat.forget()


@shared_task
def pulse() -> None:
    """Tell that the whole way works: schedule, queue, worker, database."""
    heartbeat.beat_queue("pulse")
