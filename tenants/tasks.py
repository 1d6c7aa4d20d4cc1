"""Scheduled work on tenants. A task receives ids only."""

import logging

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from tenants import audit, limits
from tenants.access import system
from tenants.models import Invitation, Tenant
from tenants.queue import apart
from tenants.sessions import SessionStore

logger = logging.getLogger("faceplane.tasks")


@shared_task
def verify_audits() -> None:
    """Verify every tenant's audit chain; a broken one raises an alert, in the chain itself and in the log."""
    for tenant in Tenant.objects.order_by("pk"):
        with apart("verify_audits", tenant):
            found = audit.verify(tenant)
            if found.sound:
                logger.info("An audit chain is sound", extra={"tenant": tenant.slug, "entries": found.entries})
            else:
                logger.error("An audit chain is broken", extra={"tenant": tenant.slug, "broken_at": found.broken_at})
                caller = system(tenant, "verify_audits")
                with transaction.atomic():
                    audit.alert(caller, "alert.audit_broken", tenant, broken_at=found.broken_at)


@shared_task
def forget() -> None:
    """Delete invitations that are past their time, taken or not, sessions that are, and counts of windows that are."""
    Invitation.everywhere.filter(expires_at__lte=timezone.now()).delete()
    SessionStore.clear_expired()
    limits.forget()
