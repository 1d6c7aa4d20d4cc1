"""Statements of the path of every request, compiled once: Django's compiling takes longer than the database's answer.

    of_key = Prepared(lambda key: ApiKey.unscoped.filter(pk=key), str)
    [key] = of_key("fp_…")

The queryset is built once, with a placeholder for each parameter, and its SQL is kept; a call puts its values in their
places. It may return model rows (with select_related and annotations) or values_list, and no value may be None.
`insert` writes new rows of a model.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Field, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

_SIZES = (8, 32, 128, 1000)  # of lists: a shorter one repeats its last value
_TOGETHER = 500  # rows: times their columns fewer than the parameters that SQLite takes
_FIRST = 21_001  # placeholders of numbers: they fit every column and are no constant of any query


@dataclass(frozen=True, slots=True)
class _Plan:
    """A compiled query: for each parameter of its SQL the number of the call's value, or a constant."""

    sql: str
    places: Sequence[tuple[int | None, Any]]
    rows: Callable[[Iterable[tuple[Any, ...]]], list[Any]]


@dataclass(slots=True)
class Prepared:
    """A query with parameters of these kinds: int, str, datetime, or list (of int, up to 1,000 and not empty)."""

    build: Callable[..., QuerySet[Any, Any]]
    kinds: tuple[type, ...]
    _plans: dict[tuple[str, tuple[int, ...]], _Plan] = field(default_factory=dict)

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *kinds: type) -> None:
        """Keep the function that builds the queryset from the parameters."""
        self.build, self.kinds, self._plans = build, kinds, {}

    def __call__(self, *values: Any) -> list[Any]:  # noqa: ANN401 -- parameters of any query
        """Run the query; return its rows."""
        lists = [list(value) for value, kind in zip(values, self.kinds, strict=True) if kind is list]
        sizes = tuple(next(size for size in _SIZES if size >= len(one)) for one in lists)
        known = (connection.vendor, sizes)
        plan = self._plans.get(known) or self._plans.setdefault(known, self._compiled(sizes))
        flat: list[Any] = []
        padded = iter([*one, *one[-1:] * (size - len(one))] for one, size in zip(lists, sizes, strict=True))
        for value, kind in zip(values, self.kinds, strict=True):
            if kind is datetime:
                flat.append(connection.ops.adapt_datetimefield_value(value))
            else:
                flat += next(padded) if kind is list else [value]
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, [constant if at is None else flat[at] for at, constant in plan.places])
            return plan.rows(cursor.fetchall())

    def _compiled(self, sizes: tuple[int, ...]) -> _Plan:
        placeholders: list[Any] = []
        flat: list[Any] = []
        left = list(sizes)
        for kind in self.kinds:
            many = left.pop(0) if kind is list else 1
            ones = [_placeholder(kind, len(flat) + number) for number in range(many)]
            placeholders.append(ones if kind is list else ones[0])
            flat += ones
        compared = [connection.ops.adapt_datetimefield_value(m) if isinstance(m, datetime) else m for m in flat]
        queryset = self.build(*placeholders)
        compiler = queryset.query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        places = [(compared.index(one), None) if one in compared else (None, one) for one in params]
        return _Plan(sql, places, _reader(queryset, compiler))


def _placeholder(kind: type, number: int) -> Any:  # noqa: ANN401 -- a value of the kind
    if kind is str:
        return f"placeholder {number}"
    return datetime(1971, 1, 1, number % 24, tzinfo=UTC) if kind is datetime else _FIRST + number


def _reader(queryset: QuerySet[Any, Any], compiler: Any) -> Callable[[Iterable[tuple[Any, ...]]], list[Any]]:  # noqa: ANN401 -- Django's compilers have no types
    """Return the function that turns the database's rows into the query's, as Django's ModelIterable does."""
    converters = compiler.get_converters([one[0] for one in compiler.select])
    select, info, database = compiler.select, compiler.klass_info, queryset.db

    def converted(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
        return list(map(tuple, compiler.apply_converters(rows, converters) if converters else rows))

    if queryset._iterable_class is not ModelIterable:  # noqa: SLF001 -- values_list: Django has no name for the question
        return converted
    first, last = info["select_fields"][0], info["select_fields"][-1] + 1
    names = [one[0].target.attname for one in select[first:last]]
    related = get_related_populators(info, select, database)  # type: ignore[call-arg]  # the stubs are ahead
    annotated = compiler.annotation_col_map

    def instances(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
        made = []
        for row in converted(rows):
            one = info["model"].from_db(database, names, row[first:last])
            for populator in related:
                populator.populate(row, one)
            for name, place in annotated.items():
                setattr(one, name, row[place])
            made.append(one)
        return made

    return instances


def insert(rows: Sequence[Model]) -> None:
    """Insert new rows of one model, as bulk_create does: up to _TOGETHER with one statement.

    They must have their primary keys.
    """
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        sql, fields = _insertion(type(rows[0]), connection.vendor)
        values = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(some))
        prepared = (
            field.get_db_prep_save(field.pre_save(row, add=True), connection) for row in some for field in fields
        )
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} {values}", list(prepared))
        for row in some:
            row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 -- as bulk_create


@cache
def _insertion(model: type[Model], vendor: str) -> tuple[str, Sequence["Field[Any, Any]"]]:
    """Return the statement up to its values, and the fields of these."""
    fields = model._meta.concrete_fields
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES", fields
