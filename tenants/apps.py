"""Who is asking, and which rows they can reach."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.core import checks
from django.db import connection


class TenantsConfig(AppConfig):
    """The tenants app."""

    name = "tenants"


@checks.register(checks.Tags.database)
def the_schema_is_known(databases: Sequence[str] | None = None, **options: object) -> list[checks.CheckMessage]:
    """Refuse tables that another version made; `migrate` runs this before it changes anything."""
    from tenants import schema  # noqa: PLC0415 -- the apps are loaded only now

    fault = schema.fault() if databases else ""
    return [checks.Error(fault, id="tenants.E001")] if fault else []


@checks.register(checks.Tags.database)
def check_rls(databases: Sequence[str] | None = None, **options: object) -> list[checks.CheckMessage]:
    """Warn of a role whom row-level security does not hold; `migrate` runs this."""
    if not databases or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            return []
    return [
        checks.Warning(
            "No row-level security holds the role of DATABASE_URL: the second wall between tenants does not stand.",
            hint="Use a role that is no superuser and has no BYPASSRLS.",
            id="tenants.W001",
        )
    ]
