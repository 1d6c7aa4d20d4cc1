"""Capture tokens: a browser that holds no key does one thing once, and whoever has the token otherwise nothing.

One file although it is longer than 300 lines: what a token opens and each way in which it is refused, as one list.
"""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from collections_app import tasks
from collections_app.models import LivenessChallenge, Person, SearchRecord
from collections_app.operations import captures as operations
from collections_app.operations.collections import delete_collection, update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.keys import revoke_key, rotate_key
from collections_app.operations.webhooks import create_webhook
from recognition.results import Move
from tenants import commits, keys
from tenants.access import Scope
from tenants.captures import BROWSER, Verb
from tenants.links import own_origin
from tenants.models import AuditEntry, CaptureToken, Event, LoggedRequest, Tenant, UsageDay
from tests.collections_app.test_challenges import frames
from tests.conftest import Customer
from tests.dialects.clients import FOR_PAGES, JSON, SHOP, JsonClient, NativeClient
from tests.dialects.documents import document, hold_to_document
from tests.make import base64_of, blank, encoded, portrait, side_by_side
from tests.motion import nearer, straight, turned

pytestmark = pytest.mark.django_db

OBAMA = base64_of(portrait("obama"))
TOKENS_OWN = [path for path in document("native")["paths"] if path.startswith(FOR_PAGES)]
Ask = Callable[..., dict[str, Any]]


class Browser:
    """A page of an origin that was given a token; `cookie` is what it has of our own page."""

    def __init__(self, token: str, origin: str = SHOP, cookie: str = "") -> None:
        """Keep them."""
        self.token, self.origin, self.http = token, origin, JsonClient()
        self.http.cookies[BROWSER] = cookie

    def __call__(self, what: str, body: object = None, capture: str = "") -> Any:
        """Call what the token opens."""
        sent = {"Authorization": f"Bearer {self.token}", "Origin": self.origin}
        path = f"/api/v1/captures/{capture or self.token.partition('.')[0]}/{what}"
        content = {} if body is None else body
        answer = self.http.post(path, content, JSON, headers={name: one for name, one in sent.items() if one})
        hold_to_document("POST", answer)
        return answer

    def use(self, verb: str = "search", **sent: Any) -> Any:
        """Use the token up."""
        return self("use", {"verb": verb, **(sent or {"image": OBAMA})})


def refused(answer: Any) -> tuple[int, str]:
    """Return the status of a refusal, and why."""
    return answer.status_code, answer.json().get("reason", answer.json()["code"])


@pytest.fixture
def obama(acme: Customer) -> Person:
    """Somebody who is enrolled."""
    person = PersonDetails(reference="44", name="Barack Obama")
    return enrol_face(acme.caller, collection="people", image=portrait("obama"), person=person).faces[0].person


@pytest.fixture
def ask(native: NativeClient) -> Ask:
    """Ask for a token with Acme's key: to search, unless something else is said."""

    def asked(verb: str = "search", **more: object) -> dict[str, Any]:
        usual = {} if verb == "liveness" else {"collection": "people"}
        answer = native("POST", "/captures", {"verb": verb, "origin": SHOP, **usual, **more})
        assert answer.status_code == 201, answer.json()
        return dict(answer.json())

    return asked


def read(native: NativeClient, made: dict[str, Any]) -> dict[str, Any]:
    """Return a capture as the key reads it."""
    return dict(native("GET", f"/captures/{made['id']}").json())


def test_somebody_is_enrolled_and_only_the_key_is_told(acme: Customer, native: NativeClient, ask: Ask) -> None:
    create_webhook(acme.caller, url="https://example.com/", kinds=["capture.completed"])
    made = ask("enrol", reference="4711", return_url="https://shop.example/back?order=7#top")
    assert made["url"] is None
    assert read(native, made)["state"] == "waiting"
    done = Browser(made["token"]).use("enrol")
    assert done.status_code == 200
    assert done.json() == {
        "id": made["id"],
        "return_url": f"https://shop.example/back?order=7&capture={made['id']}#top",
    }
    person = acme.people.people.get(reference="4711")
    outcome = {"face": person.faces.get().uuid, "person": str(person.pk)}
    told = read(native, made)
    assert (told["state"], told["outcome"]) == ("done", outcome)
    assert Event.unscoped.get().data == {"capture": made["id"], "verb": "enrol", "outcome": outcome}
    entries = AuditEntry.objects.of(acme.tenant).filter(actor_id=acme.issued.key.pk).order_by("pk")
    assert [one.action for one in entries] == ["capture.issued", "face.enrolled", "capture.used"]
    assert entries[2].facts == {"verb": "enrol", **outcome}
    assert "4711" not in str(list(entries.values_list("facts", flat=True)))
    assert CaptureToken.objects.of(acme.tenant).get().reference == ""


@pytest.mark.parametrize(("image", "decision"), [("obama", "match"), ("sunak", "no_match")])
def test_somebody_is_verified(native: NativeClient, ask: Ask, obama: Person, image: str, decision: str) -> None:
    made = ask("verify", reference="44")
    done = Browser(made["token"]).use("verify", image=base64_of(portrait(image)))
    assert done.json() == {"id": made["id"], "return_url": ""}
    assert read(native, made)["outcome"] == {"decision": decision, "person": str(obama.pk)}


def test_somebody_is_found_in_a_search_that_counts_as_the_key_s(
    acme: Customer, native: NativeClient, ask: Ask, obama: Person
) -> None:
    made = ask()
    assert Browser(made["token"]).use().status_code == 200
    record = SearchRecord.objects.of(acme.tenant).get()
    assert read(native, made)["outcome"] == {"decision": "match", "person": str(obama.pk), "search": record.uuid}
    assert (record.actor_kind, record.actor_id) == ("key", acme.issued.key.pk)


def test_a_challenge_is_answered(acme: Customer, native: NativeClient, ask: Ask) -> None:
    made = ask("liveness")
    browser, moves = Browser(made["token"]), [Move.LEFT, Move.CLOSER]
    asked = browser("challenge")
    assert asked.status_code == 201
    LivenessChallenge.objects.of(acme.tenant).filter(uuid=asked.json()["id"]).update(moves=moves)
    sent = [base64_of(one) for one in frames("sunak", moves)]
    assert browser.use("liveness", frames=sent).status_code == 200
    assert read(native, made)["outcome"] == {"passed": True, "reasons": []}


def test_a_still_picture_answers_none(native: NativeClient, ask: Ask) -> None:
    made = ask("liveness")
    browser = Browser(made["token"])
    assert refused(browser.use("liveness", frames=[OBAMA] * 3)) == (409, "there is no such challenge")
    browser("challenge")
    assert browser.use("liveness", frames=[OBAMA] * 3).json() == {"id": made["id"], "return_url": ""}
    assert read(native, made)["outcome"]["passed"] is False


# --- refused ---


def test_a_replayed_token_is_refused(ask: Ask, obama: Person) -> None:
    browser = Browser(ask("verify", reference="44")["token"])
    assert browser.use("verify").status_code == 200
    for again in (partial(browser.use, "verify"), partial(browser, "guidance", {"image": OBAMA})):
        assert refused(again()) == (403, "it was used before")


def test_a_late_token_is_refused(acme: Customer, native: NativeClient, ask: Ask) -> None:
    made = ask(minutes=1)
    assert timedelta(0) < CaptureToken.objects.of(acme.tenant).get().expires_at - timezone.now() <= timedelta(minutes=1)
    CaptureToken.objects.of(acme.tenant).update(expires_at=timezone.now())
    assert refused(Browser(made["token"]).use()) == (403, "it has expired")
    assert read(native, made)["state"] == "expired"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://shop.example",
        "https://shop.example:8443",
        "https://evil.shop.example",
        f"{SHOP}/",
        own_origin(),
    ],
)
def test_a_token_from_another_origin_is_refused(ask: Ask, origin: str) -> None:
    made = ask()
    answer = Browser(made["token"], origin).use()
    assert refused(answer) == (403, "it is for another origin")
    assert "Access-Control-Allow-Origin" not in answer
    assert Browser(made["token"]).use().status_code == 200


@pytest.mark.parametrize("verb", [verb.value for verb in Verb])
def test_a_token_for_another_verb_is_refused(ask: Ask, obama: Person, verb: str) -> None:
    made = ask(verb, **({"reference": "44"} if verb in {"enrol", "verify"} else {}))
    browser = Browser(made["token"])
    for other in {*Verb} - {verb}:
        sent = {"frames": [OBAMA] * 3} if other == "liveness" else {"image": OBAMA}
        assert refused(browser.use(other, **sent)) == (403, "it is for another verb")
    if verb != "liveness":
        assert refused(browser("challenge")) == (403, "it is for another verb")
        assert browser.use(verb).status_code == 200


def test_a_stolen_token_opens_nothing_else(acme: Customer, native: NativeClient, ask: Ask, obama: Person) -> None:
    made = ask()
    thief, body = NativeClient(made["token"]), {"image": OBAMA}
    for method, path, sent in (
        ("GET", "/me", None),
        ("GET", f"/captures/{made['id']}", None),
        ("POST", "/captures", {"verb": "search", "collection": "people"}),
        ("POST", "/collections/people/search", body),
        ("POST", "/detect", body),
    ):
        assert refused(thief(method, path, sent)) == (401, "unknown_key")
    argos = Client().post("/search", {}, JSON, headers={"x-api-key": made["token"]})
    assert argos.status_code == 403
    another = ask()
    assert refused(Browser(made["token"])("use", {"verb": "search", **body}, another["id"])) == (401, "unknown_key")
    assert refused(Browser(f"{made['id']}.{'x' * 43}").use()) == (401, "unknown_key")
    del native


def test_no_key_opens_what_a_token_opens(acme: Customer, ask: Ask) -> None:
    made = ask()
    strongest = keys.issue(acme.tenant, name="all", scopes=list(Scope))
    assert len(TOKENS_OWN) == 3
    for path in TOKENS_OWN:
        for token in (strongest.token, acme.issued.token):
            answer = Browser(token)(path.rpartition("/")[2], {}, made["id"])
            assert refused(answer) == (401, "unknown_key")
        assert refused(Browser("")(path.rpartition("/")[2], {}, made["id"])) == (401, "missing_key")


def test_on_our_own_page_a_token_is_the_first_browser_s(ask: Ask, obama: Person) -> None:
    made = ask("verify", reference="44", origin="")
    assert made["url"] == f"{django_settings.PUBLIC_URL}/capture/{made['token']}"
    mine, copied = (Browser(made["token"], own_origin(), cookie) for cookie in ("mine", "a copied link"))
    assert refused(Browser(made["token"], own_origin())("guidance", {"image": OBAMA})) == (
        403,
        "it is for another browser",
    )
    assert mine("guidance", {"image": OBAMA}).status_code == 200
    assert refused(copied.use("verify")) == (403, "it is for another browser")
    assert mine.use("verify").status_code == 200


def test_another_tenant_s_capture_is_like_none(globex: Customer, ask: Ask) -> None:
    made, theirs = ask(), NativeClient(globex.issued.token)
    missing = theirs("GET", "/captures/cap_none")
    found = theirs("GET", f"/captures/{made['id']}")
    assert refused(found) == refused(missing) == (404, "capture_not_found")


# --- not more than the key has ---


@pytest.mark.parametrize(
    ("scopes", "collections", "asked", "why"),
    [
        (["search"], None, {"verb": "enrol", "collection": "people", "reference": "1"}, (403, "not_allowed")),
        (["read", "enrol"], None, {"verb": "search", "collection": "people"}, (403, "not_allowed")),
        (["read", "enrol"], None, {"verb": "liveness"}, (403, "not_allowed")),
        (["search"], [], {"verb": "search", "collection": "people"}, (404, "collection_not_found")),
        (["search"], None, {"verb": "verify", "collection": "people", "reference": "1"}, (404, "person_not_found")),
    ],
)
def test_a_key_gives_no_more_than_it_has(
    acme: Customer, scopes: list[str], collections: list[int] | None, asked: dict[str, str], why: tuple[int, str]
) -> None:
    key = keys.issue(acme.tenant, name="narrow", scopes=scopes, collections=collections)
    assert refused(NativeClient(key.token)("POST", "/captures", asked)) == why


def test_a_token_has_one_scope_and_one_collection(acme: Customer, obama: Person) -> None:
    """Also of a key that has every scope: below the floor nothing is told, nor stored."""
    strongest = keys.issue(acme.tenant, name="all", scopes=list(Scope))
    native = NativeClient(strongest.token)
    made = native("POST", "/captures", {"verb": "search", "collection": "people", "origin": SHOP}).json()
    assert Browser(made["token"]).use(image=base64_of(portrait("sunak"))).status_code == 200
    assert read(native, made)["outcome"]["decision"] == "unknown"
    assert not AuditEntry.objects.of(acme.tenant).filter(action="collection.looked_below_floor").exists()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"verb": "search"}, "collection"),
        ({"verb": "verify", "collection": "people"}, "reference"),
        ({"verb": "search", "collection": "people", "reference": "44"}, "reference"),
        ({"verb": "liveness", "collection": "people"}, "collection"),
        ({"verb": "liveness", "file": True}, "file"),
        ({"verb": "search", "collection": "people", "consent": "form 7"}, "consent"),
        ({"verb": "search", "collection": "people", "minutes": 31}, "minutes"),
        ({"verb": "search", "collection": "people", "return_url": "javascript:alert(1)"}, "return_url"),
        ({"verb": "search", "collection": "people", "origin": "*"}, "origin"),
        ({"verb": "search", "collection": "people", "origin": "null"}, "origin"),
        ({"verb": "search", "collection": "people", "origin": "https://shop.example/"}, "origin"),
        ({"verb": "search", "collection": "people", "origin": "https://Shop.example:443"}, "origin"),
        ({"verb": "search", "collection": "people", "origin": "https://a@shop.example"}, "origin"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(native: NativeClient, asked: dict[str, Any], field: str) -> None:
    answer = native("POST", "/captures", asked)
    assert answer.json()["code"] == "invalid_request"
    assert list(answer.json()["errors"]) == [field]


def test_a_file_is_taken_only_where_the_policy_allows(acme: Customer, native: NativeClient) -> None:
    asked = {"verb": "search", "collection": "people", "file": True}
    assert native("POST", "/captures", asked).json()["file"] is True
    update_collection(acme.caller, collection="people", liveness_on_search=True)
    assert list(native("POST", "/captures", asked).json()["errors"]) == ["file"]
    enrol = {**asked, "verb": "enrol", "reference": "1"}
    assert native("POST", "/captures", enrol).status_code == 201


def test_an_enrolment_needs_its_consent(acme: Customer, native: NativeClient, ask: Ask) -> None:
    update_collection(acme.caller, collection="people", consent_required=True)
    asked = {"verb": "enrol", "collection": "people", "reference": "1"}
    assert native("POST", "/captures", asked).json()["code"] == "consent_required"
    assert Browser(ask("enrol", reference="1", consent="form 7")["token"]).use("enrol").status_code == 200
    assert acme.people.faces.get().consent == "form 7"


# --- whoever gave it ends ---


def _revoked(acme: Customer) -> None:
    revoke_key(acme.caller, key=acme.issued.key.pk)


def _expired(acme: Customer) -> None:
    acme.issued.key.expires_at = timezone.now()
    acme.issued.key.save()


def _suspended(acme: Customer) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.SUSPENDED)


def _leaked(acme: Customer) -> None:
    rotate_key(acme.caller, key=acme.issued.key.pk)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (_revoked, (401, "revoked_key")),
        (_expired, (401, "expired_key")),
        (_suspended, (403, "tenant_suspended")),
        (_leaked, (403, "it has expired")),
    ],
)
def test_a_token_ends_with_its_key(acme: Customer, ask: Ask, happens: Any, why: tuple[int, str]) -> None:
    browser = Browser(ask()["token"])
    happens(acme)
    assert refused(browser.use()) == why
    assert refused(browser("guidance", {"image": OBAMA})) == why


def test_a_token_outlives_a_rotation_that_keeps_the_former_secret(acme: Customer, ask: Ask) -> None:
    browser = Browser(ask()["token"])
    rotate_key(acme.caller, key=acme.issued.key.pk, keep_until=timezone.now() + timedelta(hours=1))
    assert browser.use().status_code == 200


def test_a_browser_is_not_in_the_key_s_networks(acme: Customer) -> None:
    key = keys.issue(acme.tenant, name="inside", scopes=["search"], networks=["127.0.0.0/8"])
    asked = {"verb": "search", "collection": "people", "origin": SHOP}
    made = NativeClient(key.token)("POST", "/captures", asked).json()
    browser = Browser(made["token"])
    browser.http.defaults["REMOTE_ADDR"] = "203.0.113.9"
    assert browser.use().status_code == 200


def test_a_token_goes_with_its_collection(acme: Customer, ask: Ask) -> None:
    made = ask()
    delete_collection(acme.caller, name="people")
    assert Browser(made["token"]).use().status_code == 200
    assert CaptureToken.objects.of(acme.tenant).get().outcome == {"refused": "collection_deleted"}


# --- pictures ---


def test_a_picture_that_cannot_be_used_leaves_the_token(ask: Ask, obama: Person) -> None:
    browser = Browser(ask("verify", reference="44")["token"])
    assert refused(browser.use("verify", image=base64_of(blank()))) == (422, "no_face")
    assert browser.use("verify").status_code == 200


def test_not_too_often(ask: Ask, acme: Customer) -> None:
    browser = Browser(ask()["token"])
    CaptureToken.objects.of(acme.tenant).update(tries=9)
    assert browser.use(image=base64_of(blank())).status_code == 422
    assert refused(browser.use()) == (403, "it was tried too often")


def test_a_token_that_is_in_use_is_used_by_no_other(
    acme: Customer, native: NativeClient, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests at once: the second comes while the first works."""
    made = ask()
    browser, second = Browser(made["token"]), []

    def works(*_: object) -> dict[str, str]:
        second.append((read(native, made)["state"], refused(browser.use())))
        return {"decision": "unknown"}

    monkeypatch.setattr(operations, "_DO", {"search": works})
    assert browser.use().status_code == 200
    assert second == [("in_use", (403, "it was used before"))]
    del acme


def test_a_refusal_that_another_picture_would_not_change_is_told_to_the_key_alone(
    acme: Customer, native: NativeClient, ask: Ask, obama: Person
) -> None:
    update_collection(acme.caller, collection="people", duplicates="refuse")
    made = ask("enrol", reference="another")
    done = Browser(made["token"]).use("enrol")
    assert (done.status_code, done.json()) == (200, {"id": made["id"], "return_url": ""})
    assert read(native, made)["outcome"] == {"refused": "duplicate_face"}
    del obama


# --- guidance ---


def _framed(name: str, scale: float = 0.95, move: Sequence[float] = (0.0, 0.0)) -> Any:
    """Return a portrait in a plain picture of 640 by 480, made smaller and moved by shares of it."""
    pixels = straight(name)
    small = cv2.resize(pixels, None, fx=scale, fy=scale)
    whole = np.full((480, 640, 3), 90, np.uint8)
    top, left = (480 - small.shape[0]) // 2 + int(480 * move[1]), (640 - small.shape[1]) // 2 + int(640 * move[0])
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small
    return whole


@pytest.mark.parametrize(
    ("picture", "hint"),
    [
        (blank, "no_face"),
        (lambda: side_by_side("obama", "sunak"), "several_faces"),
        (lambda: encoded(_framed("sunak", 0.5), "JPEG"), "closer"),
        (lambda: encoded(nearer(straight("sunak"), 1.9), "JPEG"), "further"),
        (lambda: encoded(_framed("sunak", move=(0.2, 0)), "JPEG"), "centre"),
        (lambda: encoded(_framed("sunak") // 6, "PNG"), "light"),
        (lambda: encoded(turned(_framed("sunak"), 30), "JPEG"), "straight"),
        (lambda: encoded(_framed("sunak"), "JPEG"), "ready"),
    ],
    ids=["no_face", "several_faces", "closer", "further", "centre", "light", "straight", "ready"],
)
def test_guidance_says_what_would_be_better(ask: Ask, picture: Callable[[], bytes], hint: str) -> None:
    browser = Browser(ask()["token"])
    answer = browser("guidance", {"image": base64_of(picture())}).json()
    assert answer["hint"] == hint
    assert (answer["width"] is None) == (hint in {"no_face", "several_faces"})


def test_guidance_is_bounded_by_the_token_and_not_by_the_key(acme: Customer, ask: Ask) -> None:
    browser, key = Browser(ask()["token"]), acme.issued.key
    key.requests_per_minute = 0
    key.save()
    assert browser("guidance", {"image": base64_of(blank())}).status_code == 200
    assert browser.use().json()["code"] == "too_many_requests"
    CaptureToken.objects.of(acme.tenant).update(looks=600)
    assert refused(browser("guidance", {"image": base64_of(blank())})) == (403, "it was tried too often")


def test_the_request_log_has_each_call_but_guidance_that_was_given(acme: Customer, ask: Ask) -> None:
    browser = Browser(ask()["token"])
    browser("guidance", {"image": OBAMA})
    browser.use("verify")
    browser.use()
    commits.write_deferred()
    rows = LoggedRequest.objects.of(acme.tenant).filter(key=acme.issued.key.pk).order_by("at", "pk")
    told = [(one.operation.rpartition("/")[2], one.status, one.code) for one in rows]
    assert told == [("captures", 201, ""), ("use", 403, "capture_unusable"), ("use", 200, "")]
    assert not UsageDay.objects.of(acme.tenant).filter(operation__contains=".").exists()


# --- browsers ---


def _preflight(path: str, origin: str) -> Any:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    return JsonClient().options(f"/api/v1{path}", headers={"Origin": origin, **asks})


def test_a_preflight_is_answered_for_the_token_s_origin_alone(ask: Ask) -> None:
    made = ask()
    for path in TOKENS_OWN:
        place = path.replace("{capture}", made["id"])
        allowed = _preflight(place, SHOP)
        assert allowed.status_code == 204
        assert allowed["Access-Control-Allow-Origin"] == SHOP
        assert allowed["Access-Control-Allow-Methods"] == "POST"
        assert "authorization" in allowed["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in allowed
        assert "Origin" in allowed["Vary"]
        for where, origin in ((place, "https://evil.example"), (place.replace(made["id"], "cap_none"), SHOP)):
            refusal = _preflight(where, origin)
            assert refusal.status_code == 405
            assert not [name for name in refusal.headers if name.startswith("Access-Control-")]


def test_no_other_operation_has_cors(ask: Ask, native: NativeClient) -> None:
    made = ask()
    for path in document("native")["paths"]:
        if path not in TOKENS_OWN:
            place = re.sub(r"{[a-z]+}", "x", path.replace("{capture}", made["id"]))
            answer = _preflight(place, SHOP)
            assert answer.status_code == 405, path
            assert not [name for name in answer.headers if name.startswith("Access-Control-")], path
    assert "Access-Control-Allow-Origin" not in native("GET", f"/captures/{made['id']}", Origin=SHOP)


def test_a_page_can_read_its_answers_refusals_too(ask: Ask) -> None:
    browser = Browser(ask()["token"])
    for answer in (browser.use(image=base64_of(blank())), browser.use("verify"), browser.use(), browser.use()):
        assert answer["Access-Control-Allow-Origin"] == SHOP
        assert "Origin" in answer["Vary"]


# --- what stays ---


def test_what_is_kept_of_a_token_goes(acme: Customer, ask: Ask, obama: Person) -> None:
    ask("verify", reference="44", origin="")
    kept = CaptureToken.objects.of(acme.tenant)
    secret = ask()["token"].partition(".")[2]
    assert secret.encode() not in b"".join(bytes(one.secret_hash) for one in kept)
    kept.update(expires_at=timezone.now())
    tasks.purge_due.run()
    assert {one.reference for one in kept} == {""}
    kept.update(expires_at=timezone.now() - timedelta(days=1, minutes=1))
    tasks.purge_due.run()
    assert not kept.exists()
    del obama
