"""Group commit: many pieces of work in one transaction, as the committer of a web process does them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tenants import audit, commits, rls
from tenants.models import AuditEntry, AuditHead, Webhook
from tests.conftest import Customer, make_customer


def _work(customer: Customer, do: Callable[[], Any]) -> commits.Work:
    with rls.one_tenant(customer.tenant):  # as in a request
        return commits.Work(customer.tenant, do, None, ())


def _search(customer: Customer, name: str, record: Any = audit.record_unchained) -> Callable[[], str]:
    def do() -> str:
        record(customer.caller, "collection.searched", customer.people, name=name)
        return name

    return do


def _names(customer: Customer) -> list[str]:
    entries = AuditEntry.objects.of(customer.tenant).filter(action="collection.searched").order_by("pk")
    return [entry.facts["name"] for entry in entries]


def test_all_is_done_in_one_transaction_and_no_head_is_locked(acme: Customer, globex: Customer) -> None:
    works = [_work(customer, _search(customer, f"{n}")) for n in range(5) for customer in (globex, acme)]
    with CaptureQueriesContext(connection) as seen:
        commits.together(works)
    assert [work.result for work in works] == [f"{n}" for n in range(5) for _ in range(2)]
    assert not [query for query in seen if "audithead" in query["sql"]]
    assert sum(query["sql"].startswith("INSERT") for query in seen) == 2
    for customer in (acme, globex):
        assert _names(customer) == ["0", "1", "2", "3", "4"]
        assert audit.verify(customer.tenant).sound


def test_bad_work_fails_alone(acme: Customer, globex: Customer) -> None:
    def bad() -> None:
        audit.record(acme.caller, "collection.searched", acme.people, name="bad")
        raise LookupError

    works = [_work(acme, _search(acme, "a")), _work(acme, bad), _work(globex, _search(globex, "b"))]
    commits.together(works)
    assert [type(work.error) for work in works] == [type(None), LookupError, type(None)]
    assert (_names(acme), _names(globex)) == (["a"], ["b"])
    assert audit.verify(acme.tenant).sound


def test_a_row_that_the_database_refuses_fails_alone(acme: Customer) -> None:
    """It is refused when the rows of all are inserted, after each piece of work was done."""

    def bad() -> None:
        commits.insert(Webhook(tenant=acme.tenant, pk=7, url="a"))
        commits.insert(Webhook(tenant=acme.tenant, pk=7, url="b"))

    works = [_work(acme, _search(acme, "a")), _work(acme, bad)]
    commits.together(works)
    assert works[0].error is None
    assert works[1].error is not None
    assert (_names(acme), Webhook.objects.of(acme.tenant).count()) == (["a"], 0)


def test_a_tenant_without_a_chain_holds_nobody_else_up(acme: Customer, globex: Customer) -> None:
    AuditHead.objects.of(acme.tenant).delete()
    works = [_work(acme, _search(acme, "a", audit.record)), _work(globex, _search(globex, "b", audit.record))]
    commits.together(works)
    assert isinstance(works[0].error, AuditHead.DoesNotExist)
    assert (works[1].error, _names(globex)) == (None, ["b"])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row-level security")
def test_work_reaches_its_own_tenants_rows_only(acme: Customer, globex: Customer) -> None:
    def reached() -> set[int]:
        return set(AuditHead.unscoped.values_list("tenant_id", flat=True))

    works = [_work(customer, reached) for customer in (acme, globex, acme)]
    with rls.reach(rls.NOBODY):
        commits.together(works)
    assert [work.result for work in works] == [{acme.tenant.pk}, {globex.tenant.pk}, {acme.tenant.pk}]


def test_after_the_commit_and_not_before(acme: Customer) -> None:
    done: list[str] = []
    work = _work(acme, lambda: commits.after_commit(lambda: done.append("x")))
    commits.together([work])
    assert done == []
    assert len(work.after) == 1


def test_rows_to_insert_are_seen_until_they_are(acme: Customer) -> None:
    def do() -> list[str]:
        commits.insert(Webhook(tenant=acme.tenant, url="a"))
        seen = [hook.url for hook in commits.inserted(Webhook)]
        commits.flush(Webhook)
        return [*seen, str(len(commits.inserted(Webhook)))]

    assert commits.commit(acme.tenant, do) == ["a", "0"]
    assert Webhook.objects.of(acme.tenant).count() == 1


@pytest.mark.django_db(transaction=True)
def test_elsewhere_each_piece_has_its_own_transaction() -> None:
    acme = make_customer("acme")
    assert commits.commit(acme.tenant, lambda: connection.in_atomic_block) is True
    with transaction.atomic():
        commits.commit(acme.tenant, _search(acme, "rolled back"))
        transaction.set_rollback(True)
    assert _names(acme) == []
