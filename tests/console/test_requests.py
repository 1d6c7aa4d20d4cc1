"""The request log: what each call with a key left, without anything that was sent, at no statement of its own."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import expect

from collections_app import stores
from collections_app.models import Collection, SearchRecord
from collections_app.operations.collections import delete_collection
from collections_app.tasks import purge_collection, purge_searches
from tenants import commits
from tenants.models import LoggedRequest
from tests.conftest import ArgosClient, Customer
from tests.console.conftest import member, page_url, signed_in
from tests.make import base64_of, portrait

pytestmark = pytest.mark.django_db

BODY = {"collectionId": "people", "requestName": "a visitor", "faceImage": base64_of(portrait("obama"))}


def _logged(acme: Customer) -> list[LoggedRequest]:
    commits.write_deferred()
    return list(LoggedRequest.objects.of(acme.tenant).order_by("at", "pk"))


def test_a_call_is_logged_with_how_it_was_answered(acme: Customer, argos: ArgosClient) -> None:
    assert argos("POST", "/search", BODY).status_code == 200
    refused = argos("POST", "/search", {**BODY, "faceImage": "A name"})
    found, wrong = _logged(acme)
    assert (found.via, found.operation, found.status, found.code) == ("argos", "POST search", 200, "")
    assert (found.key, found.collection_id) == (acme.issued.key.pk, acme.people.pk)
    assert found.request_id == SearchRecord.objects.of(acme.tenant).get().request_id
    assert wrong.status == refused.status_code
    assert wrong.code == str(refused.json()["errorCode"])
    assert wrong.reason == refused["X-Reason"]
    kept = str([list(vars(one).values()) for one in (found, wrong)])
    assert not any(word in kept for word in ("a visitor", "A name", BODY["faceImage"][:40]))


def test_a_call_costs_no_statement_and_its_row_one_with_others(acme: Customer, argos: ArgosClient) -> None:
    argos("GET", "/faces", collectionId="people", page="1")
    with CaptureQueriesContext(connection) as seen:
        for _ in range(3):
            argos("GET", "/faces", collectionId="people", page="1")
    assert [one["sql"] for one in seen if "loggedrequest" in one["sql"]] == []
    with CaptureQueriesContext(connection) as seen:
        assert len(_logged(acme)) == 4
    assert len([one for one in seen if one["sql"].startswith("INSERT")]) == 1


def test_refused_keys_are_logged_and_unknown_ones_are_not(acme: Customer, argos: ArgosClient) -> None:
    ArgosClient(f"{acme.issued.key.pk}.{'x' * 43}")("GET", "/faces", collectionId="people", page="1")
    ArgosClient(f"nobody.{'x' * 43}")("GET", "/faces", collectionId="people", page="1")
    assert _logged(acme) == []
    type(acme.issued.key).unscoped.filter(pk=acme.issued.key.pk).update(revoked_at=timezone.now())
    argos("GET", "/faces", collectionId="people", page="1")
    (refused,) = _logged(acme)
    assert (refused.key, refused.reason) == (acme.issued.key.pk, "the key was revoked")


def test_rows_wait_for_a_database_that_is_away(
    acme: Customer, argos: ArgosClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    argos("GET", "/faces", collectionId="people", page="1")

    def away(*_: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr("tenants.commits._transact", away)
        commits.write_deferred()
    assert len(_logged(acme)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_log_is_forgotten_after_its_days_and_with_its_collection(acme: Customer, argos: ArgosClient) -> None:
    argos("GET", "/faces", collectionId="people", page="1")
    argos("GET", "/nothing")
    assert len(_logged(acme)) >= 1
    LoggedRequest.objects.of(acme.tenant).update(at=timezone.now() - timedelta(days=29))
    purge_searches.run()
    assert LoggedRequest.objects.of(acme.tenant).filter(collection_id=acme.people.pk).exists()
    receipt = delete_collection(acme.caller, name="people")
    assert stores.REQUEST_LOG.left(receipt)
    purge_collection.run(acme.people.pk)
    assert stores.REQUEST_LOG.left(receipt) == 0
    argos("GET", "/faces", collectionId="people", page="1")
    commits.write_deferred()
    LoggedRequest.objects.of(acme.tenant).update(at=timezone.now() - timedelta(days=31))
    purge_searches.run()
    assert not LoggedRequest.objects.of(acme.tenant).exists()


def test_each_filter_finds_what_it_says(acme: Customer, argos: ArgosClient) -> None:
    argos("POST", "/search", BODY)
    argos("POST", "/search", {**BODY, "faceImage": "A"})
    found, wrong = _logged(acme)
    client = signed_in(member(acme, "auditor"))

    def listed(**query: str) -> set[int]:
        return {one.pk for one in client.get(page_url("requests"), query).context["found"].rows}

    both = {found.pk, wrong.pk}
    assert listed() == both
    assert listed(answer="answered") == {found.pk}
    assert listed(answer="refused") == listed(answer="unsuccessful") == listed(code=wrong.code) == {wrong.pk}
    assert listed(answer="failed") == listed(via="nhn") == listed(key="other") == listed(collection="x") == set()
    assert listed(request_id=found.request_id) == {found.pk}
    assert listed(via="argos", operation="search", key=found.key, since=str(found.at.date())) == both
    assert listed(collection="PEOPLE") == both


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_failed_call_is_found_in_two_clicks(
    acme: Customer, crowd: Collection, argos: ArgosClient, visit: Any
) -> None:
    """From the list of keys: the failures of a key today, then what was wrong. By a request's id it takes as many."""
    argos("POST", "/search", BODY)
    refused = argos("POST", "/search", {**BODY, "collectionId": "Elsewhere"})
    found, _ = _logged(acme)
    page = visit(member(acme, "owner"), page_url("keys"))
    page.get_by_role("link", name="Failures today").first.click()
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("row").last.get_by_role("link").click()
    expect(page.get_by_role("main")).to_contain_text(refused["X-Reason"])
    expect(page.get_by_role("main")).to_contain_text(str(refused.json()["errorCode"]))
    page.goto(f"{page_url('requests')}?request_id={found.request_id}")
    page.get_by_role("row").last.get_by_role("link").click()
    page.get_by_role("link", name="Open the search").click()
    expect(page.get_by_role("heading", name="Why it is for review")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name=found.request_id).click()
    page.get_by_role("row").last.get_by_role("link").click()
    page.get_by_role("link", name="Audit entries of this request").click()
    expect(page.get_by_role("main")).to_contain_text("collection searched")
