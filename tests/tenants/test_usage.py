"""Metering: every call is counted by endpoint and day, without a write per call."""

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tenants import usage
from tenants.models import UsageDay
from tests.conftest import ArgosClient, Customer


def _calls(customer: Customer) -> dict[str, int]:
    days = UsageDay.objects.of(customer.tenant).filter(day=timezone.now().date())
    return dict(days.values_list("operation", "calls"))


def test_calls_add_up_over_flushes(acme: Customer, globex: Customer) -> None:
    """Check 21: each tenant's calls are its own, and a second flush adds to the first."""
    for _ in range(3):
        usage.count(acme.tenant, "argos POST search")
    usage.count(globex.tenant, "argos POST search")
    usage.flush()
    usage.count(acme.tenant, "argos POST search")
    usage.count(acme.tenant, "argos GET faces")
    usage.flush()
    assert _calls(acme) == {"argos POST search": 4, "argos GET faces": 1}
    assert _calls(globex) == {"argos POST search": 1}


def test_counting_writes_nothing(acme: Customer, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Check 21: no statement for a count, none for a flush of nothing."""
    usage.flush()
    with django_assert_num_queries(0):
        usage.flush()
        usage.count(acme.tenant, "x")
    usage.flush()


def test_counts_survive_a_lost_database(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check 16: counts that cannot be written are written later."""

    def away(*_: object, **__: object) -> None:
        raise DatabaseError

    usage.count(acme.tenant, "argos GET faces")
    with monkeypatch.context() as patched:
        patched.setattr("tenants.usage.transaction.atomic", away)
        usage.flush()
    usage.flush()
    assert _calls(acme) == {"argos GET faces": 1}


def test_a_request_is_counted_by_its_endpoint(acme: Customer, argos: ArgosClient) -> None:
    """Check 21: by the route of the URL configuration, without the caller's values."""
    argos("GET", "/faces", collectionId="people", page="1")
    usage.flush()
    assert _calls(acme) == {"argos GET faces": 1}
