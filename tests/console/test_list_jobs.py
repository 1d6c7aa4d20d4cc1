"""Long lists: filters apply as they are set and stand in the address; all that match are chosen at once; time zones."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from collections_app.benchmarks.console import fill
from collections_app.errors import InvalidRequest
from collections_app.models import SearchRecord
from collections_app.operations.members import set_time_zone
from collections_app.operations.search import search_by_image
from tenants.access import caller_for_member
from tenants.models import Member, UsageDay
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in, violations
from tests.make import portrait

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]


def test_a_member_reads_times_and_chooses_days_in_their_zone(acme: Customer) -> None:
    search_by_image(acme.caller, collection="people", image=portrait("obama"))
    SearchRecord.objects.of(acme.tenant).update(at=datetime(2026, 1, 1, 16, 30, tzinfo=UTC))
    user = member(acme, "auditor")
    client = signed_in(user)
    assert b"2026-01-01 16:30:00 UTC" in client.get(page_url("searches")).content
    assert client.post(page_url("time_zone"), {"name": "Asia/Seoul"}).status_code == 303
    assert b"2026-01-02 01:30:00 KST" in client.get(page_url("searches")).content
    assert b"Times: Asia/Seoul" in client.get(page_url("searches")).content

    def listed(**query: str) -> int:
        return len(client.get(page_url("searches"), query).context["found"].rows)

    assert listed(since="2026-01-02", until="2026-01-02") == 1
    assert listed(until="2026-01-01") == 0
    assert listed(since="0001-01-01", until="9999-12-31") == 1
    assert client.post(page_url("time_zone"), {"name": "Moon/Base"}).status_code == 400
    assert Member.objects.of(acme.tenant).get(user=user).time_zone == "Asia/Seoul"
    caller = caller_for_member(user, "acme")
    assert caller
    with pytest.raises(InvalidRequest):
        set_time_zone(caller, name="../etc/passwd")


def test_all_that_match_the_filter_are_erased_and_no_others(acme: Customer) -> None:
    fill(acme.people, 150)
    client = signed_in(member(acme, "operator"))
    address = page_url("faces", alias=acme.people.alias)
    query = {"quality": "too_dark"}
    dark = set(acme.people.faces.filter(quality_reasons__icontains="too_dark").values_list("pk", flat=True))
    assert dark
    shown = client.get(address, query)
    some = [face.uuid for face in shown.context["found"].rows][:1]
    sent = {"faces": some, "all": "quality=too_dark"}
    client.post(page_url("faces_delete", alias=acme.people.alias), sent)
    assert not acme.people.faces.filter(pk__in=dark).exists()
    assert acme.people.faces.count() == 150 - len(dark)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_filters_apply_as_they_are_set_and_are_in_the_address(acme: Customer, visit: Visit) -> None:
    fill(acme.people, 60)
    page = visit(member(acme, "operator"), page_url("faces", alias=acme.people.alias))
    page.get_by_text("Filter", exact=True).click()
    with page.expect_navigation():
        page.get_by_label("Quality").select_option("too_dark")
    assert page.url.endswith("/faces/?quality=too_dark")
    assert page.evaluate("document.activeElement.id") == "id_quality"
    with page.expect_navigation():
        page.get_by_label("Liveness below").fill("0.9")
        page.keyboard.press("Tab")
    assert page.url.endswith("/faces/?quality=too_dark&liveness=0.9")
    page.go_back()
    assert page.get_by_label("Quality").input_value() == "too_dark"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_is_to_be_done_with_ticked_faces_stays_in_sight(acme: Customer, visit: Visit, language: str) -> None:
    fill(acme.people, 150)
    page = visit(member(acme, "operator"), page_url("faces", alias=acme.people.alias), locale=language)
    page.get_by_role("checkbox").first.check()
    page.evaluate("window.scrollTo(0, 0)")
    bar = page.locator("[data-ticked-bar]")
    expect(bar).to_be_in_viewport()
    assert violations(page) == []
    page.locator("[name=all]").check()
    expect(page.locator("[data-ticked-count]")).to_have_text("150")
    page.get_by_role("checkbox").first.uncheck()
    assert not page.locator("[name=all]").is_checked()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_columns_are_sorted_by_their_heads(acme: Customer, visit: Visit) -> None:
    """A whole table in the page; a list that goes on by its time, in the address."""
    for count, operation in ((2, "b"), (10, "a"), (1, "c")):
        UsageDay.unscoped.create(tenant=acme.tenant, day=timezone.now().date(), operation=operation, calls=count)
    page = visit(member(acme, "owner"), page_url("usage"))
    assert violations(page) == []
    table = page.get_by_role("table").first

    def column(place: int) -> list[str]:
        return [row.get_by_role("cell").nth(place).inner_text().strip() for row in table.get_by_role("row").all()[1:]]

    table.get_by_role("button", name="Endpoint").click()
    assert column(0) == ["a", "b", "c"]
    table.get_by_role("button", name="Calls").click()
    assert column(1) == ["1", "2", "10"]
    table.get_by_role("button", name="Calls").click()
    assert column(1) == ["10", "2", "1"]
    for image in ("obama", "sunak"):
        search_by_image(acme.caller, collection="people", image=portrait(image))
    first = SearchRecord.objects.of(acme.tenant).earliest("at")
    page.goto(page_url("searches"))
    page.get_by_role("link", name="When").click()
    assert page.url.endswith("?order=oldest")
    assert first.uuid in (page.get_by_role("row").nth(1).get_by_role("link").get_attribute("href") or "")
