"""What a cluster that distributes rows by tenant asks of a schema, such as Citus: config/deploy/citus.sql needs it."""

import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction

from collections_app.models import new_alias, new_uuid
from tenants.models import Tenant
from tenants.scope import TenantOwned, random_id
from tests.conftest import Customer

OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
OTHERS = [model for model in apps.get_models() if not issubclass(model, TenantOwned)]
SCRIPT = (settings.BASE_DIR / "config" / "deploy" / "citus.sql").read_text()
# Unique by chance: two tenants' values never meet, so that the tenant in the key changes nothing.
RANDOM_DEFAULTS = {random_id, new_uuid, new_alias}
RANDOM_VALUES = {("Invitation", "secret_hash"), ("ApiKey", "id"), ("CaptureToken", "id"), ("IndexSegment", "name")}


def _keys(model: type[models.Model]) -> Iterator[tuple[str, ...]]:
    yield from ((field.name,) for field in model._meta.concrete_fields if field.unique)
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            assert constraint.fields, f"{constraint.name} is over expressions"
            yield tuple(constraint.fields)
    assert not model._meta.unique_together


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model.__name__)
def test_a_unique_key_has_the_tenant_or_a_row_of_one_or_is_random(model: type[TenantOwned]) -> None:
    for key in _keys(model):
        fields = [model._meta.get_field(name) for name in key]
        in_a_tenant = any(
            field.name == "tenant" or (field.is_relation and issubclass(field.related_model, TenantOwned))  # type: ignore[arg-type]
            for field in fields
        )
        (first, *_) = fields
        random = getattr(first, "default", None) in RANDOM_DEFAULTS or (model.__name__, first.name) in RANDOM_VALUES
        counted = isinstance(first, models.AutoField | models.BigAutoField)  # one sequence for all nodes
        assert in_a_tenant or random or counted, f"{model.__name__}{key}"


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model.__name__)
def test_a_row_refers_to_rows_of_its_tenant_or_to_what_every_node_has(model: type[TenantOwned]) -> None:
    everywhere = {Tenant, apps.get_model(settings.AUTH_USER_MODEL)}
    assert not model._meta.get_field("tenant").null
    for field in model._meta.concrete_fields:
        if field.is_relation:
            assert issubclass(field.related_model, TenantOwned) or field.related_model in everywhere, field  # type: ignore[arg-type]


@pytest.mark.parametrize("model", OTHERS, ids=lambda model: model.__name__)
def test_what_belongs_to_no_tenant_refers_to_no_tenants_row(model: type[models.Model]) -> None:
    for field in model._meta.concrete_fields:
        assert not (field.is_relation and issubclass(field.related_model, TenantOwned)), field  # type: ignore[arg-type]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="it is PostgreSQL's own SQL")
def test_the_script_puts_the_tenant_into_every_key_and_relation(acme: Customer, globex: Customer) -> None:
    """All but the statements that only Citus has, in a transaction that is rolled back."""
    runs = (
        re.sub(r"-- 3\..*?-- 4\.", "-- 4.", SCRIPT, flags=re.DOTALL).replace("BEGIN;\n", "", 1).replace("COMMIT;", "")
    )
    tables = [model._meta.db_table for model in OWNED]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(runs)
        cursor.execute(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
            "WHERE i.indisunique AND c.relname = ANY(%s)",
            [tables],
        )
        unique = cursor.fetchall()
        assert {table for table, _ in unique} == set(tables)
        assert [definition for _, definition in unique if "tenant_id" not in definition] == []
        cursor.execute(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' "
            "AND conrelid::regclass::text = ANY(%s) AND confrelid::regclass::text = ANY(%s)",
            [tables, tables],
        )
        relations = cursor.fetchall()
        owned = [field for model in OWNED for field in model._meta.concrete_fields if field.is_relation]
        within = [field for field in owned if issubclass(field.related_model, TenantOwned)]  # type: ignore[arg-type]
        assert len(relations) == len(within)
        assert all(definition.startswith("FOREIGN KEY (tenant_id, ") for _, definition in relations)
        transaction.set_rollback(True)
