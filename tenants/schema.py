"""Checks that the database's tables are those that this code expects.

Django compares only the names of migrations. A database of a newer version has migrations that this code does not know;
one that was migrated before a migration was edited has the right names but other columns. Both would fail at the first
query, so both are refused at the start. Only our own apps are checked: other packages remove migrations that they have
squashed.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

from django.apps import apps
from django.apps.registry import Apps
from django.conf import settings
from django.db import connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

Name: TypeAlias = tuple[str, str]


def fault() -> str:
    """Return why this code must not use the database, as a sentence; empty if it may, or after `migrate`.

    Raises:
        DatabaseError: the database does not answer or cannot be read.
    """
    if strange := unknown(applied()):
        return (
            f"This database was migrated by another version of the product: this one does not have "
            f"{', '.join(strange)}. "
            f"Start that version, or restore the backup from before the upgrade."
        )
    loader = MigrationLoader(connection)
    try:
        loader.check_consistent_history(connection)
    except InconsistentMigrationHistory as error:
        return f"This database's migrations were not applied in order: {error}"
    known = _applied() & set(loader.graph.nodes)
    models = apps if not pending() else loader.project_state(list(known)).apps
    if differing := sorted(_differing(models, {str(label) for label, _ in known})):
        return (
            f"This database is recorded as migrated, but its tables differ: {'; '.join(differing)}. A version between "
            f"releases made it, which cannot be upgraded: start with an empty database, or with that version."
        )
    return ""


def pending() -> list[str]:
    """Return the migrations that are not applied yet.

    Raises:
        DatabaseError: the database does not answer or cannot be read.
    """
    return [f"{app}.{name}" for app, name in sorted(_wanted() - _applied())]


def applied() -> list[str]:
    """Return the migrations that are applied, as "app.name".

    Raises:
        DatabaseError: the database does not answer or cannot be read.
    """
    return sorted(f"{app}.{name}" for app, name in _applied())


def unknown(names: Iterable[str]) -> list[str]:
    """Return those of the migrations ("app.name") that are of our apps, but not in this version."""
    pairs = {(app, name) for app, _, name in (each.partition(".") for each in names)}
    return [f"{app}.{name}" for app, name in sorted(pairs - _known()) if app in _ours()]


def _applied() -> set[Name]:
    return set(MigrationRecorder(connection).applied_migrations())


@cache
def _migrations() -> MigrationLoader:
    return MigrationLoader(None)


@cache
def _wanted() -> set[Name]:
    return set(_migrations().graph.nodes)


@cache
def _known() -> set[Name]:
    loaded = _migrations().disk_migrations
    return set(loaded) | {name for migration in loaded.values() for name in migration.replaces}


@cache
def _ours() -> set[str]:
    return {str(app.label) for app in apps.get_app_configs() if Path(app.path).parent == settings.BASE_DIR}


def _differing(models: Apps, labels: set[str]) -> Iterator[str]:
    """Compare the columns of our tables with those of the models; yield a phrase for each difference."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in models.get_models(include_auto_created=True):
            table = model._meta.db_table
            if model._meta.app_label not in _ours() & labels or not model._meta.managed:
                continue
            if table not in tables:
                yield f"there is no {table}"
                continue
            there = {column.name for column in connection.introspection.get_table_description(cursor, table)}
            wanted = {str(field.column) for field in model._meta.local_concrete_fields}
            if lacking := wanted - there:
                yield f"{table} lacks {', '.join(sorted(lacking))}"
            if strange := there - wanted:
                yield f"{table} has {', '.join(sorted(strange))}"
