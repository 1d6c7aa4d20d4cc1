"""Metering: calls by tenant, day and endpoint, counted in memory and written every ten seconds.

A killed process loses at most ten seconds of counts: metering must not cost a write per request. The audit log
has exact numbers.
"""

import atexit
import logging
import threading
from collections import Counter
from datetime import date
from typing import NamedTuple

from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from tenants import rls
from tenants.models import Tenant, UsageDay

logger = logging.getLogger("faceplane.usage")
FLUSH_SECONDS = 10.0


class _Row(NamedTuple):
    tenant_id: int
    day: date
    operation: str

    def new(self) -> UsageDay:
        """Return the row before its first call."""
        return UsageDay(tenant_id=self.tenant_id, day=self.day, operation=self.operation)


_counts: Counter[_Row] = Counter()
_lock = threading.Lock()


def count(tenant: Tenant, operation: str) -> None:
    """Count one call."""
    with _lock:
        _counts[_Row(tenant.pk, timezone.now().date(), operation)] += 1


@rls.all_tenants()
def flush() -> None:
    """Write the counts to the database; if that fails, keep them for the next time."""
    with _lock:
        taken = Counter(_counts)
        _counts.clear()
    if not taken:
        return
    try:
        with transaction.atomic():
            existing = set(Tenant.objects.filter(pk__in={row.tenant_id for row in taken}).values_list("pk", flat=True))
            taken = Counter({row: calls for row, calls in taken.items() if row.tenant_id in existing})
            UsageDay.unscoped.bulk_create([row.new() for row in sorted(taken)], ignore_conflicts=True)
            for row, calls in sorted(taken.items()):
                days = UsageDay.objects.of(Tenant(pk=row.tenant_id))
                days.filter(day=row.day, operation=row.operation).update(calls=F("calls") + calls)
    except DatabaseError as error:
        logger.warning("Usage could not be written yet", extra={"error": str(error)})
        with _lock:
            _counts.update(taken)


def keep_flushing() -> None:
    """Start a thread that flushes every ten seconds, and flush when the process ends."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(FLUSH_SECONDS):
            flush()
            connection.close()

    threading.Thread(target=work, name="usage", daemon=True).start()
    atexit.register(flush)
