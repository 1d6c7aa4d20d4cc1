"""The second wall between tenants: PostgreSQL's row-level security, behind `Model.objects.of(tenant)` (tenants.scope).

Every table of tenant-owned rows has a policy that compares a row's tenant with what the session says, so that a query
that forgot its WHERE answers with one tenant's rows, and a row cannot be written into another's. A session says

- one tenant, in a request, from when its Caller is known until it is answered;
- nobody, in a web server's process at every other time: what asks without a Caller finds nothing and writes nothing;
- everybody, in the look-ups that find out who is calling (tenants.access), in the counts of usage, in the operator's
  admin, and in commands and workers, whose work is over all tenants. There the first wall stands alone.

It is said again on every new connection and taken back at the end of every request, so neither a lost nor a kept
connection carries it on; a pooler between must pool sessions, not transactions. The tables' owner is held like any
other role, but no wall holds a superuser or a role with BYPASSRLS. SQLite has no such wall, and is told nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.apps.registry import Apps
from django.db import DatabaseError, connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.signals import connection_created
from django.db.migrations import RunPython
from django.dispatch import receiver
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

if TYPE_CHECKING:
    from tenants.models import Tenant

NOBODY, EVERYBODY = "", "0"  # no tenant has the id 0
_SAY = "SELECT set_config('faceplane.tenant', %s, false)"
_RAISE = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON {table} USING (
    current_setting('faceplane.tenant', true) = '0'
    OR tenant_id = NULLIF(current_setting('faceplane.tenant', true), '')::bigint
);
"""
_outside = EVERYBODY  # what a session says while nothing else was said
_said: ContextVar[str | None] = ContextVar("wall", default=None)


def raised(app_label: str, *names: str) -> RunPython:
    """Return the migration's step that gives each tenant-owned table of the app, or each named one, its policy."""

    def forward(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
        if schema.connection.vendor != "postgresql":
            return
        for model in apps.get_app_config(app_label).get_models():
            owned = any(field.name == "tenant" for field in model._meta.fields)
            if owned and (not names or model._meta.model_name in names):
                schema.execute(_RAISE.format(table=schema.quote_name(model._meta.db_table)))

    return RunPython(forward, RunPython.noop)


def shut() -> None:
    """Have every session of this process say nobody from now on, unless more is said: a web server's process."""
    global _outside  # noqa: PLW0603 -- one kind of process, said once at its start
    _outside = NOBODY
    connection.close()


@contextmanager
def saying(value: str) -> Iterator[None]:
    """Say a tenant's id, NOBODY or EVERYBODY, and afterwards what was said before."""
    before = _said.get()
    try:
        _say(value)
        yield
    finally:
        try:
            _say(before)
        except DatabaseError:  # the line is dead, or a transaction failed and undoes what was said in it
            if not connection.in_atomic_block:
                connection.close()


@contextmanager
def everybody() -> Iterator[None]:
    """Reach every tenant's rows, in a block or as a decorator."""
    with saying(EVERYBODY):
        yield


@contextmanager
def only(tenant: "Tenant") -> Iterator[None]:
    """Reach one tenant's rows, in a block."""
    with saying(str(tenant.pk)):
        yield


def narrow(tenant: "Tenant") -> None:
    """Reach one tenant's rows until the end of the request (`before_callers` takes it back)."""
    _say(str(tenant.pk))


def before_callers(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Begin each request with nobody, and the operator's in the admin with everybody; end it as it was before."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        operator = request.path.startswith(reverse("admin:index")) and request.user.is_staff
        with saying(EVERYBODY if operator else NOBODY):
            response = get_response(request)
            if isinstance(response, StreamingHttpResponse) and _wanted() != NOBODY:
                response.streaming_content = _streamed(response.streaming_content, _wanted())  # type: ignore[arg-type]
            return response

    return answer


def _streamed(content: Iterator[bytes], value: str) -> Iterator[bytes]:
    """Read what is still to be read of an answer with the reach that it began with."""
    with saying(value):
        yield from content


def _wanted() -> str:
    said = _said.get()
    return _outside if said is None else said


def _say(value: str | None) -> None:
    before = _wanted()
    _said.set(value)
    if _wanted() == before or connection.vendor != "postgresql":
        return
    connection.close_if_health_check_failed()
    if connection.connection is not None:
        _tell(connection)


@receiver(connection_created)
def _greet(connection: Any, **_: object) -> None:  # noqa: ANN401 -- a signal's receiver
    """Say it on a new connection: the server may have gone and come back in the middle of a request."""
    if connection.vendor == "postgresql" and _wanted() != NOBODY:
        _tell(connection)


def _tell(database: Any) -> None:  # noqa: ANN401 -- a connection, or Django's proxy of one
    """Say it; not as one of Django's own queries, whose number tests hold."""
    with database.wrap_database_errors:
        database.connection.execute(_SAY, [_wanted()])
