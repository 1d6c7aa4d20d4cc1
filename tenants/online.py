"""Which migrations may run while processes of the version before still serve, on PostgreSQL.

Those processes neither name a new column nor know a changed one, and a statement that locks a large table for long
makes their requests wait. So a migration is online if it only makes tables, and columns that the database itself fills.
"""

from collections.abc import Iterator

from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    RunPython,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field

from tenants import rls


def reasons(name: str) -> list[str]:
    """Return why the migration ("app.name") needs the services stopped; empty: it may run beside them."""
    loader = MigrationLoader(None)
    app, _, short = name.partition(".")
    migration = loader.disk_migrations[app, short]
    state = loader.project_state([(app, short)], at_end=False)
    return list(_reasons(migration, state))


def _reasons(migration: Migration, state: ProjectState) -> Iterator[str]:
    made: set[str] = set()
    for operation in migration.operations:
        if isinstance(operation, CreateModel):
            made.add(operation.name_lower)
        elif reason := _reason(operation, migration.app_label, state, made):
            yield reason
        operation.state_forwards(migration.app_label, state)


def _reason(operation: Operation, app: str, state: ProjectState, made: set[str]) -> str:
    """Return why the old version cannot serve meanwhile; `made` are tables that it does not know."""
    if getattr(operation, "model_name", "").lower() in made:
        return ""
    if isinstance(operation, RunPython):  # those of rls make the policies of new tables
        return "" if operation.code.__module__ == rls.__name__ else "rows are rewritten"
    if isinstance(operation, AddField):
        filled = operation.field.null or operation.field.has_db_default()
        return "" if filled else f"{operation.model_name}.{operation.name} is not filled by the database"
    if isinstance(operation, AlterField):
        before = state.models[app, operation.model_name_lower].get_field(operation.name)
        same = _in_database(before) == _in_database(operation.field)
        return "" if same else f"the column {operation.model_name}.{operation.name} changes"
    if isinstance(operation, AddIndex | AddConstraint):
        return f"writes to {operation.model_name} wait while an index is built"
    return str(operation.describe())


def _in_database(field: "Field[object, object]") -> tuple[object, ...]:
    """Return what the database has of a field."""
    _, path, arguments, options = field.deconstruct()
    ours = (*field.non_db_attrs, "default")
    return path, arguments, {name: value for name, value in options.items() if name not in ours}
