"""Alerts for repeated searches and verifications of one face: fifty exact scores are enough to compute a template.

Counts the search records and audit entries of the last minute, by key and face. No probe is stored or compared: probes
that differ only a little have the same best match. A search without a match discloses nothing, but an alert with its
nearest face would; so it counts only for the enrolled face that it was made with, if any.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Count, QuerySet
from django.utils import timezone

from collections_app.models import Face, SearchRecord
from tenants import audit, commits
from tenants.access import Caller
from tenants.models import AuditEntry, Tenant
from tenants.prepared import Prepared

_SPAN = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_RAISED = 10_000
_raised: dict[tuple[str, str], datetime] = {}  # by key and face: when an alert was raised that this process has read
_RECENT = Prepared(
    lambda tenant, actor, best, since: (
        SearchRecord.objects.of(Tenant(pk=tenant))
        .filter(actor_id=actor, best=best, at__gt=since)
        .values_list("tenant_id")
        .annotate(searches=Count("pk"))
        .values_list("searches")
    ),
    int,
    str,
    str,
    datetime,
)


def watch_searches(caller: Caller, record: SearchRecord) -> None:
    """Raise an alert if the caller searched for the record's face too often.

    Call it in the search's commit, after the record is inserted.
    """
    if record.best:
        recent = sum(number for (number,) in _RECENT(caller.tenant.pk, caller.id, record.best, timezone.now() - _SPAN))
        same = [one for one in commits.inserted(SearchRecord) if (one.actor_id, one.best) == (caller.id, record.best)]
        _alert(caller, record.best, recent + len(same))


def watch_verifications(caller: Caller, face: Face) -> None:
    """Log a verification, and raise an alert if the caller verified the face too often."""
    audit.record_unchained(caller, "face.verified", face, collection=str(face.collection_id))
    recent = _entries(caller, "face.verified").filter(target_kind="face", target_id=str(face.pk))
    _alert(caller, face.uuid, recent.count())


def _alert(caller: Caller, face: str, probes: int) -> None:
    """Raise the alert, at most once a minute for a key and face."""
    if probes <= settings.PROBES_PER_MINUTE or _raised.get((caller.id, face), _NEVER) > timezone.now() - _SPAN:
        return
    last = _entries(caller, "alert.probing").filter(facts__face=face).order_by("-at").first()
    if last:
        if len(_raised) >= _MOST_RAISED:
            _raised.clear()
        _raised[caller.id, face] = last.at
    else:
        audit.alert(caller, "alert.probing", face=face, probes=probes, seconds=int(_SPAN.total_seconds()))


def _entries(caller: Caller, action: audit.Action) -> QuerySet[AuditEntry]:
    entries = AuditEntry.objects.of(caller.tenant).filter(action=action, actor_id=caller.id)
    return entries.filter(at__gt=timezone.now() - _SPAN)
