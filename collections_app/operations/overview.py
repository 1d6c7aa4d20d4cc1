"""A tenant's counts, and its enrolments and searches of the last days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from collections_app.models import SearchRecord
from collections_app.operations.collections import list_collections
from tenants.access import Caller, Scope
from tenants.models import ApiKey, Member

DAYS = 14


@dataclass(frozen=True, slots=True)
class Day:
    """The enrolments and searches of one UTC day."""

    day: date
    enrolments: int
    outcomes: Mapping[str, int]

    @property
    def searches(self) -> int:
        """The searches of the day, whatever their outcome."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Overview:
    """A tenant's counts and its last days, oldest first; `p95` is in milliseconds, None without searches."""

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
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    collections = list_collections(caller)
    # Faces and people are counted through their collections, so that an index covers the query.
    enrolled = collections.filter(faces__created_at__gte=days[0]).aggregate(**_each("faces__created_at", days))
    searches = caller.within(SearchRecord.objects.of(caller.tenant).filter(at__gte=days[0]))
    counts = {
        str(kind): list(searches.filter(outcome=kind).aggregate(**_each("at", days)).values())
        for kind in SearchRecord.Outcome.values
    }
    totals = collections.aggregate(faces=Sum("gallery__size"), collections=Count("pk"))
    return Overview(
        faces=totals["faces"] or 0,
        people=collections.aggregate(people=Count("people"))["people"],
        collections=totals["collections"],
        keys=ApiKey.objects.of(caller.tenant).filter(revoked_at=None).count(),
        members=Member.objects.of(caller.tenant).count(),
        days=tuple(
            Day(day.date(), enrolments, {kind: each[n] for kind, each in counts.items()})
            for n, (day, enrolments) in enumerate(zip(days, enrolled.values(), strict=True))
        ),
        outcomes={kind: sum(each) for kind, each in counts.items()},
        p95=_p95(searches),
    )


def _each(field: str, days: Sequence[datetime]) -> dict[str, Count]:
    """Count by day with comparisons: a date function would be called for every row."""
    spans = [{f"{field}__gte": day, f"{field}__lt": day + timedelta(days=1)} for day in days]
    return {f"day{n}": Count(field, filter=Q(**span)) for n, span in enumerate(spans)}


def _p95(searches: QuerySet[SearchRecord]) -> float | None:
    """Return the 95th percentile of the searches' milliseconds, by nearest rank: number ceil(.95 n) of n."""
    times = searches.order_by("milliseconds").values_list("milliseconds", flat=True)
    count = times.count()
    return times[(95 * count + 99) // 100 - 1] if count else None
