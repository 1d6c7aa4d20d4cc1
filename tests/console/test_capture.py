"""The page for captures, in Chromium with a fake camera that shows a generated film."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from collections_app.models import Collection, SearchRecord
from collections_app.operations.captures import ask_capture, get_capture
from collections_app.operations.collections import create_collection, update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.keys import revoke_key
from collections_app.samples import SAMPLES
from tenants.access import caller_for_key
from tenants.captures import BROWSER, Verb, page_of
from tenants.links import own_origin
from tenants.models import CaptureToken
from tests import programs
from tests.conftest import Customer
from tests.console import film
from tests.console.conftest import FLAGS, member, violations
from tests.dialects.clients import JSON
from tests.make import base64_of, portrait

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Visit = Callable[..., Page]
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "permissions": ["camera"]}
SHOP = "http://shop.localhost:1"
LONG = 40_000  # milliseconds in which the film shows every move, on a slow computer too


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Chromium with a camera that shows the film."""
    shown = film.write("obama", tmp_path_factory.mktemp("film") / "obama.y4m")
    camera = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={shown}"]
    loopback = "--disable-features=LocalNetworkAccessChecks"  # where Chromium refuses what it would ask a person about
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=programs.chromium(), args=[*FLAGS, *camera, loopback])
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def _own_page(monkeypatch: pytest.MonkeyPatch, live_server: Any) -> None:
    """Our own page's origin is that of the test's server."""
    monkeypatch.setattr(settings, "PUBLIC_URL", live_server.url)


def link(acme: Customer, verb: Verb, **more: Any) -> str:
    """Return the address of our page for a token that Acme's key gives."""
    caller = caller_for_key(acme.issued.key.pk, acme.issued.secret, via="tests")
    collection = "" if verb == Verb.LIVENESS else "people"
    return page_of(ask_capture(caller, verb=verb, collection=collection, **more))


def outcome(acme: Customer) -> Any:
    """Return what came of the last capture."""
    last = CaptureToken.objects.of(acme.tenant).order_by("-created_at")[0]
    return get_capture(acme.caller, capture=last.pk).outcome


def test_somebody_enrols_themselves_and_is_verified(acme: Customer, visit: Visit, live_server: Any) -> None:
    back = f"{live_server.url}/account/login/?order=7"
    page = visit(path=link(acme, Verb.ENROL, reference="4711", return_url=back), locale="en", **PHONE)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_url("**/account/login/?order=7&capture=cap_*", timeout=LONG)
    person = acme.people.people.get(reference="4711")
    assert outcome(acme) == {"face": person.faces.get().uuid, "person": str(person.pk)}

    page.goto(link(acme, Verb.VERIFY, reference="4711"))
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert")).to_have_text("Done, thank you. You can close this page.", timeout=LONG)
    assert outcome(acme) == {"decision": "match", "person": str(person.pk)}
    assert not [word for word in ("match", "score", "100") if word in page.locator("main").inner_text().lower()]
    assert page.evaluate("document.querySelector('video').srcObject.active") is False


def test_the_documented_request_leads_to_the_page(acme: Customer, visit: Visit, live_server: Any) -> None:
    create_collection(acme.caller, name="staff")
    enrol_face(acme.caller, collection="staff", image=portrait("sunak"), person=PersonDetails(reference="4711"))
    text = (settings.BASE_DIR / "docs" / "integrate.md").read_text()
    (written,) = re.findall(r"^(curl -X POST https://HOST/api/v1/captures .*?)^```", text, re.DOTALL | re.MULTILINE)
    here = written.replace("https://HOST", live_server.url)
    env = os.environ | {"FACEPLANE_KEY": acme.issued.token}
    command = ["bash", "-c", here]
    answer = subprocess.run(command, env=env, capture_output=True, check=True).stdout
    page = visit(path=json.loads(answer)["url"], locale="en", **PHONE)
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()


def test_somebody_moves_as_asked_in_korean(acme: Customer, visit: Visit) -> None:
    page = visit(path=link(acme, Verb.LIVENESS), locale="ko", **PHONE)
    assert page.evaluate("document.documentElement.lang") == "ko"
    page.get_by_role("button", name="카메라 켜기").click()
    expect(page.get_by_role("status")).to_contain_text("돌려 주세요", timeout=LONG)
    expect(page.get_by_role("alert")).to_have_text("완료되었습니다. 이 페이지를 닫아도 됩니다.", timeout=LONG)
    assert outcome(acme) == {"passed": True, "reasons": []}


def test_the_playground_uses_the_same_page(acme: Customer, visit: Visit) -> None:
    page = visit(member(acme, "operator"), "/console/acme/playground/", locale="en", **PHONE)
    page.get_by_role("navigation", name="What to try").get_by_role("link", name="Liveness").click()
    assert violations(page) == []
    page.get_by_role("button", name="Start the challenge").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("heading", name="Passed: a live person moved as asked")).to_be_visible(timeout=LONG)
    assert violations(page) == []


def test_a_file_is_offered_only_where_the_policy_allows(acme: Customer, crowd: Collection, visit: Visit) -> None:
    page = visit(path=link(acme, Verb.SEARCH), locale="en", **PHONE)
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    expect(page.get_by_label("Or choose a photo")).to_have_count(0)
    page.goto(link(acme, Verb.SEARCH, file=True))
    page.get_by_label("Or choose a photo").set_input_files(SAMPLES / "obama.jpg")
    expect(page.get_by_role("alert")).to_contain_text("Done, thank you.", timeout=LONG)
    assert outcome(acme)["search"] == SearchRecord.objects.of(acme.tenant).get().uuid
    update_collection(acme.caller, collection="people", liveness_on_search=True)
    del crowd


def test_a_photo_that_cannot_be_used_can_be_replaced(acme: Customer, visit: Visit) -> None:
    page = visit(path=link(acme, Verb.ENROL, reference="1", file=True), locale="en", failing=True, **PHONE)
    page.get_by_label("Or choose a photo").set_input_files(SAMPLES / "two_people.jpg")
    expect(page.get_by_role("alert")).to_have_text("That photo cannot be used. Once more.", timeout=LONG)
    page.get_by_label("Or choose a photo").set_input_files(SAMPLES / "obama.jpg")
    expect(page.get_by_role("alert")).to_contain_text("Done, thank you.", timeout=LONG)


OVER = "This link can no longer be used"


def test_a_link_that_was_copied_used_or_is_late_opens_nothing(acme: Customer, visit: Visit) -> None:
    address = link(acme, Verb.SEARCH)
    page = visit(path=address, locale="en", failing=True, **PHONE)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("[data-hint]").first).not_to_be_empty()
    thief = visit(path=address, locale="en", failing=True, **PHONE)
    expect(thief.get_by_role("heading", name=OVER)).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Done, thank you.", timeout=LONG)
    page.reload()
    expect(page.get_by_role("heading", name=OVER)).to_be_visible()
    late = link(acme, Verb.SEARCH)
    CaptureToken.objects.of(acme.tenant).update(expires_at=timezone.now())
    page.goto(late)
    expect(page.get_by_role("heading", name=OVER)).to_be_visible()
    assert violations(page) == []


def test_a_key_that_is_revoked_meanwhile_ends_the_page(acme: Customer, visit: Visit) -> None:
    page = visit(path=link(acme, Verb.SEARCH), locale="en", failing=True, **PHONE)
    revoke_key(acme.caller, key=acme.issued.key.pk)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert")).to_have_text(f"{OVER}. Go back and start again.", timeout=LONG)
    assert page.evaluate("document.querySelector('video').srcObject.active") is False


def test_without_a_camera_the_page_says_what_to_do(acme: Customer, visit: Visit) -> None:
    page = visit(path=link(acme, Verb.SEARCH), locale="en", viewport=PHONE["viewport"])
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('denied')); }")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("The camera cannot be used")


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "ko")])
def test_the_page_is_accessible_and_fits_a_phone(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, crowd: Collection, visit: Visit, verb: Verb, theme: str, language: str
) -> None:
    who = {Verb.ENROL: {"reference": "4711"}, Verb.VERIFY: {"reference": "Sunak"}}.get(verb, {})
    address = link(acme, verb, file=verb != Verb.LIVENESS, **who)
    page = visit(path=address, color_scheme=theme, locale=language, failing=True, **PHONE)
    for state in ("before", "filming"):
        if state == "filming":
            page.locator("[data-start]").click()
            expect(page.locator("[data-hint]").last).not_to_be_empty()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    del crowd


def test_a_page_of_the_token_s_origin_calls_it_and_no_other_page_can(
    acme: Customer, crowd: Collection, chromium: Browser, live_server: Any
) -> None:
    """With Chromium's own preflights."""
    page = chromium.new_page()
    empty = {"status": 200, "content_type": "text/html", "body": "<!DOCTYPE html><title>Shop</title>"}
    for host in (SHOP, "http://other.localhost:1"):
        page.route(f"{host}/", lambda route: route.fulfill(**empty))
    caller = caller_for_key(acme.issued.key.pk, acme.issued.secret, via="tests")
    issued = ask_capture(caller, verb=Verb.SEARCH, collection="people", origin=SHOP)
    body = {"verb": "search", "image": base64_of(portrait("obama"))}
    send = """async ([url, token, body]) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      try {
        const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
        return [answer.status, await answer.json()];
      } catch (error) { return [0, error.name]; }
    }"""
    sent = [f"{live_server.url}/api/v1/captures/{issued.capture.pk}/use", issued.token, body]
    page.goto("http://other.localhost:1/")
    assert page.evaluate(send, sent) == [0, "TypeError"]
    page.goto(f"{SHOP}/")
    assert page.evaluate(send, sent) == [200, {"id": issued.capture.pk, "return_url": ""}]
    search = [f"{live_server.url}/api/v1/collections/people/search", acme.issued.token, {"image": body["image"]}]
    assert page.evaluate(send, search) == [0, "TypeError"]
    page.close()
    del crowd


def test_the_page_is_private_and_opens_for_its_browser(acme: Customer) -> None:
    address = link(acme, Verb.SEARCH)
    first, second = Client(), Client()
    page = first.get(address)
    assert page.status_code == 200
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    cookie, token = page.cookies[BROWSER], address.rpartition("/")[2]
    assert cookie["httponly"]
    used = {"Authorization": f"Bearer {token}", "Origin": own_origin()}
    path = f"/api/v1/captures/{token.partition('.')[0]}/guidance"
    assert first.post(path, {"image": base64_of(portrait("obama"))}, JSON, headers=used).status_code == 200
    assert first.get(address).status_code == 200
    wrong = ("x", f"{token}x", token.partition(".")[0])
    for client, place in ((second, address), *((first, f"/capture/{one}") for one in wrong)):
        assert client.get(place).status_code == 410
    revoke_key(acme.caller, key=acme.issued.key.pk)
    assert first.get(address).status_code == 410
