"""Scores below the threshold are shown only to members with the scope `scores`, and each look is logged."""

import re
from typing import Any

import pytest
from django.urls import reverse

from collections_app.models import Collection, HealthReport, SearchRecord
from collections_app.operations.collections import update_collection
from collections_app.operations.search import search_by_image
from collections_app.tasks import examine_collection
from recognition.similarity import Threshold
from tenants.access import ROLE_SCOPES, Scope
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.make import portrait

ROLES = ["owner", "admin", "operator", "auditor"]


@pytest.fixture
def places(acme: Customer, crowd: Collection) -> dict[str, str]:
    """The pages that show scores between enrolled faces."""
    search_by_image(acme.caller, collection="people", image=portrait("ardern_2018"))
    record = SearchRecord.objects.of(acme.tenant).get()
    report = HealthReport.unscoped.create(tenant=acme.tenant, collection=crowd)
    sunak, macron = crowd.faces.get(person__reference="Sunak"), crowd.people.get(reference="Macron")
    sunak.person = macron
    sunak.save()
    examine_collection.run(report.pk)
    where: dict[str, dict[str, Any]] = {
        "face": {"alias": crowd.alias, "face": sunak.uuid},
        "person": {"alias": crowd.alias, "person": macron.pk},
        "health": {"alias": crowd.alias},
        "search": {"search": record.uuid},
    }
    return {name: reverse(f"console:{name}", kwargs={"tenant": "acme", **each}) for name, each in where.items()}


def _scores(answer: Any) -> list[float]:
    """Return the scores in a page's context."""
    page = answer.context
    pairs = [*page["health"].duplicates, *(page["health"].mixed or ())] if "health" in page else []
    pairs += [*page["neighbours"]] if "neighbours" in page else []
    pairs += [one for row in page["portrait"].mutual for one in row] if "portrait" in page else []
    pairs += [*page["explained"].candidates] if "explained" in page else []
    return [pair.score for pair in pairs if pair.score is not None]


def _looks(customer: Customer) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.of(customer.tenant).filter(action="collection.looked_below_floor").order_by("number")
    return [(entry.actor_name, entry.facts["what"]) for entry in entries]


PAGES = {"face": "neighbours", "person": "person", "health": "health", "search": "searches"}
NEEDS = {"search": Scope.AUDIT}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", PAGES)
def test_below_the_floor_only_owner_and_administrator_look_and_that_is_logged(
    acme: Customer, places: dict[str, str], role: str, page: str
) -> None:
    user = member(acme, role)
    client = signed_in(user)
    if NEEDS.get(page, Scope.READ) not in ROLE_SCOPES[role]:
        assert client.get(f"{places[page]}?below").status_code == 403
        return
    first = client.get(places[page])
    assert first.status_code == 200
    assert (b"Look below the threshold" in first.content) == (role in {"owner", "admin"})
    assert [score for score in _scores(first) if score < 85] == []
    assert b'class="fp-genuine"' not in first.content  # of few faces a histogram is a list of scores
    assert _looks(acme) == []
    below = client.get(f"{places[page]}?below")
    assert below.status_code == (200 if role in {"owner", "admin"} else 403)
    assert _looks(acme) == ([(user.get_username(), PAGES[page])] if role in {"owner", "admin"} else [])
    if role == "owner":
        assert [score for score in _scores(below) if score < 85]
        assert (b'class="fp-genuine"' in below.content) == (page == "health")


def test_the_search_log_s_list_shows_the_best_score_from_the_floor_on(
    acme: Customer, crowd: Collection, places: dict[str, str]
) -> None:
    auditor, log = signed_in(member(acme, "auditor")), reverse("console:searches", kwargs={"tenant": "acme"})
    assert "/ 85" not in auditor.get(log).content.decode()
    search_by_image(acme.caller, collection="people", image=portrait("obama"))
    assert re.search(r"100 <[^>]*>/ 85<", auditor.get(log).content.decode())
    del crowd, places


def test_the_policy_page_opens_a_lower_end_and_says_what_that_costs(acme: Customer, crowd: Collection) -> None:
    admin, page = (
        signed_in(member(acme, "admin")),
        reverse("console:collection", kwargs={"tenant": "acme", "alias": crowd.alias}),
    )
    assert b"About twenty scores below it can reconstruct a face." in admin.get(page).content
    form = admin.get(page).context["form"]
    sent = {name: value for name, value in form.initial.items() if value not in {None, False}}
    assert admin.post(page, sent | {"similarity_floor": "72"}).status_code == 303
    crowd.refresh_from_db()
    assert (crowd.threshold, crowd.floor and round(crowd.floor.score, 6)) == (Threshold(85), 72)
    for wrong in ({"similarity_threshold": "69"}, {"similarity_floor": "69"}, {"similarity_floor": "90"}):
        assert admin.post(page, sent | wrong).status_code == 400
    update_collection(acme.caller, collection="people", similarity_floor=None)
    assert admin.post(page, sent).status_code == 303
