"""Chains audit entries that were written unchained, within a second, whichever process wrote them.

Every web process and every worker looks for them twice a second, also for those of a process that was killed.
"""

import logging
import threading
import time

from django.db import close_old_connections

from tenants import audit, rls
from tenants.database import reopen_if_replaced
from tenants.models import AuditEntry, Tenant
from tenants.prepared import Prepared
from tenants.queue import isolate_failure

logger = logging.getLogger("faceplane.chaining")
_SECONDS = 0.5
_WAITING = Prepared(lambda: Tenant.objects.filter(pk__in=AuditEntry.unscoped.filter(number=None).values("tenant")))


@rls.all_tenants()
def chain_all() -> None:
    """Chain what waits, of every tenant; one tenant's failure keeps no other from it."""
    for tenant in _WAITING():
        with isolate_failure("chain_all", tenant):
            audit.chain(tenant)


def late() -> int:
    """Return how many entries, of any tenant, have been waiting to be chained for longer than they may."""
    return sum(map(audit.late, _WAITING()))


def keep_chaining() -> None:
    """Start the thread of this process that does so."""
    threading.Thread(target=_run, name="chaining", daemon=True).start()


def _run() -> None:
    while True:
        time.sleep(_SECONDS)
        try:
            close_old_connections()
            reopen_if_replaced()
            chain_all()
        except Exception as error:  # noqa: BLE001 -- the database may be away; readiness reports what waits too long
            logger.warning("Audit entries could not be chained.", extra={"error": str(error)})
