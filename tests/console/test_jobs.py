"""Everyday jobs in a real browser: clicks, confirmations, and what the page says without a server."""

import zipfile
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from collections_app.models import Collection
from collections_app.operations.health import examine
from collections_app.operations.webhooks import create_webhook
from collections_app.samples import SAMPLES
from collections_app.tasks import examine_collection
from tenants.models import Member, Webhook
from tests.conftest import Customer
from tests.console.conftest import member, page_url, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Visit = Callable[..., Page]


def _confirm(page: Page, button: Locator, sentence: str) -> None:
    """Change something in two clicks: cancel the first time, confirm the second time."""
    dialog = page.get_by_role("dialog")
    button.click()
    expect(dialog).to_contain_text(sentence)
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    button.click()
    with page.expect_navigation():
        dialog.locator("[value=confirmed]").click()
    expect(page.get_by_role("status")).to_be_visible()


def test_erasing_splitting_and_merging_take_two_clicks(acme: Customer, crowd: Collection, visit: Visit) -> None:
    examine_collection.run(examine(acme.caller, collection="people").pk)
    page = visit(member(acme, "operator"), page_url("health", alias=crowd.alias))
    main = page.get_by_role("main")
    _confirm(page, main.get_by_role("button", name="Merge"), "Both become one person: all faces move to")
    assert crowd.people.filter(name__endswith="Obama").count() == 1
    sunak = crowd.faces.get(person__reference="Sunak")
    page.goto(page_url("face", alias=crowd.alias, face=sunak.uuid))
    _confirm(page, main.get_by_role("button", name="Erase this face"), "Searches stop finding it at once")
    assert not crowd.faces.filter(pk=sunak.pk).exists()
    macron = crowd.people.get(reference="Macron")
    page.goto(page_url("person", alias=crowd.alias, person=macron.pk))
    page.get_by_label("Choose face 1").check()
    _confirm(page, main.get_by_role("button", name="Move"), "to a new one")
    assert macron.faces.count() == 1
    page.goto(page_url("faces", alias=crowd.alias))
    page.get_by_role("checkbox").first.check()
    _confirm(page, main.get_by_role("button", name="Erase"), "The selected faces are erased")
    assert crowd.faces.count() == 3


def test_revoking_and_deleting_take_two_clicks(acme: Customer, visit: Visit) -> None:
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"]).webhook
    page = visit(member(acme, "owner"), page_url("keys"))
    main = page.get_by_role("main")
    _confirm(page, main.get_by_role("button", name="Revoke"), "Requests with this key are refused at once")
    acme.issued.key.refresh_from_db()
    assert acme.issued.key.revoked_at
    page.goto(page_url("webhook", webhook=hook.pk))
    _confirm(page, main.get_by_role("button", name="Delete"), "Nothing more is sent to this address")
    assert not Webhook.objects.of(acme.tenant).exists()


def test_a_role_changes_on_confirmation_and_not_by_a_key(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "owner"), page_url("members"))
    main = page.get_by_role("main")
    page.wait_for_load_state("networkidle")
    operator = Member.unscoped.create(tenant=acme.tenant, user=User.objects.create_user("colleague"), role="operator")
    page.reload()
    role = page.get_by_label("Role of colleague")
    role.focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(300)
    operator.refresh_from_db()
    assert operator.role == "operator"
    _confirm(page, main.get_by_role("button", name="Change colleague"), "colleague gets the selected role")
    operator.refresh_from_db()
    assert operator.role == "admin"
    _confirm(page, main.get_by_role("button", name="Remove colleague"), "colleague can no longer open this tenant")
    assert not Member.objects.of(acme.tenant).filter(pk=operator.pk).exists()


def test_an_export_of_the_audit_log_has_the_filters_on_the_screen(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "owner"), page_url("audit"))
    page.get_by_text("Filter and export").click()
    page.get_by_label("What").select_option("collection.created")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        (entries,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".csv"))
    assert {line.split(",")[8] for line in entries.splitlines()[1:]} == {"collection.created"}


def _drop(page: Page, count: int) -> None:
    """Drop copies of a sample onto the playground."""
    data = page.evaluate_handle(
        """([bytes, count]) => {
            const list = new DataTransfer();
            const file = (n) => new File([new Uint8Array(bytes)], `${n}.jpg`, { type: "image/jpeg" });
            for (let n = 0; n < count; n += 1) list.items.add(file(n));
            return list;
        }""",
        [list((SAMPLES / "obama.jpg").read_bytes()), count],
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": data})


def test_of_many_dropped_photos_the_page_says_that_one_is_taken(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "operator"), f"{page_url('playground')}?action=detect")
    _drop(page, 20)
    expect(page.get_by_role("alert")).to_contain_text("One photo at a time: the first of 20 files was taken.")
    expect(page.get_by_alt_text("The photo to be sent")).to_be_visible()
    _drop(page, 1)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("button", ["Find faces", "Fetch"])
def test_the_playground_says_that_it_is_offline_or_signed_out(acme: Customer, visit: Visit, button: str) -> None:
    page = visit(member(acme, "operator"), f"{page_url('playground')}?action=detect", failing=True)
    page.set_input_files("#id_image", SAMPLES / "obama.jpg")
    page.get_by_label("Address of a photo").fill("http://192.0.2.1/")
    page.context.set_offline(True)
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.context.set_offline(False)
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_button_in_focus_is_seen(acme: Customer, visit: Visit, theme: str) -> None:
    """Compared by pixels, with a margin for the outline."""
    page = visit(member(acme, "owner"), page_url("members"), color_scheme=theme)
    Member.unscoped.create(tenant=acme.tenant, user=User.objects.create_user("colleague"), role="operator")
    page.reload()
    for button in (page.locator(".btn-quiet").first, page.locator(".btn-danger-quiet").first):
        box = button.bounding_box()
        assert box
        clip = {"x": box["x"] - 5, "y": box["y"] - 5, "width": box["width"] + 10, "height": box["height"] + 10}
        before = page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
        page.keyboard.press("Tab")  # the keyboard is in use, so focus is shown
        button.focus()
        assert page.screenshot(clip=clip, animations="disabled") != before  # type: ignore[arg-type]
        assert button.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
