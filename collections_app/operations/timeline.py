"""The timeline of a person: who looked at, searched for or changed them, from the audit log and the search log."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Literal, TypeAlias

from django.db.models import Q, QuerySet

from collections_app.models import Collection, Person, SearchRecord
from collections_app.operations.collections import Alias, find
from collections_app.operations.references import find_person
from collections_app.operations.signed_files import Export, Form, Table, exported
from tenants import audit
from tenants.access import Caller, Scope
from tenants.models import AuditEntry, AuditHead

Deed: TypeAlias = Literal["looked", "searched", "changed"]
MOST = 1_000
_LOOKED = ("face.shown", "image.viewed", "image.listed", "person.exported", "collection.looked_below_floor")
_SEARCHED = ("face.verified",)
_DISORDER = timedelta(minutes=1)  # entries are chained after they were written, and those of long work later
_SEARCH = "collection.searched"  # these entries name no face: the search log does


@dataclass(frozen=True, slots=True)
class Moment:
    """One line: when, what, who, from where; the audit entry's number or the search's UUID; the reason given."""

    at: datetime
    deed: Deed
    action: str
    actor_kind: str
    actor_id: str
    actor_name: str
    via: str
    address: str
    request_id: str
    entry: int | None
    search: str
    reason: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A person's moments, newest first, MOST at most; `more`: there are older ones in the span."""

    person: Person
    moments: tuple[Moment, ...]
    more: bool


def timeline(
    caller: Caller,
    *,
    collection: str | Alias,
    person: int | str,
    since: datetime,
    until: datetime,
    deed: Deed | None = None,
) -> Timeline:
    """Return what was done from `since` to before `until` with a person and the faces that they have now.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    collection = find(caller, collection)
    found = find_person(collection, person)
    faces = dict(found.faces.values_list("uuid", "pk"))
    moments = [
        *map(_of_search, _searches(collection, list(faces), since, until)[: MOST + 1]),
        *map(_of_entry, _entries(collection, found, faces, since, until)[: MOST + 1]),
    ]
    wanted = sorted(
        (each for each in moments if deed is None or each.deed == deed), key=lambda each: each.at, reverse=True
    )
    return Timeline(found, tuple(wanted[:MOST]), len(wanted) > MOST)


def export_timeline(caller: Caller, *, form: Form, **what: Any) -> Export:  # noqa: ANN401 -- timeline's
    """Write a timeline (see `timeline`) to a file as it is shown, and sign it; the export is logged.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.AUDIT)
    found = timeline(caller, **what)
    rows = [{**asdict(moment), "at": moment.at.isoformat()} for moment in found.moments]
    span = {name: str(what[name]) for name in ("since", "until", "deed") if what.get(name)}
    about = {"person": str(found.person.pk), "filters": span}
    return exported(caller, Table("timeline", list(Moment.__slots__), rows, about, found.person), form)


def _searches(collection: Collection, faces: list[str], since: datetime, until: datetime) -> QuerySet[SearchRecord]:
    """Return the searches that found one of the faces, or searched with it."""
    searches = SearchRecord.objects.of(collection.tenant).filter(collection=collection, at__gte=since, at__lt=until)
    return searches.filter(best__in=faces).order_by("-at")


def _entries(
    collection: Collection, person: Person, faces: dict[str, int], since: datetime, until: datetime
) -> QuerySet[AuditEntry]:
    """Return the entries about the person, about one of the faces, or about several with one of these among them."""
    entries = audit.chained(collection.tenant)
    spanned = entries.filter(number__gte=_first_number(collection, since - _DISORDER), at__gte=since, at__lt=until)
    about = Q(target_kind="person", target_id=str(person.pk))
    about |= Q(target_kind="face", target_id__in=[str(pk) for pk in faces.values()])
    about |= Q(action="image.listed", target_kind="collection", target_id=str(collection.pk))
    listed = reduce(or_, (Q(facts__icontains=uuid) for uuid in faces), Q(pk=None))
    return spanned.exclude(action=_SEARCH).filter(about | listed).order_by("-number")


def _first_number(collection: Collection, since: datetime) -> int:
    """Return the number of the first entry at or after a moment, by halving.

    Entries are in the order of time, give or take _DISORDER.
    """
    head = AuditHead.objects.of(collection.tenant).first()
    entries = AuditEntry.objects.of(collection.tenant)
    low, high = 1, (head.number if head else 0) + 1
    while low < high:
        middle = (low + high) // 2
        at = entries.filter(number=middle).values_list("at", flat=True).first()
        low, high = (low, middle) if at is None or at >= since else (middle + 1, high)
    return low


def _of_search(record: SearchRecord) -> Moment:
    by = (record.actor_kind, record.actor_id, record.actor_name, record.via)
    return Moment(record.at, "searched", _SEARCH, *by, "", record.request_id, None, record.uuid, "")


def _of_entry(entry: AuditEntry) -> Moment:
    deed: Deed = "looked" if entry.action in _LOOKED else "searched" if entry.action in _SEARCHED else "changed"
    by = (entry.actor_kind, entry.actor_id, entry.actor_name, entry.via, entry.address)
    return Moment(entry.at, deed, entry.action, *by, entry.request_id, entry.number, "", entry.facts.get("reason", ""))
