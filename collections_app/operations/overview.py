"""How a tenant is doing: what it holds, and what was asked of it lately."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from collections_app.models import Collection, Face, Person, SearchRecord
from recognition.models import Gallery
from tenants.access import Caller, Scope
from tenants.models import ApiKey, Member

DAYS = 14
_PERCENTILE = 0.95


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day, UTC."""

    day: date
    enrolments: int
    outcomes: Mapping[str, int]

    @property
    def searches(self) -> int:
        """All of them, however they ended."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Overview:
    """A tenant's counts and its last days, oldest first; `p95` is in milliseconds, None where nobody searched."""

    faces: int
    people: int
    collections: int
    keys: int
    members: int
    days: tuple[Day, ...]
    outcomes: Mapping[str, int]
    p95: float | None

    @property
    def searches(self) -> int:
        """The searches of these days."""
        return sum(self.outcomes.values())

    @property
    def enrolments(self) -> int:
        """The enrolments of these days."""
        return sum(day.enrolments for day in self.days)


def overview(caller: Caller) -> Overview:
    """Count what the caller can reach, and what happened in the last DAYS days."""
    caller.require(Scope.READ)
    since = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    searches = _within(caller, SearchRecord.objects.of(caller.tenant).filter(at__gte=since))
    enrolled = _within(caller, Face.objects.of(caller.tenant).filter(created_at__gte=since))
    per_day = dict(
        enrolled.annotate(day=TruncDate("created_at")).values("day").annotate(n=Count("pk")).values_list("day", "n")
    )
    outcomes: dict[date, dict[str, int]] = {}
    grouped = searches.annotate(day=TruncDate("at")).values("day", "outcome").annotate(n=Count("pk"))
    for day, outcome, count in grouped.values_list("day", "outcome", "n"):
        outcomes.setdefault(day, {})[outcome] = count
    dates = [since.date() + timedelta(days=n) for n in range(DAYS)]
    galleries = _within(caller, Gallery.objects.of(caller.tenant))
    living = Collection.objects.of(caller.tenant).filter(state=Collection.State.ACTIVE)
    return Overview(
        faces=galleries.aggregate(total=Sum("size"))["total"] or 0,
        people=_within(caller, Person.objects.of(caller.tenant)).count(),
        collections=(living if caller.collections is None else living.filter(pk__in=caller.collections)).count(),
        keys=ApiKey.objects.of(caller.tenant).filter(revoked_at=None).count(),
        members=Member.objects.of(caller.tenant).count(),
        days=tuple(Day(day, per_day.get(day, 0), outcomes.get(day, {})) for day in dates),
        outcomes={kind: sum(day.get(kind, 0) for day in outcomes.values()) for kind in SearchRecord.Outcome.values},
        p95=_p95(searches),
    )


def _within(caller: Caller, rows: QuerySet) -> QuerySet:  # type: ignore[type-arg]  # of three models
    return rows if caller.collections is None else rows.filter(collection__in=caller.collections)


def _p95(searches: QuerySet[SearchRecord]) -> float | None:
    """Return the time that 95 of 100 searches needed at most (nearest rank)."""
    times = searches.order_by("milliseconds").values_list("milliseconds", flat=True)
    count = times.count()
    return times[min(count - 1, int(_PERCENTILE * count))] if count else None
