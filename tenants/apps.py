"""Who is asking, and which rows they can reach."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.core import checks
from django.db import connection


class TenantsConfig(AppConfig):
    """The tenants app."""

    name = "tenants"


@checks.register(checks.Tags.database)
def check_schema(databases: Sequence[str] | None = None, **options: object) -> list[checks.CheckMessage]:
    """Refuse tables of another version; `migrate` runs this before it changes anything."""
    from tenants import schema  # noqa: PLC0415 -- models cannot be imported before the apps are loaded

    fault = schema.fault() if databases else ""
    return [checks.Error(fault, id="tenants.E001")] if fault else []


@checks.register(checks.Tags.database)
def check_rls(databases: Sequence[str] | None = None, **options: object) -> list[checks.CheckMessage]:
    """Warn of a database role that bypasses row-level security; `migrate` runs this."""
    if not databases or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            return []
    return [
        checks.Warning(
            "The role of DATABASE_URL bypasses row-level security: the second barrier between tenants is missing.",
            hint="Use a role that is no superuser and has no BYPASSRLS.",
            id="tenants.W001",
        )
    ]
