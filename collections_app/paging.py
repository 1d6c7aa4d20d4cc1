"""Pages of long lists by the last row of the page before (keyset), so that the thousandth page is as fast as the first.

Rows are not counted. A page of faces is found by their numbers in an index that covers all filters of the list; only
the page's rows are then read.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from tenants.scope import as_id


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows; `after` is where the next page begins, None on the last one."""

    rows: tuple[Any, ...]
    after: str | None


def page_by_number(rows: QuerySet[Any], chosen: QuerySet[Any], before: str, *, size: int, oldest: bool = False) -> Page:
    """Return the next page after the number `before`, newest first or `oldest` first.

    `chosen` are the filtered rows, read only for their numbers; `rows` is the query that reads the page.
    """
    if (last := as_id(before)) is not None:
        chosen = chosen.filter(**{"number__gt" if oldest else "number__lt": last})
    order = "number" if oldest else "-number"
    numbers = list(chosen.order_by(order).values_list("number", flat=True)[: size + 1])
    found = tuple(rows.filter(number__in=numbers[:size]).order_by(order))
    return Page(found, str(numbers[size - 1]) if len(numbers) > size else None)


def page_by_time(rows: QuerySet[Any], before: str, *, field: str, size: int, oldest: bool = False) -> Page:
    """Return the next page after `before`, by time and then by key, newest first or `oldest` first."""
    start = place(before)
    sign, beyond = ("", "gt") if oldest else ("-", "lt")
    if start is not None:
        at, key = start
        # The first condition follows from the second, but with it the database starts at the right place of its index.
        later = Q(**{f"{field}__{beyond}": at}) | Q(**{field: at, f"pk__{beyond}": key})
        rows = rows.filter(**{f"{field}__{beyond}e": at}).filter(later)
    found = list(rows.order_by(f"{sign}{field}", f"{sign}pk")[: size + 1])
    more = len(found) > size
    return Page(
        tuple(found[:size]), f"{getattr(found[size - 1], field).isoformat()}~{found[size - 1].pk}" if more else None
    )


def place(before: str) -> tuple[datetime, int] | None:
    """Return the time and key in a Page's `after`; None: it is empty or malformed."""
    moment, _, text = before.partition("~")
    key = as_id(text)
    try:
        at = parse_datetime(moment)
        return (at.astimezone(UTC), key) if at is not None and at.tzinfo and key is not None else None
    except (ValueError, OverflowError):  # a month 13; a time that is outside the years 1 to 9999 in UTC
        return None
