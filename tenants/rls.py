"""PostgreSQL's row-level security: the second barrier between tenants, behind `Model.objects.of(tenant)`.

Every table of tenant-owned rows has a policy that compares a row's tenant with a setting of the session, so that a
query without a WHERE returns one tenant's rows only, and no row can be written into another tenant. The setting is

- one tenant's id, in a request, from the moment its Caller is known until it is answered;
- NOBODY, in a web process at all other times: a query without a Caller finds nothing and writes nothing;
- EVERYBODY, while a Caller is looked up (tenants.access), while usage is counted, in the operator's admin, and in
  commands and workers, which work for all tenants. There the WHERE is the only barrier.

It is set on every new connection and reset at the end of every request, so no connection carries it over. A connection
pooler must pool sessions, not transactions. The policies bind the tables' owner too, but neither superusers nor roles
with BYPASSRLS. SQLite has no row-level security; nothing is sent to it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps.registry import Apps
from django.db import DatabaseError, connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.signals import connection_created
from django.db.migrations import RunPython
from django.dispatch import receiver
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix, reverse

if TYPE_CHECKING:
    from tenants.models import Tenant

NOBODY, EVERYBODY = "", "0"  # no tenant has the id 0
_SET = "SELECT set_config('faceplane.tenant', %s, false)"
_ENABLE = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON {table} USING (
    current_setting('faceplane.tenant', true) = '0'
    OR tenant_id = NULLIF(current_setting('faceplane.tenant', true), '')::bigint
);
"""
_default = EVERYBODY  # where no value is set in the context
_value: ContextVar[str | None] = ContextVar("rls", default=None)


def enable(app_label: str, *names: str) -> RunPython:
    """Return the migration operation that creates the policies, on all tenant-owned tables of the app, or on some."""

    def forward(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
        if schema.connection.vendor != "postgresql":
            return
        for model in apps.get_app_config(app_label).get_models():
            owned = any(field.name == "tenant" for field in model._meta.fields)
            if owned and (not names or model._meta.model_name in names):
                schema.execute(_ENABLE.format(table=schema.quote_name(model._meta.db_table)))

    return RunPython(forward, RunPython.noop)


def deny_by_default() -> None:
    """Make NOBODY the default of this process: for web processes."""
    global _default  # noqa: PLW0603 -- set once, when the process starts
    _default = NOBODY
    connection.close()


@contextmanager
def reach(value: str) -> Iterator[None]:
    """Set a tenant's id, NOBODY or EVERYBODY for a block, then restore the former value."""
    before = _value.get()
    try:
        _set(value)
        yield
    finally:
        try:
            _set(before)
        except DatabaseError:  # the connection is lost, or a failed transaction's rollback restores the value
            if not connection.in_atomic_block:
                connection.close()


@contextmanager
def all_tenants() -> Iterator[None]:
    """Reach every tenant's rows, in a block or as a decorator."""
    with reach(EVERYBODY):
        yield


@contextmanager
def one_tenant(tenant: "Tenant") -> Iterator[None]:
    """Reach one tenant's rows, in a block."""
    with reach(str(tenant.pk)):
        yield


def set_tenant(tenant: "Tenant") -> None:
    """Reach one tenant's rows until the end of the request (`middleware` resets it)."""
    _set(str(tenant.pk))


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Start each request with NOBODY, an operator's in the admin with EVERYBODY; reset the value at its end."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        operator = request.path.startswith(_admin(get_script_prefix())) and request.user.is_staff
        with reach(EVERYBODY if operator else NOBODY):
            response = get_response(request)
            if isinstance(response, StreamingHttpResponse) and _current() != NOBODY:
                response.streaming_content = _streamed(response.streaming_content, _current())  # type: ignore[arg-type]
            return response

    return answer


@cache
def _admin(prefix: str) -> str:
    """Return the path of the operator's admin below a prefix: `reverse` takes longer than the rest of `answer`."""
    return reverse("admin:index")


def _streamed(content: Iterator[bytes], value: str) -> Iterator[bytes]:
    """Stream the rest of an answer with the value that was set when it began."""
    with reach(value):
        yield from content


def _current() -> str:
    value = _value.get()
    return _default if value is None else value


def _set(value: str | None) -> None:
    before = _current()
    _value.set(value)
    if _current() == before or connection.vendor != "postgresql":
        return
    connection.close_if_health_check_failed()
    if connection.connection is not None:
        _send(connection)


@receiver(connection_created)
def _set_on_new_connection(connection: Any, **_: object) -> None:  # noqa: ANN401 -- a signal's receiver
    """Send the value: the database may have been restarted in the middle of a request."""
    if connection.vendor == "postgresql" and _current() != NOBODY:
        _send(connection)


def _send(database: Any) -> None:  # noqa: ANN401 -- a connection, or Django's proxy of one
    """Send the value; not through Django's cursor, so that it does not count as a query in tests."""
    with database.wrap_database_errors:
        database.connection.execute(_SET, [_current()])
