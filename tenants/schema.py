"""Whether the tables are those that this code was written for.

Django compares the names of migrations alone. A database of a newer version has names that this code does not know; one
that was migrated before a migration was edited has all the names and other columns. Both would answer 500 to what they
are asked, so both are told before anybody asks. Only the tables of our own apps are looked at: other packages remove
migrations that they have squashed.
"""

from collections.abc import Iterator
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
    """Return in a sentence why this code must not work with the database's tables; empty: it may, or has to migrate.

    Raises:
        DatabaseError: the database is away or cannot be read.
    """
    applied = _applied()
    if strange := sorted(name for name in applied - _known() if name[0] in _ours()):
        return (
            f"This database was migrated by another version of the product: {_listed(strange)} cannot be found here. "
            f"Start the version that made it, or restore the backup that was made before that upgrade."
        )
    loader = MigrationLoader(connection)
    try:
        loader.check_consistent_history(connection)
    except InconsistentMigrationHistory as error:
        return f"This database's migrations were not applied in their order: {error}"
    known = applied & set(loader.graph.nodes)
    models = apps if not pending() else loader.project_state(list(known)).apps
    if differing := sorted(_differing(models, {str(label) for label, _ in known})):
        return (
            f"This database says that it is migrated, but its tables are others: {'; '.join(differing)}. It was made "
            f"by a version between releases, which cannot be upgraded: begin with an empty database, or start the "
            f"version that made it."
        )
    return ""


def pending() -> list[str]:
    """Return the migrations that wait to be applied.

    Raises:
        DatabaseError: the database is away or cannot be read.
    """
    return [f"{app}.{name}" for app, name in sorted(_wanted() - _applied())]


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
    """Compare the columns of our tables with those of the models."""
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


def _listed(names: list[Name]) -> str:
    return ", ".join(f"{app}.{name}" for app, name in names)
