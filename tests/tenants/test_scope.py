"""A query on a tenant's rows names the tenant, or raises."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import models

from collections_app.models import Collection
from tenants.models import Tenant
from tenants.scope import TenantOwned, UnscopedQuery
from tests.conftest import Customer

OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
UNSCOPED: list[Callable[[type[TenantOwned]], object]] = [
    lambda model: model.objects.all(),
    lambda model: model.objects.filter(pk=1),
    lambda model: model.objects.get(pk=1),
    lambda model: model.objects.first(),
    lambda model: model.objects.count(),
    lambda model: model.objects.exists(),
    lambda model: model.objects.values_list("pk"),
    lambda model: model.objects.in_bulk([1]),
    lambda model: model.objects.create(),
    lambda model: model.objects.none(),
]


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model.__name__)
@pytest.mark.parametrize("query", UNSCOPED, ids=range(len(UNSCOPED)))
def test_no_query_is_built_before_the_tenant_is_named(
    model: type[TenantOwned], query: Callable[[type[TenantOwned]], object]
) -> None:
    with pytest.raises(UnscopedQuery, match="Name the tenant"):
        query(model)


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model.__name__)
def test_nobody_is_not_everybody(model: type[TenantOwned]) -> None:
    for unsaved in (None, Tenant(id=None)):
        with pytest.raises(UnscopedQuery):
            model.objects.of(unsaved)  # type: ignore[arg-type]  # as unchecked code would


def test_a_tenant_sees_its_own_rows(acme: Customer, globex: Customer) -> None:
    assert list(Collection.objects.of(acme.tenant)) == [acme.people]
    assert list(Collection.objects.of(globex.tenant)) == [globex.people]


def test_relations_start_at_a_row_of_the_tenants(acme: Customer) -> None:
    assert acme.people.faces.count() == 0


def test_the_plain_manager_stands_first() -> None:
    """Django takes the first manager for relations, cascades and the admin."""
    for model in OWNED:
        assert model._meta.default_manager is not None
        assert model._meta.default_manager.name == "unscoped"


def test_a_row_becomes_the_instance_that_django_makes(acme: Customer) -> None:
    """Also if fields of it are deferred."""
    names = [field.attname for field in Collection._meta.concrete_fields]
    [values] = Collection.objects.of(acme.tenant).values_list(*names)
    made = Collection.from_db("default", names, values)
    expected = models.Model.from_db.__func__(Collection, "default", names, values)  # type: ignore[attr-defined]
    assert {**vars(made), "_state": None} == {**vars(expected), "_state": None}
    assert (made._state.adding, made._state.db) == (False, "default")  # noqa: SLF001
    short = Collection.objects.of(acme.tenant).only("name").get()
    assert (short.get_deferred_fields(), short.state) == (set(names) - {"id", "name"}, made.state)
