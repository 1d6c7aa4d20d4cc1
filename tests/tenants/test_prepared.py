"""Queries that are compiled once."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tenants.models import ApiKey, Tenant
from tenants.prepared import Prepared
from tests.conftest import Customer

KEYS = Prepared(
    lambda tenant, name, since: (
        ApiKey.objects.of(Tenant(pk=tenant)).select_related("tenant").filter(name=name, created_at__gt=since)
    ),
    int,
    str,
    datetime,
)
COUNTS = Prepared(
    lambda tenants: Tenant.objects.filter(pk__in=tenants).values_list("slug").annotate(n=Count("pk")).order_by("slug"),
    list,
)


def test_rows_are_those_of_the_queryset(acme: Customer, globex: Customer) -> None:
    hour = timezone.now() - timedelta(hours=1)
    for customer in (acme, globex):
        [key] = KEYS(customer.tenant.pk, "tests", hour)
        expected = ApiKey.objects.of(customer.tenant).select_related("tenant").get()
        assert {name: getattr(key, name) for name in vars(expected) if name != "_state"} == {
            name: value for name, value in vars(expected).items() if name != "_state"
        }
        assert (key.tenant, key.tenant.created_at) == (expected.tenant, expected.tenant.created_at)
    assert KEYS(acme.tenant.pk, "tests", timezone.now()) == []
    assert KEYS(acme.tenant.pk, "mark 1", hour) == []


def test_one_statement_and_no_other_for_related_rows(acme: Customer) -> None:
    with CaptureQueriesContext(connection) as seen:
        [key] = KEYS(acme.tenant.pk, "tests", timezone.now() - timedelta(hours=1))
        assert key.tenant.slug == "acme"
    assert len(seen) == 1


@pytest.mark.parametrize("more", [0, 1, 7, 8, 40])
def test_a_list_may_have_any_length(more: int, acme: Customer, globex: Customer) -> None:
    ids = [acme.tenant.pk, globex.tenant.pk, *range(1, more + 1)]
    assert COUNTS(ids) == [("acme", 1), ("globex", 1)]


def test_a_saved_row_of_it_is_saved_in_its_own_database(acme: Customer) -> None:
    [key] = KEYS(acme.tenant.pk, "tests", timezone.now() - timedelta(hours=1))
    key.name = "renamed"
    key.save(update_fields=["name"])
    assert ApiKey.objects.of(acme.tenant).get().name == "renamed"
