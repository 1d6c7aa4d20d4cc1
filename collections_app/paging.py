"""Pages of long lists by the last row seen: the thousandth page is as quick as the first.

Nothing is counted. A page of faces is found by their numbers alone, which an index holds together with everything that
the list is narrowed by; only then are its rows read.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from tenants.scope import as_id


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows; `after` tells the next page where to go on, None where there is none."""

    rows: tuple[Any, ...]
    after: str | None


def page_by_number(rows: QuerySet[Any], chosen: QuerySet[Any], before: str, *, size: int, oldest: bool = False) -> Page:
    """Return the rows of those chosen that come after the one numbered `before`, the newest first or the oldest."""
    if (last := as_id(before)) is not None:
        chosen = chosen.filter(**{"number__gt" if oldest else "number__lt": last})
    order = "number" if oldest else "-number"
    numbers = list(chosen.order_by(order).values_list("number", flat=True)[: size + 1])
    found = tuple(rows.filter(number__in=numbers[:size]).order_by(order))
    return Page(found, str(numbers[size - 1]) if len(numbers) > size else None)


def page_by_time(rows: QuerySet[Any], before: str, *, field: str, size: int, oldest: bool = False) -> Page:
    """Return the rows that come after `before`, by a time and then by key, the newest first or the oldest."""
    start = place(before)
    sign, beyond = ("", "gt") if oldest else ("-", "lt")
    if start is not None:
        at, key = start
        # The first condition says nothing new, but it is the one by which the database finds its place in the index.
        later = Q(**{f"{field}__{beyond}": at}) | Q(**{field: at, f"pk__{beyond}": key})
        rows = rows.filter(**{f"{field}__{beyond}e": at}).filter(later)
    found = list(rows.order_by(f"{sign}{field}", f"{sign}pk")[: size + 1])
    more = len(found) > size
    return Page(
        tuple(found[:size]), f"{getattr(found[size - 1], field).isoformat()}~{found[size - 1].pk}" if more else None
    )


def place(before: str) -> tuple[datetime, int] | None:
    """Return the time and the key that the page before ended with; None: it is the first, or no page ends so."""
    moment, _, text = before.partition("~")
    key = as_id(text)
    try:
        at = parse_datetime(moment)
        return (at.astimezone(UTC), key) if at is not None and at.tzinfo and key is not None else None
    except (ValueError, OverflowError):  # a month 13; a time that is in no year once it is in UTC
        return None
