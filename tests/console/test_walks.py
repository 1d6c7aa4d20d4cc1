"""Every job of docs/console.md, walked by its visible words: in each language, by each hand, with its clicks counted.

What a job changes is tested elsewhere too; here it is that one gets there, and in how many clicks. One file although it
is longer than 300 lines: one job after the other.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import gettext, override
from playwright.sync_api import Page, expect

from collections_app.models import BulkJob, Collection, Receipt
from collections_app.operations.health import examine
from collections_app.operations.search import search_by_image
from collections_app.operations.webhooks import create_webhook
from collections_app.samples import SAMPLES
from collections_app.tasks import examine_collection, finish_erasure
from tenants import commits
from tenants.models import ApiKey, Member, Webhook
from tests.collections_app.test_jobs import done
from tests.conftest import ArgosClient, Customer
from tests.console.conftest import PASSWORD, member, page_url
from tests.console.walk import Hand, Walk, by_each_hand, in_each_language
from tests.make import portrait

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), by_each_hand, in_each_language]

_SLOW = 60_000  # milliseconds
Begin = Callable[..., Walk]
Say = Callable[..., str]


@pytest.fixture
def say(language: str) -> Iterator[Say]:
    """The console's words in the language of the walk."""

    def word(text: str, **values: str) -> str:
        return gettext(text) % values if values else gettext(text)

    with override(language):
        yield word


@pytest.fixture
def begin(acme: Customer, visit: Callable[..., Page], hand: Hand, language: str) -> Begin:
    """Begin a walk on a page of Acme, as its owner."""
    user = member(acme, "owner")

    def walk(name: str, **where: Any) -> Walk:
        return Walk(visit(user, page_url(name, **where), locale=language), hand)

    return walk


def _told(walk: Walk) -> None:
    """Wait for the sentence that says that it is done."""
    expect(walk.page.get_by_role("main").get_by_role("status").first).to_be_visible()


def test_many_photographs_are_enrolled_in_three_clicks_and_the_refused_tried_again_in_one(
    acme: Customer, begin: Begin, say: Say, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    walk = begin("people", alias=acme.people.alias)
    page = walk.page
    walk.press(page.get_by_role("link", name=say("Import many")))
    walk.give(page.locator("#id_files"), [SAMPLES / "obama.jpg", SAMPLES / "sunak.jpg", tmp_path / "broken.jpg"])
    walk.press(page.get_by_role("main").get_by_role("button", name=say("Import"), exact=True))
    page.wait_for_url("**/jobs/import-*/")
    assert walk.clicks == 3
    done(BulkJob.objects.of(acme.tenant).select_related("tenant", "collection__gallery__tenant").get())
    expect(page.get_by_role("table")).to_contain_text("broken.jpg", timeout=_SLOW)  # the page looks by itself
    expect(page.get_by_role("table")).to_contain_text(say("damaged, or not an image"))
    assert acme.people.faces.count() == 2
    walk.press(page.get_by_role("button", name=say("Try the refused again")))
    _told(walk)
    assert walk.clicks == 4


def test_who_looked_at_a_person_is_exported_in_two_clicks(
    acme: Customer, crowd: Collection, begin: Begin, say: Say
) -> None:
    search_by_image(acme.caller, collection="people", image=portrait("sunak"))
    walk = begin("person", alias=crowd.alias, person=crowd.people.get(reference="Sunak").pk)
    walk.press(walk.page.get_by_role("main").get_by_role("link", name=say("Timeline")))
    with walk.page.expect_download():
        walk.press(walk.page.get_by_role("button", name="CSV"))
    assert walk.clicks == 2


def _refused_call(acme: Customer, argos: ArgosClient) -> tuple[str, str]:
    """Make a call that is refused; return its request's id and reason."""
    body = {"collectionId": "Elsewhere", "requestName": "a visitor", "faceImage": ""}
    answer = argos("POST", "/search", body)
    commits.write_deferred()
    return answer["X-Request-Id"], answer["X-Reason"]


def test_the_failures_of_a_key_are_found_in_two_clicks(
    acme: Customer, argos: ArgosClient, begin: Begin, say: Say
) -> None:
    _, reason = _refused_call(acme, argos)
    walk = begin("keys")
    walk.press(walk.page.get_by_role("link", name=say("Failures today")).first)
    walk.press(walk.page.get_by_role("row").last.get_by_role("link").first)
    expect(walk.page.get_by_role("main")).to_contain_text(reason)
    assert walk.clicks == 2


def test_a_call_is_found_by_its_request_id_in_two_clicks(
    acme: Customer, argos: ArgosClient, begin: Begin, say: Say
) -> None:
    request_id, reason = _refused_call(acme, argos)
    walk = begin("requests")
    page = walk.page
    walk.press(page.get_by_text(say("Filter"), exact=True))
    with page.expect_navigation():
        walk.type(page.get_by_label(say("Request id"), exact=True), request_id)
        page.keyboard.press("Enter")
    walk.press(page.get_by_role("row").last.get_by_role("link").first)
    expect(page.get_by_role("main")).to_contain_text(reason)
    assert walk.clicks == 2


def test_a_target_is_set_in_two_clicks(acme: Customer, begin: Begin, say: Say) -> None:
    walk = begin("collection", alias=acme.people.alias)
    page, before = walk.page, acme.people.similarity_threshold
    walk.type(page.get_by_label(say("At most 1 false match in so many searches")), "10")
    walk.type(page.get_by_label(say("among so many faces")), "1000")
    button = page.get_by_role("button", name=say("Use this threshold"))
    expect(button).to_be_visible()
    walk.press(button)
    walk.press(page.get_by_role("button", name=say("Save the policy")).first)
    _told(walk)
    acme.people.refresh_from_db()
    assert acme.people.similarity_threshold != before
    assert walk.clicks == 2


def test_a_wrong_match_is_marked_and_its_face_moved_in_five_clicks(
    acme: Customer, crowd: Collection, begin: Begin, say: Say
) -> None:
    record = search_by_image(acme.caller, collection="people", image=portrait("sunak")).record
    walk = begin("search", search=record.uuid)
    page = walk.page
    walk.press(page.get_by_role("button", name=say("It was wrong")).first)
    walk.press(page.get_by_role("link", name=say("Move the face to the right person")).first)
    walk.tick(page.get_by_label(say("Choose %(name)s", name=say("face %(n)s", n="1"))))
    walk.press(page.get_by_role("main").get_by_role("button", name=say("Move"), exact=True))
    walk.confirm()
    _told(walk)
    assert walk.clicks == 5
    assert not crowd.people.filter(reference="Sunak").exists()


def test_a_collection_is_moved_out_in_three_clicks(acme: Customer, crowd: Collection, begin: Begin, say: Say) -> None:
    walk = begin("collection", alias=crowd.alias)
    page = walk.page
    walk.press(page.get_by_role("link", name=say("Make the bundle")))
    walk.type(page.locator("#id_passphrase"), "four words nobody knows")
    walk.type(page.locator("#id_again"), "four words nobody knows")
    walk.press(page.get_by_role("button", name=say("Make the bundle")))
    page.wait_for_url("**/jobs/export-*/", timeout=_SLOW)  # the passphrase is stretched
    done(BulkJob.objects.of(acme.tenant).select_related("tenant", "collection__gallery__tenant").get())
    page.get_by_role("link", name=say("Download the bundle")).wait_for(timeout=_SLOW)
    with page.expect_download():
        walk.press(page.get_by_role("link", name=say("Download the bundle")))
    assert walk.clicks == 3


def test_a_key_is_rotated_in_two_clicks_and_told_until_when_the_old_secret_works(
    acme: Customer, begin: Begin, say: Say
) -> None:
    walk = begin("keys")
    page = walk.page
    walk.press(page.get_by_role("button", name=say("Rotate"), exact=True))
    walk.confirm()
    expect(page.locator("#token")).to_be_visible()
    until = say("The old secret works until %(until)s.").partition("%")[0].strip()
    assert until
    expect(page.get_by_role("region", name=acme.issued.key.name, exact=True)).to_contain_text(until)
    assert walk.clicks == 2
    key = ApiKey.objects.of(acme.tenant).get()
    assert key.secret_hash != acme.issued.key.secret_hash


def test_a_key_is_revoked_in_two_clicks(acme: Customer, begin: Begin, say: Say) -> None:
    walk = begin("keys")
    walk.press(walk.page.get_by_role("button", name=say("Revoke"), exact=True))
    walk.confirm()
    _told(walk)
    assert walk.clicks == 2
    assert ApiKey.objects.of(acme.tenant).get().revoked_at


def test_a_face_is_erased_in_two_clicks(acme: Customer, crowd: Collection, begin: Begin, say: Say) -> None:
    face = crowd.faces.get(person__reference="Sunak")
    walk = begin("face", alias=crowd.alias, face=face.uuid)
    walk.press(walk.page.get_by_role("button", name=say("Erase this face")))
    walk.confirm()
    _told(walk)
    assert walk.clicks == 2
    assert not crowd.faces.filter(pk=face.pk).exists()
    del acme


def test_two_people_are_merged_in_two_clicks_and_that_undone_in_one(
    acme: Customer, crowd: Collection, begin: Begin, say: Say
) -> None:
    examine_collection.run(examine(acme.caller, collection="people").pk)
    walk = begin("health", alias=crowd.alias)
    page, before = walk.page, crowd.people.count()
    walk.press(page.get_by_role("main").get_by_role("button", name=say("Merge"), exact=True))
    walk.confirm()
    _told(walk)
    assert (walk.clicks, crowd.people.count()) == (2, before - 1)
    walk.press(page.get_by_role("button", name=say("Undo")))
    expect(page.get_by_role("main")).to_contain_text(say("Undone."))
    assert (walk.clicks, crowd.people.count()) == (3, before)


def test_a_face_is_split_off_in_two_clicks(acme: Customer, crowd: Collection, begin: Begin, say: Say) -> None:
    crowd.faces.filter(person__reference="Sunak").update(person=crowd.people.get(reference="Macron"))
    examine_collection.run(examine(acme.caller, collection="people").pk)
    walk = begin("health", alias=crowd.alias)
    page = walk.page
    page.goto(f"{page.url}?below")
    walk.press(page.get_by_role("button", name=say("Split off the face on the right")))
    walk.confirm()
    _told(walk)
    assert walk.clicks == 2
    assert crowd.people.get(reference="Macron").faces.count() == 2


def test_a_role_is_changed_and_a_member_removed_in_two_clicks(acme: Customer, begin: Begin, say: Say) -> None:
    colleague = member(acme, "operator")
    mine = Member.objects.of(acme.tenant).get(user=colleague)
    walk = begin("members")
    page, name = walk.page, colleague.get_username()
    walk.choose(page.get_by_label(say("Role of %(name)s", name=name)), "auditor")
    walk.press(page.get_by_role("button", name=f"{say('Change')} {name}"))
    walk.confirm()
    _told(walk)
    mine.refresh_from_db()
    assert (walk.clicks, mine.role) == (2, "auditor")
    walk.press(page.get_by_role("button", name=f"{say('Remove')} {name}"))
    walk.confirm()
    expect(page.get_by_role("main")).to_contain_text(say("The member is removed."))
    assert walk.clicks == 4
    assert not Member.objects.of(acme.tenant).filter(pk=mine.pk).exists()


def test_a_webhook_is_tested_in_one_click_changed_in_two_and_deleted_in_two(
    acme: Customer, begin: Begin, say: Say
) -> None:
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"]).webhook
    walk = begin("webhook", webhook=hook.pk)
    page = walk.page
    walk.press(page.get_by_role("button", name=say("Send a test")))
    expect(page.get_by_role("row")).to_have_count(2)
    assert walk.clicks == 1
    walk.type(page.get_by_label("URL", exact=True), "https://example.org/")
    walk.tick(page.get_by_label(say("an alert is raised")))
    walk.press(page.get_by_role("button", name=say("Save"), exact=True))
    expect(page.get_by_role("heading", name="https://example.org/")).to_be_visible()
    assert walk.clicks == 3
    walk.press(page.get_by_role("button", name=say("Delete"), exact=True))
    walk.confirm()
    expect(page.get_by_role("main")).to_contain_text(say("The webhook is deleted."))
    assert walk.clicks == 5
    assert not Webhook.objects.of(acme.tenant).exists()


def test_a_data_subject_is_answered_and_erased_in_five_clicks(
    acme: Customer, crowd: Collection, begin: Begin, say: Say
) -> None:
    walk = begin("person", alias=crowd.alias, person=crowd.people.get(reference="Sunak").pk)
    page = walk.page
    walk.press(page.get_by_role("link", name=say("Open the request")))
    with page.expect_download():
        walk.press(page.get_by_role("button", name=say("Download the document")))
    walk.press(page.get_by_role("button", name=say("Erase the selected people")))
    walk.confirm()
    expect(page.get_by_role("heading", name=say("Receipt of erasure"))).to_be_visible()
    finish_erasure.run(Receipt.objects.of(acme.tenant).get().pk)
    page.reload()
    walk.press(page.get_by_text(say("How somebody without access to this server verifies it")))
    expect(page.locator("#public-key")).to_be_visible()
    assert walk.clicks == 5


def test_the_usage_is_one_click_away(acme: Customer, begin: Begin, say: Say) -> None:
    walk = begin("overview")
    walk.press(walk.page.get_by_role("link", name=say("Usage"), exact=True))
    expect(walk.page.get_by_role("heading", name=say("Usage"))).to_be_visible()
    assert walk.clicks == 1
    del acme


def test_an_address_is_changed_in_two_clicks(acme: Customer, begin: Begin, say: Say) -> None:
    walk = begin("overview")
    page = walk.page
    page.goto("/account/")
    walk.press(page.get_by_role("link", name=say("Change your email")))
    walk.type(page.locator("#id_email"), "new@example.com")
    walk.type(page.locator("#id_password"), PASSWORD)
    walk.press(page.get_by_role("button", name=say("Save"), exact=True))
    _told(walk)
    assert walk.clicks == 2
    assert Member.objects.of(acme.tenant).get(role="owner").user.email == "new@example.com"


def test_the_audit_log_keys_and_members_are_sorted_in_one_click(acme: Customer, begin: Begin, say: Say) -> None:
    ApiKey.objects.of(acme.tenant).update(name="zebra", created_at=timezone.now() - timedelta(days=1))
    walk = begin("audit")
    page = walk.page
    first = page.get_by_role("row").nth(1).get_by_role("cell").first
    newest = first.inner_text()
    walk.press(page.get_by_role("link", name=say("When")))
    page.wait_for_url("**?order=oldest")
    assert first.inner_text() == "1" != newest
    walk = Walk(page, walk.hand)
    page.goto(page_url("members"))
    member(acme, "auditor")
    page.reload()
    walk.press(page.locator("thead").get_by_role("button", name=say("Role")))
    roles = [select.input_value() for select in page.locator("td select").all()]
    assert len(roles) == 2
    walk.press(page.locator("thead").get_by_role("button", name=say("Role")))
    assert [select.input_value() for select in page.locator("td select").all()] == roles[::-1]
