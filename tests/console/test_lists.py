"""Long lists: the same queries at any length, no gap between pages, invalid cursors and dates."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from collections_app.models import Collection
from tests.conftest import Customer
from tests.console.conftest import member, page_url, recognised, signed_in


def test_a_list_of_faces_takes_the_same_queries_at_any_length(
    acme: Customer, crowd: Collection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in(member(acme, "auditor"))
    with django_assert_num_queries(18):
        client.get(page_url("faces", alias=crowd.alias))
    with django_assert_num_queries(18):
        client.get(page_url("faces", alias=crowd.alias), {"person": "obama", "quality": "none", "before": "5"})


def test_pages_of_faces_follow_one_another_without_a_gap(acme: Customer, crowd: Collection, monkeypatch: Any) -> None:
    monkeypatch.setattr("collections_app.console.views.faces._PAGE", 2)
    client, seen = signed_in(member(acme, "auditor")), []
    query: dict[str, str] = {}
    for _ in range(3):
        found = client.get(page_url("faces", alias=crowd.alias), query).context["found"]
        seen += [face.number for face in found.rows]
        query = {"before": found.after}
    assert seen == [5, 4, 3, 2, 1]
    assert found.after is None


@pytest.mark.parametrize(
    "before",
    [
        "2024-13-45T00:00:00Z~1",
        "2000-01-01T00:00:00~1",
        "0001-01-01T00:00:00+14:00~1",
        "2000-01-01T00:00:00Z~x",
        f"2000-01-01T00:00:00Z~{2**63}",
        str(2**63),
    ],
)
def test_a_place_that_no_page_ended_with_is_none(acme: Customer, crowd: Collection, before: str) -> None:
    """Month 13, a time without a zone, one before year 1, no key, a key too large: the list starts at its beginning."""
    recognised(acme, "obama")
    auditor = signed_in(member(acme, "auditor"))
    of_crowd = [page_url(name, alias=crowd.alias) for name in ("people", "faces")]
    for address in (*of_crowd, page_url("searches")):
        shown, first = auditor.get(address, {"before": before}), auditor.get(address)
        assert shown.status_code == 200
        assert shown.context["found"].rows == first.context["found"].rows != ()
    for name in ("receipts", "audit"):
        assert auditor.get(page_url(name), {"before": before}).status_code == 200


def test_a_list_may_reach_from_the_first_day_to_the_last(acme: Customer, crowd: Collection) -> None:
    """All representable dates; and both ends in the native API, in any zone."""
    recognised(acme, "obama")
    auditor = signed_in(member(acme, "auditor"))
    ever, never = {"since": "0001-01-01", "until": "9999-12-31"}, {"since": "9999-12-31", "until": "0001-01-01"}
    for address in (page_url("faces", alias=crowd.alias), page_url("searches")):
        assert auditor.get(address, ever).context["found"].rows == auditor.get(address).context["found"].rows != ()
        assert auditor.get(address, never).context["found"].rows == ()
    assert auditor.get(page_url("audit"), ever).context["found"].entries
    assert not auditor.get(page_url("audit"), never).context["found"].entries
    assert auditor.get(page_url("audit_export", form="csv"), ever).status_code == 200
    for moment in (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00-14:00",
    ):
        for name in ("since", "until"):
            answer = Client().get("/api/v1/audit", {name: moment}, headers={"x-api-key": acme.issued.token})
            assert answer.status_code == (200 if moment.endswith("Z") else 422)
            assert moment.endswith("Z") or name in answer.json()["errors"]
