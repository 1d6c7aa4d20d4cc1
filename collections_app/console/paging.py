"""Pages of long lists by the last row seen: the thousandth page is as quick as the first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows; `after` tells the next page where to go on, None where there is none."""

    rows: tuple[Any, ...]
    after: str | None


def page_by_number(rows: QuerySet[Any], before: str, *, size: int) -> Page:
    """Return the rows numbered under `before`; the query is in descending order of `number`."""
    if before.isdecimal():
        rows = rows.filter(number__lt=int(before))
    return _cut(rows, size, lambda row: str(row.number))


def page_by_time(rows: QuerySet[Any], before: str, *, field: str, size: int) -> Page:
    """Return the rows older than `before`; the query is in descending order of the field, then of the key."""
    moment, _, key = before.partition("~")
    at = parse_datetime(moment) if key.isdecimal() else None
    if at is not None:
        rows = rows.filter(Q(**{f"{field}__lt": at}) | Q(**{field: at, "pk__lt": int(key)}))
    return _cut(rows, size, lambda row: f"{getattr(row, field).isoformat()}~{row.pk}")


def _cut(rows: QuerySet[Any], size: int, place: Callable[[Any], str]) -> Page:
    found = list(rows[: size + 1])
    return Page(tuple(found[:size]), place(found[size - 1]) if len(found) > size else None)
