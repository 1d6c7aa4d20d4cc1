"""The native API's operations.

One file although it is longer than 300 lines: one contract, small tests.
"""

import hashlib
import json
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from collections_app import tasks
from collections_app.dialects.native.wire.base import cursor
from collections_app.operations.collections import create_collection, update_collection
from tenants import keys, signing
from tests.conftest import Customer, make_customer
from tests.dialects.clients import NativeClient, upload
from tests.make import base64_of, blank, filling, portrait, side_by_side

FACES = ("obama", "sunak", "macron_2014")


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check an error's status, media type and shape."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert body["type"] == f"/api/v1/problems#{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["request_id"] == answer["X-Request-Id"]
    return dict(body)


def test_a_face_is_enrolled_listed_found_looked_at_and_erased(native: NativeClient) -> None:
    enrolled = native.enrol("macron_2025", person={"reference": "em", "name": "Emmanuel"}, consent="form 7")
    assert enrolled.status_code == 201
    face = enrolled.json()
    assert face["person"]["reference"] == "em"
    assert face["consent"] == "form 7"
    path = f"/collections/people/faces/{face['id']}"
    assert native("GET", path).json() == face
    assert native("GET", "/collections/people/faces").json() == {"faces": [face], "total": 1, "next_cursor": None}

    found = native("POST", "/collections/people/search", {"image": base64_of(portrait("macron_2014"))}).json()
    assert found["decision"] == "match"
    (match,) = found["matches"]
    assert match["face"] == face
    assert 85 < match["score"] < 100
    assert match["score"] == round(match["score"], 3)
    assert match["false_match_rate"] <= 1e-4
    assert found["threshold"] == {"score": 85.0, "false_match_rate": 1e-4}

    erased = native("DELETE", path)
    assert erased.status_code == 202
    assert erased.json()["kind"] == "face"
    problem(native("GET", path), 404, "face_not_found")
    again = native("POST", "/collections/people/search", {"image": base64_of(portrait("macron_2014"))}).json()
    assert (again["decision"], again["matches"], again["gallery_size"]) == ("unknown", [], 0)


def test_an_image_may_come_as_a_form(native: NativeClient) -> None:
    body = {"image": upload(portrait("obama")), "person": json.dumps({"name": "Barack"}), "largest": "true"}
    answer = native.upload("/collections/people/faces", body)
    assert answer.status_code == 201
    assert answer.json()["person"]["name"] == "Barack"


def test_collections_are_made_changed_listed_and_deleted(native: NativeClient) -> None:
    made = native("POST", "/collections", {"name": "Büro 1", "similarity_threshold": 90, "retention_days": 30})
    assert made.status_code == 201
    assert made.json()["similarity_threshold"] == 90
    problem(native("POST", "/collections", {"name": "Büro 1"}), 409, "collection_exists")
    path = f"/collections/{quote('Büro 1')}"
    changed = native("PATCH", path, {"retention_days": None, "liveness_threshold": 70, "images": "crop"}).json()
    assert changed == made.json() | {"retention_days": None, "liveness_threshold": 70, "images": "crop"}
    assert native("GET", path).json() == changed
    names, following = [], ""
    while following is not None:
        page = native("GET", f"/collections?limit=1&cursor={following}").json()
        names += [one["name"] for one in page["collections"]]
        following = page["next_cursor"]
    assert names == ["Büro 1", "people"]
    renamed = native("PATCH", path, {"name": "Büro 2", "description": "first floor"}).json()
    assert renamed == changed | {"name": "Büro 2", "description": "first floor"}
    problem(native("PATCH", "/collections/people", {"name": "Büro 2", "description": "x"}), 409, "collection_exists")
    assert native("GET", "/collections/people").json()["description"] == ""
    problem(native("GET", path), 404, "collection_not_found")
    path = f"/collections/{quote('Büro 2')}"
    assert native("DELETE", path).json()["state"] == "pending"
    problem(native("GET", path), 404, "collection_deleted")


def test_a_collection_is_found_by_our_id_or_else_by_its_name(native: NativeClient, acme: Customer) -> None:
    slashed = create_collection(acme.caller, name="gate/north")
    path = f"/collections/{slashed.pk}"
    assert native("GET", path).json()["name"] == "gate/north"
    create_collection(acme.caller, name="12")
    assert native("GET", "/collections/12").json()["name"] == "12"
    assert native("PATCH", "/collections/12", {"name": str(slashed.pk)}).status_code == 200
    assert native("GET", path).json()["name"] == "gate/north"
    other = create_collection(make_customer("globex").caller, name="theirs")
    problem(native("GET", f"/collections/{other.pk}"), 404, "collection_not_found")


def test_people_are_listed_changed_exported_and_erased(native: NativeClient, acme: Customer, files: None) -> None:
    update_collection(acme.caller, collection="people", images="original")
    for image, reference in (("macron_2025", "em"), ("macron_2014", "em"), ("obama", "bo")):
        native.enrol(image, person={"reference": reference})
    listed = native("GET", "/collections/people/people").json()["people"]
    assert {one["reference"] for one in listed} == {"em", "bo"}
    path = "/collections/people/people/em"
    changed = native("PATCH", path, {"name": "Emmanuel", "gender": "male", "listing": "authorised"}).json()
    assert (changed["name"], changed["gender"], changed["listing"]) == ("Emmanuel", "male", "authorised")
    native("POST", "/collections/people/search", {"image": base64_of(portrait("macron_2014")), "name": "gate"})

    record = native("GET", f"{path}/export").json()
    assert record["person"] == changed
    assert len(record["faces"]) == record["templates"]["count"] == 2
    assert set(record["images"].values()) == {base64_of(portrait("macron_2025")), base64_of(portrait("macron_2014"))}
    assert [(one["name"], one["found"]) for one in record["searches"]] == [("gate", True)]
    (other,) = native("GET", "/collections/people/people/bo/export").json()["faces"]
    by_face = {"face": other["id"]}
    assert native("POST", "/collections/people/search", by_face).status_code == 200
    searches = native("GET", "/collections/people/people/bo/export").json()["searches"]
    assert (other["id"], True) in {(one["name"], one["found"]) for one in searches}
    problem(native("POST", "/collections/people/search", by_face | {"name": "gate"}), 422, "invalid_request")

    face = record["faces"][0]
    image = native("GET", f"/collections/people/faces/{face['id']}/image")
    assert image["Content-Type"] == "image/jpeg"
    assert base64_of(image.content) == record["images"][face["image"]["id"]]

    assert native("DELETE", path).json()["faces"] == 2
    problem(native("GET", path), 404, "person_not_found")
    problem(native("GET", f"{path}/export"), 404, "person_not_found")


def test_two_people_who_are_one_are_merged(native: NativeClient) -> None:
    kept, other = (native.enrol(image, person={"reference": image}).json() for image in ("macron_2014", "macron_2025"))
    path = "/collections/people/people/macron_2014"
    merged = native("POST", f"{path}/merge", {"other": other["person"]["id"]})
    assert (merged.status_code, merged.json()["id"]) == (200, kept["person"]["id"])
    faces = native("GET", "/collections/people/faces").json()["faces"]
    assert {face["person"]["id"] for face in faces} == {kept["person"]["id"]}
    problem(native("GET", "/collections/people/people/macron_2025"), 404, "person_not_found")
    problem(native("POST", f"{path}/merge", {"other": "macron_2014"}), 404, "person_not_found")


def test_images_are_detected_compared_and_verified(native: NativeClient) -> None:
    face = native.enrol("macron_2025", person={"reference": "em"}).json()
    seen = native("POST", "/detect", {"image": base64_of(side_by_side("obama", "sunak"))}).json()
    assert len(seen["faces"]) == 2
    pair = {"source": base64_of(portrait("ardern_2018")), "target": base64_of(portrait("ardern_2022"))}
    compared = native("POST", "/compare", pair).json()
    assert compared["faces"][0]["decision"] == "match"
    strict = native("POST", "/compare", pair | {"threshold": 100}).json()
    assert strict["faces"][0]["decision"] == "no_match"
    for whom in ({"face": face["id"]}, {"person": "em"}):
        for image, decision in (("macron_2014", "match"), ("obama", "no_match")):
            body = {"image": base64_of(portrait(image)), **whom}
            verified = native("POST", "/collections/people/verify", body).json()
            assert verified["decision"] == decision
            assert verified["face"]["id"] == face["id"]
    for rate, applied in (
        (1e-3, {"score": 85.0, "false_match_rate": 1e-4}),
        (1e-5, {"score": 90.0, "false_match_rate": 1e-5}),
    ):
        body = {"face": face["id"], "false_match_rate": rate}
        assert native("POST", "/collections/people/search", body).json()["threshold"] == applied  # decision R10


def test_a_refusal_is_a_problem_document_with_a_code(native: NativeClient) -> None:
    faces = "/collections/people/faces"
    assert problem(native("POST", faces, {}), 422, "invalid_request")["errors"] == {
        "image": ["Send image or image_url."]
    }
    problem(native("POST", faces, {"image": "no base64!"}), 422, "invalid_request")
    problem(native("POST", faces, {"image": base64_of(b"no image")}), 422, "undecodable_image")
    problem(native("POST", faces, {"image": base64_of(blank())}), 422, "no_face")
    two = {"image": base64_of(side_by_side("obama", "sunak"))}
    assert problem(native("POST", faces, two), 422, "several_faces")["count"] == 2
    problem(native("POST", faces, {"image": base64_of(blank(kind="GIF"))}), 415, "unsupported_format")
    problem(native("POST", faces, {"image_url": "http://127.0.0.1/face.jpg"}), 422, "image_url_refused")
    problem(native("GET", f"{faces}?cursor=x"), 422, "unknown_cursor")
    problem(native("GET", "/nothing"), 404, "not_found")
    problem(native("PUT", faces, {}), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "wrong", [cursor("\ud800"), cursor("x\0"), base64_of(b"[" * 2000)], ids=["half", "nul", "deep"]
)
def test_an_invalid_cursor_is_unknown(native: NativeClient, wrong: str) -> None:
    problem(native("GET", f"/collections?cursor={quote(wrong)}"), 422, "unknown_cursor")


def test_a_body_that_cannot_be_read_is_a_problem_document(acme: Customer) -> None:
    http, headers = Client(raise_request_exception=False), {"x-api-key": acme.issued.token}
    path = "/api/v1/detect"
    problem(http.post(path, "{", content_type="application/json", headers=headers), 400, "malformed_body")
    problem(http.post(path, "x", content_type="text/plain", headers=headers), 415, "unsupported_media_type")


def test_the_key_comes_in_either_header(native: NativeClient, acme: Customer) -> None:
    me = native("GET", "/me").json()
    assert me["tenant"]["slug"] == "acme"
    bearer = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {acme.issued.token}"})
    assert bearer.json() == me
    missing = NativeClient("")("GET", "/me")
    problem(missing, 401, "missing_key")
    assert missing["WWW-Authenticate"].startswith("Bearer")
    problem(NativeClient("fp_x.y")("GET", "/me"), 401, "unknown_key")


def test_a_key_without_the_scope_is_not_allowed(acme: Customer) -> None:
    """Check 20: every operation answers a missing scope with 403 and names it."""
    reader = NativeClient(keys.issue(acme.tenant, name="reader", scopes=["read"]).token)
    image = {"image": base64_of(portrait("obama"))}
    for method, path, body, scope in (
        ("POST", "/collections", {"name": "x"}, "admin"),
        ("POST", "/collections/people/faces", image, "enrol"),
        ("POST", "/collections/people/search", image, "search"),
        ("DELETE", "/collections/people", None, "delete"),
        ("GET", "/collections/people/people/x/export", None, "admin"),
        ("GET", "/webhooks", None, "admin"),
        ("GET", "/searches", None, "audit"),
    ):
        assert problem(reader(method, path, body), 403, "not_allowed")["scope"] == scope


def test_the_named_scope_is_sufficient(native: NativeClient, acme: Customer) -> None:
    """Verifying needs only search, a policy only admin, a merge only enrol; none needs read as well."""
    face = native.enrol("macron_2025", person={"reference": "em"}).json()
    native.enrol("macron_2014", person={"reference": "twin"})
    search, admin, enrol = (
        NativeClient(keys.issue(acme.tenant, name=scope, scopes=[scope]).token)
        for scope in ("search", "admin", "enrol")
    )
    image = {"image": base64_of(portrait("macron_2014"))}
    for whom in ({"face": face["id"]}, {"person": "em"}):
        assert search("POST", "/collections/people/verify", image | whom).json()["decision"] == "match"
    changed = admin("PATCH", "/collections/people", {"similarity_threshold": 91}).json()
    assert changed["similarity_threshold"] == 91
    merged = enrol("POST", "/collections/people/people/em/merge", {"other": "twin"})
    assert merged.json()["id"] == face["person"]["id"]


def test_consent_is_asked_for_where_the_policy_says_so(native: NativeClient) -> None:
    """Check 23: an enrolment without a reference to consent answers 422."""
    native("PATCH", "/collections/people", {"consent_required": True})
    problem(native.enrol(), 422, "consent_required")
    assert native.enrol(consent="form 7").status_code == 201


@pytest.mark.parametrize("code", ["no_face", "consent_required", "too_many_requests"])
def test_every_code_is_documented(native: NativeClient, code: str) -> None:
    assert code in native("GET", "/problems").json()["problems"]


def test_keys_are_issued_rotated_and_revoked(native: NativeClient) -> None:
    made = native("POST", "/keys", {"name": "gate", "scopes": ["search"], "collections": ["people"]})
    assert made.status_code == 201
    issued = made.json()
    assert NativeClient(issued["token"])("GET", "/me").json()["scopes"] == ["search"]
    path = f"/keys/{issued['id']}"
    shown = native("GET", path).json()
    assert not {"secret", "token"} & shown.keys()
    assert native("GET", "/keys").json()["keys"][0] == shown
    rotated = native("POST", f"{path}/rotation", {}).json()
    problem(NativeClient(issued["token"])("GET", "/me"), 401, "unknown_key")
    assert NativeClient(rotated["token"])("GET", "/me").status_code == 200
    assert native("DELETE", path).json()["revoked_at"]
    problem(NativeClient(rotated["token"])("GET", "/me"), 401, "revoked_key")
    problem(native("POST", "/keys", {"name": "x", "scopes": ["fly"]}), 422, "invalid_request")


def test_the_audit_log_is_read_checked_and_exported(native: NativeClient, acme: Customer) -> None:
    """Check 24: the log has an enrolment's actor, time and object; the export is signed."""
    face = native.enrol().json()
    page = native("GET", "/audit?action=face.enrolled").json()
    (entry,) = page["entries"]
    assert entry["actor"]["id"] == acme.issued.key.pk
    assert entry["facts"]["faces"] == [face["id"]]
    first = native("GET", "/audit?limit=1").json()
    second = native("GET", f"/audit?limit=1&cursor={first['next_cursor']}").json()
    assert first["entries"][0]["number"] == second["entries"][0]["number"] + 1
    assert native("GET", "/audit/verification").json()["sound"] is True
    export = native("GET", "/audit/export?form=csv").json()
    signing.check(export["statement"])
    assert hashlib.sha256(export["content"].encode()).hexdigest() == export["statement"]["sha256"]


def test_receipts_are_listed_page_by_page(native: NativeClient) -> None:
    erased = [native("DELETE", f"/collections/people/faces/{native.enrol(name).json()['id']}").json() for name in FACES]
    first = native("GET", "/receipts?limit=2").json()
    rest = native("GET", f"/receipts?limit=2&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in (*first["receipts"], *rest["receipts"])] == [one["id"] for one in erased[::-1]]
    assert rest["next_cursor"] is None
    assert native("GET", f"/receipts/{erased[0]['id']}").json() == rest["receipts"][-1]
    problem(native("GET", "/receipts?cursor=MQ=="), 422, "unknown_cursor")


def test_work_behind_the_requests_is_answered_with_its_job(native: NativeClient, acme: Customer) -> None:
    face = native.enrol().json()
    rebuild = native("POST", "/collections/people/index/rebuild")
    assert (rebuild.status_code, rebuild["Location"]) == (202, f"/api/v1/jobs/index-{acme.people.pk}")
    looked = native("POST", "/collections/people/health")
    erased = native("DELETE", f"/collections/people/faces/{face['id']}")
    assert erased["Location"] == f"/api/v1/receipts/{erased.json()['id']}"
    for answer in (rebuild, looked):
        assert native("GET", answer["Location"].removeprefix("/api/v1")).json() == answer.json()
    listed = native("GET", "/jobs").json()["jobs"]
    assert [job["id"] for job in listed] == [f"erasure-{erased.json()['id']}", looked.json()["id"]]
    assert {job["collection"] for job in listed} == {"people"}
    first = native("GET", "/jobs?limit=1").json()
    rest = native("GET", f"/jobs?cursor={first['next_cursor']}").json()
    assert [*first["jobs"], *rest["jobs"]] == listed
    assert rest["next_cursor"] is None
    for wrong in ("MQ", cursor(1), cursor("x"), cursor("1~"), cursor(f"1~{2**63}"), cursor(f"{2**63}~1")):
        problem(native("GET", f"/jobs?cursor={wrong}"), 422, "unknown_cursor")  # the last is no valid time
    for nobody in ("index-0", "index-" + "9" * 19, "index-" + "9" * 5000, "health-1", "erasure-x", "index", "x-1"):
        problem(native("GET", f"/jobs/{nobody}"), 404, "job_not_found")


def test_a_collection_tells_of_its_index_and_its_health(native: NativeClient) -> None:
    for image, reference in (("obama", "a"), ("obama", "b"), ("sunak", "c")):
        native.enrol(image, person={"reference": reference})
    index = native("GET", "/collections/people/index").json()
    assert (index["sound"], index["faces"], index["waiting"], index["segments"]) == (True, 3, 3, [])
    before = native("GET", "/collections/people/health").json()
    assert (before["examined_at"], before["faces_compared"], before["duplicates"]) == (None, 0, [])
    job = native("POST", "/collections/people/health").json()
    assert (job["kind"], job["state"], job["progress"]) == ("health", "waiting", 0)
    tasks.examine_collection.run(int(job["id"].removeprefix("health-")))
    done = native("GET", f"/jobs/{job['id']}").json()
    assert (done["state"], done["progress"], done["seconds_left"]) == ("done", 100, None)
    found = native("GET", "/collections/people/health").json()
    assert found["faces_compared"] == 3
    (pair,) = found["duplicates"]
    assert {pair["first"]["person"]["reference"], pair["second"]["person"]["reference"]} == {"a", "b"}
    assert pair["score"] == 100


def test_a_key_for_some_collections_cannot_read_the_audit_log_or_webhooks(
    native: NativeClient,
) -> None:
    body = {"name": "one", "scopes": ["read", "audit", "admin"], "collections": ["people"]}
    narrow = NativeClient(native("POST", "/keys", body).json()["token"])
    for path in ("/audit", "/audit/verification", "/audit/export", "/webhooks", "/webhooks/1"):
        problem(narrow("GET", path), 403, "reach_too_narrow")
    assert narrow("GET", "/receipts").status_code == 200


def test_a_face_that_fills_the_image_is_unsure_and_says_what_to_do(native: NativeClient) -> None:
    native("PATCH", "/collections/people", {"liveness_on_search": True, "liveness_on_enrol": True})
    for path in ("search", "faces"):
        answer = native("POST", f"/collections/people/{path}", {"image": base64_of(filling())})
        assert (answer.status_code, answer.json()["code"]) == (422, "liveness_unsure")
        assert answer.json()["advice"] == "move further away"


def test_the_catalogue_of_errors_is_what_the_command_prints() -> None:
    printed = StringIO()
    call_command("problems", "native", stdout=printed)
    assert (settings.BASE_DIR / "docs" / "problems.md").read_text().endswith(f"\n\n{printed.getvalue()}")


def test_an_answer_that_the_client_has_is_not_sent_again(native: NativeClient) -> None:
    for path in ("/collections", "/collections/people", "/collections/people/faces?limit=1", "/keys"):
        first = native("GET", path)
        again = native("GET", path, If_None_Match=first["ETag"])
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert native("GET", path, If_None_Match='"other"').content == first.content
    known = native("GET", "/collections/people/faces")["ETag"]
    native.enrol()
    changed = native("GET", "/collections/people/faces", If_None_Match=known)
    assert (changed.status_code, len(changed.json()["faces"])) == (200, 1)
    assert "ETag" not in native("GET", "/collections/none").headers
