"""A tenant's use of the API, and what it keeps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Avg, Count, Q, QuerySet, Sum
from django.utils import timezone

from collections_app.models import Collection, Face
from collections_app.operations.collections import list_collections
from collections_app.operations.index import IndexCondition, index_conditions
from recognition.models import IndexSegment
from tenants.access import Caller, Scope
from tenants.models import ApiKey, LoggedRequest, UsageDay

REPORTED_DAYS = 30
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key's requests in the request log: all, those that failed, and their mean milliseconds."""

    key: str
    name: str
    calls: int
    failed: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What a collection keeps: faces, those with a kept image, bytes of index files, and the index's condition."""

    collection: Collection
    images: int
    index_bytes: int
    condition: IndexCondition


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The calls of the last `days` UTC days by day, oldest first, by endpoint and by key, and what is kept."""

    days: tuple[tuple[date, int], ...]
    endpoints: tuple[tuple[str, int], ...]
    keys: tuple[KeyUse, ...]
    kept: tuple[Kept, ...]

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(calls for _, calls in self.days)


def count_calls(caller: Caller, *, days: int) -> QuerySet[UsageDay]:
    """Return the tenant's calls of the last `days` UTC days by endpoint, newest day first, up to ten seconds late."""
    caller.require(Scope.READ)
    caller.require_whole_tenant()
    since = timezone.now().date() - timedelta(days=days)
    return UsageDay.objects.of(caller.tenant).filter(day__gt=since).order_by("-day", "operation")


def report_usage(caller: Caller, *, days: int = REPORTED_DAYS) -> UsageReport:
    """Return the use of the last `days` UTC days; keys' requests as far back as the request log goes."""
    caller.require(Scope.READ)
    caller.require_whole_tenant()
    by_day: Counter[date] = Counter()
    by_endpoint: Counter[str] = Counter()
    for row in count_calls(caller, days=days):
        by_day[row.day] += row.calls
        by_endpoint[row.operation] += row.calls
    today = timezone.now().date()
    each = tuple((day, by_day[day]) for day in (today - timedelta(days=days - 1 - n) for n in range(days)))
    since = datetime.combine(each[0][0], time.min, timezone.get_default_timezone())
    return UsageReport(each, tuple(by_endpoint.most_common()), _by_key(caller, since), tuple(_kept(caller)))


def _by_key(caller: Caller, since: datetime) -> tuple[KeyUse, ...]:
    failed = Count("pk", filter=Q(status__gte=_REFUSED) | ~Q(code=""))
    logged = LoggedRequest.objects.of(caller.tenant).filter(at__gte=since).values("key").order_by()
    rows = list(logged.annotate(calls=Count("pk"), failed=failed, mean=Avg("milliseconds")).order_by("-calls"))
    names = dict(ApiKey.objects.of(caller.tenant).values_list("pk", "name"))
    return tuple(
        KeyUse(row["key"], names.get(row["key"], row["key"]), row["calls"], row["failed"], row["mean"]) for row in rows
    )


def _kept(caller: Caller) -> Sequence[Kept]:
    conditions = index_conditions(caller)
    segments = IndexSegment.objects.of(caller.tenant).values("gallery__collection_id").order_by()
    sizes = dict(segments.annotate(sum=Sum("bytes")).values_list("gallery__collection_id", "sum"))
    pictured = Face.objects.of(caller.tenant).exclude(stored_image="").values("collection_id").order_by()
    images = dict(pictured.annotate(n=Count("pk")).values_list("collection_id", "n"))
    return [
        Kept(one, images.get(one.pk, 0), sizes.get(one.pk, 0), conditions[one.pk]) for one in list_collections(caller)
    ]
