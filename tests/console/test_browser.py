"""The console in a real browser: a new tenant's first steps, every page in each role, no console messages."""

import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from collections_app.models import Collection, Receipt, SearchRecord
from collections_app.operations.erase import delete_face
from collections_app.operations.health import examine
from collections_app.operations.search import search_by_image
from collections_app.operations.webhooks import create_webhook
from collections_app.samples import SAMPLES
from collections_app.tasks import examine_collection, finish_erasure
from tenants import signing
from tenants.models import LoggedRequest
from tests.collections_app.test_jobs import begun, done
from tests.collections_app.web_server import content, served
from tests.conftest import ArgosClient, Customer
from tests.console.conftest import PASSWORD, member, violations
from tests.make import base64_of, portrait

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Visit = Callable[..., Page]


def test_from_signing_in_to_a_verified_chain(acme: Customer, visit: Visit) -> None:
    member(acme, "owner")
    page = visit(path="/")
    page.get_by_label("User name").fill("owner@acme")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("link", name="Create a collection").click()
    page.get_by_label("Name").fill("Front door")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Front door")).to_be_visible()

    page.get_by_role("link", name="Enrol", exact=True).click()
    page.set_input_files("#id_image", SAMPLES / "macron_2025.jpg")
    page.get_by_label("Name of the person").fill("Emmanuel Macron")
    page.get_by_role("button", name="Enrol").click()
    expect(page.get_by_role("heading", name="Emmanuel Macron is enrolled")).to_be_visible()
    expect(page.locator("#overlay svg rect")).to_have_count(2)
    assert '"faceId"' in page.locator("#result pre").first.inner_text()

    page.get_by_role("navigation", name="What to try").get_by_role("link", name="Search").click()
    page.get_by_label("Collection").select_option("Front door")
    page.set_input_files("#id_image", SAMPLES / "macron_2014.jpg")
    page.get_by_role("button", name="Who is it?").click()
    expect(page.get_by_role("heading", name="Emmanuel Macron")).to_be_visible()
    box = page.locator("#overlay svg rect").last.bounding_box()
    stage = page.locator("[data-stage]").bounding_box()
    assert box
    assert stage
    assert stage["x"] < box["x"] < box["x"] + box["width"] < stage["x"] + stage["width"]
    assert box["width"] > stage["width"] / 5

    _move_the_threshold(page)
    _use_a_key(page, acme)
    _read_the_audit_log(page)


def _move_the_threshold(page: Page) -> None:
    """Raise the threshold to 99: the same photo then finds nobody."""
    page.get_by_role("link", name="Collections").first.click()
    page.get_by_role("link", name=re.compile("Front door")).click()
    page.get_by_role("link", name="Policy").click()
    meaning = page.locator("#meaning")
    expect(meaning).to_contain_text("1 in 120 strangers")
    with page.expect_response(lambda answer: "threshold" in answer.url):
        page.get_by_label("Similarity threshold").fill("70")
    expect(meaning).to_contain_text("1 in 8 strangers")
    with page.expect_response(lambda answer: "similarity_threshold=99" in answer.url):
        page.get_by_label("Similarity threshold").fill("99")
    expect(meaning).to_contain_text("Rarer than could be measured")
    page.get_by_role("button", name="Save the policy").click()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")
    page.get_by_role("link", name="Search", exact=True).click()
    page.set_input_files("#id_image", SAMPLES / "macron_2014.jpg")
    page.get_by_role("button", name="Who is it?").click()
    expect(page.get_by_role("heading", name="No match found")).to_be_visible()
    page.get_by_role("link", name="Why?").click()
    expect(page.get_by_role("heading", name="Why nobody matched")).to_be_visible()
    expect(page.get_by_role("link", name="Emmanuel Macron")).to_have_count(0)
    page.get_by_role("link", name="Look below the threshold").click()
    expect(page.get_by_role("link", name="Emmanuel Macron")).to_be_visible()


def _use_a_key(page: Page, acme: Customer) -> None:
    del acme
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill("door")
    page.get_by_role("button", name="Create key").click()
    token = page.locator("#token").inner_text()
    body = {"collectionId": "Front door", "requestName": "cam", "faceImage": base64_of(portrait("macron_2025"))}
    answer = ArgosClient(token)("POST", "/search", body)
    assert answer.status_code == 200
    assert [match["user_name"] for match in answer.json()["result"]] == ["Emmanuel Macron"]
    page.get_by_role("link", name="API keys").click()
    page.wait_for_url("**/keys/")
    expect(page.locator("#token")).to_have_count(0)
    assert token not in page.content()
    revoke = page.get_by_role("region", name="door").get_by_role("button", name="Revoke")
    revoke.click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_contain_text("The key is revoked")
    assert ArgosClient(token)("POST", "/search", body).status_code == 403


def _read_the_audit_log(page: Page) -> None:
    page.get_by_role("link", name="Audit log").click()
    for action in ("key revoked", "key created", "policy changed", "face enrolled", "collection created"):
        expect(page.get_by_role("table").get_by_text(action).first).to_be_visible()
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("status")).to_contain_text("The chain is whole")
    page.get_by_text("Filter and export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        entries, statement = sorted(archive.namelist())
        assert "collection.policy_changed" in archive.read(entries).decode()
        signing.check(json.loads(archive.read(statement)))


def _logged(acme: Customer) -> int:
    """Log a refused request."""
    asked: dict[str, Any] = {"request_id": "0f" * 16, "via": "argos", "operation": "POST search"}
    refusal: dict[str, Any] = {"status": 400, "code": "6033", "reason": "there is no such collection"}
    facts = {**asked, **refusal, "key": acme.issued.key.pk, "milliseconds": 3.2}
    row = LoggedRequest.unscoped.create(tenant=acme.tenant, at=timezone.now(), **facts)
    return row.pk


@pytest.fixture
def pages(acme: Customer, crowd: Collection) -> list[str]:
    """Return the address of every page, each with content."""
    search_by_image(acme.caller, collection="people", image=portrait("macron_2014"))
    examine_collection.run(examine(acme.caller, collection="people").pk)
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"]).webhook
    receipt = delete_face(acme.caller, collection="people", face=crowd.faces.order_by("-number")[0].uuid)
    finish_erasure.run(receipt.pk)
    face, record = crowd.faces.order_by("number").first(), SearchRecord.objects.of(acme.tenant).get()
    assert face
    alias, job = {"alias": crowd.alias}, done(begun(acme))
    places: list[tuple[str, dict[str, Any]]] = [
        *((name, {}) for name in ("overview", "collections", "collection_new", "playground", "searches", "audit")),
        *((name, {}) for name in ("requests", "subject", "usage", "time_zone")),
        *((name, {}) for name in ("keys", "members", "settings", "receipts", "webhooks", "jobs")),
        *((name, alias) for name in ("collection", "collection_delete", "faces", "people", "health", "import")),
        ("face", {**alias, "face": face.uuid}),
        ("person", {**alias, "person": face.person_id}),
        ("person_erase", {**alias, "person": face.person_id}),
        ("timeline", {**alias, "person": face.person_id}),
        ("person_add", {**alias, "person": face.person_id}),
        ("request", {"logged": _logged(acme)}),
        ("job", {"job": str(job)}),
        ("receipt", {"receipt": receipt.uuid}),
        ("webhook", {"webhook": hook.pk}),
        ("search", {"search": record.uuid}),
    ]
    tenant = [reverse(f"console:{name}", kwargs={"tenant": "acme", **place}) for name, place in places]
    trials = [f"/console/acme/playground/?action={action}" for action in ("detect", "compare", "enrol", "liveness")]
    own = [
        reverse(f"console:{name}") for name in ("account", "authenticator", "password", "address", "recovery", "home")
    ]
    return [*tenant, *trials, *own, "/console/acme/subject/?person=Macron", "/console/acme/nowhere/"]


@pytest.mark.parametrize(
    ("role", "theme", "width", "language"),
    [("owner", "light", 1280, "en"), ("owner", "dark", 360, "ko"), ("auditor", "light", 360, "en")],
)
def test_every_page_is_accessible_and_fits(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, pages: list[str], visit: Visit, role: str, theme: str, width: int, language: str
) -> None:
    page = visit(
        member(acme, role), "/console/", viewport={"width": width, "height": 800}, color_scheme=theme, locale=language
    )
    wrong = []
    for path in pages:
        answer = page.request.get(path, max_redirects=0)
        if answer.status != 200:
            continue  # tests/console/test_roles.py checks who may see what
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.lang") == language
        wide = page.evaluate("document.documentElement.scrollWidth")
        wrong += [(path, *found) for found in violations(page)] + ([(path, "overflow", wide)] if wide > width else [])
    assert wrong == []


def test_the_sign_in_pages_are_accessible(acme: Customer, visit: Visit) -> None:
    del acme
    page = visit(path="/account/login/")
    for path in ("/account/login/", "/account/forgotten/", "/account/forgotten/sent/"):
        page.goto(path)
        assert violations(page) == []


def test_the_theme_is_chosen_and_kept(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "auditor"), "/console/acme/", color_scheme="light")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "light"
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_the_language_is_chosen_and_kept(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "auditor"), "/console/acme/", locale="en")
    page.get_by_role("button", name="한국어").click()
    expect(page.get_by_role("heading", name="개요")).to_be_visible()
    page.goto("/console/acme/members/")
    expect(page.get_by_role("heading", name="구성원")).to_be_visible()


def test_comparing_two_photos_and_moving_the_threshold(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "operator"), "/console/acme/playground/?action=compare")
    page.set_input_files("#id_image", SAMPLES / "macron_2014.jpg")
    page.set_input_files("#id_second", SAMPLES / "macron_2025.jpg")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="The same person")).to_be_visible()
    expect(page.locator("#overlay-second svg rect")).to_have_count(2)
    page.get_by_label("Threshold").fill("99")
    expect(page.get_by_role("heading", name="Different people")).to_be_visible()
    assert violations(page) == []


def test_a_photo_without_a_face_says_so(acme: Customer, visit: Visit, tmp_path: Any) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    page = visit(member(acme, "operator"), "/console/acme/playground/?action=search")
    page.set_input_files("#id_image", tmp_path / "broken.jpg")
    page.get_by_role("button", name="Who is it?").click()
    expect(page.get_by_role("alert")).to_contain_text("This file is not an image")


def test_a_photo_by_url_is_tried_and_shown(acme: Customer, visit: Visit, settings: Any) -> None:
    settings.ALLOW_PRIVATE_URLS = True
    page = visit(member(acme, "operator"), "/console/acme/playground/?action=detect")
    with served(content(portrait("obama"))) as port:
        page.get_by_label("Address of a photo").fill(f"http://127.0.0.1:{port}/")
        page.get_by_role("button", name="Fetch").click()
        expect(page.get_by_alt_text("The photo to be sent")).to_be_visible()
    page.get_by_role("button", name="Find faces").click()
    expect(page.get_by_role("heading", name="1 face")).to_be_visible()
    expect(page.locator("#overlay svg rect")).to_have_count(2)
    page.get_by_text("NHN Face Recognition").click()
    page.get_by_text("Faceplane", exact=True).last.click()
    assert violations(page) == []


def test_a_receipt_is_verified_in_place(acme: Customer, crowd: Collection, visit: Visit) -> None:
    page = visit(member(acme, "operator"), f"/console/acme/collections/{crowd.alias}/people/")
    page.get_by_role("link", name="Rishi Sunak").click()
    page.get_by_role("link", name="Erase…").click()
    page.get_by_label("Type “Rishi Sunak” to confirm").fill("Rishi Sunak")
    page.get_by_label("Reason").fill("asked to")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="Receipt of erasure")).to_be_visible()
    finish_erasure.run(Receipt.objects.of(acme.tenant).get().pk)
    page.reload()
    page.get_by_role("button", name="Verify the signature").click()
    expect(page.get_by_text("The signature is valid")).to_be_visible()
    assert violations(page) == []


def test_two_people_become_one_by_the_other_s_name(acme: Customer, crowd: Collection, visit: Visit) -> None:
    obama = crowd.people.get(reference="Obama")
    page = visit(member(acme, "operator"), f"/console/acme/collections/{crowd.alias}/people/{obama.pk}/")
    field = page.get_by_label("The other person")
    field.press_sequentially("B. Ob")
    offered = page.locator("#other-people option")
    expect(offered).to_have_count(1)
    assert offered.get_attribute("value") == "B. Obama · twin"
    field.fill("b. obama")
    assert violations(page) == []
    page.get_by_role("button", name="Merge into this person").click()
    page.get_by_role("dialog").get_by_role("button", name="Merge into this person").click()
    expect(page.get_by_text("The two people are merged.")).to_be_visible()
    assert not crowd.people.filter(reference="twin").exists()
