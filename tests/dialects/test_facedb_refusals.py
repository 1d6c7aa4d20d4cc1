"""The face database's contract: codes and credentials."""

import inspect
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from collections_app.dialects.facedb import errors
from collections_app.models import Collection, Person
from collections_app.operations.collections import update_collection
from recognition.errors import ModelUnavailable
from tenants import keys
from tenants.models import Tenant
from tests.conftest import Customer
from tests.dialects.clients import FacedbClient, details, kept
from tests.make import blank

BAD, EXCEEDED = 11, 25


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (blank(), "the image shows no face"),
        (b"no image", "the image cannot be decoded"),
        (b"", "The image is empty: it has 0 bytes."),
    ],
)
def test_all_images_hold_a_face_or_nothing_is_stored(
    facedb: FacedbClient, tmp_path: Path, image: bytes, why: str
) -> None:
    facedb("register-facedb", details("obama"))
    before = facedb("list-facedb")
    for uuid in ("12345", "new"):
        answer = facedb("register-facedb", details("macron_2025", image, "macron_2014", uuId=uuid, userName="x"))
        assert answer["code"] == BAD
        assert answer["message"].startswith(f"API_REQUEST_DATA_FORMAT_ERROR: faceImages[1]: {why}")
    assert facedb("list-facedb") == before
    assert len(kept(tmp_path)) == 1


def test_nothing_is_left_of_images_when_there_is_no_room(acme: Customer, facedb: FacedbClient, tmp_path: Path) -> None:
    update_collection(acme.caller, collection="gate", face_limit=2)
    answer = facedb("register-facedb", details("obama", "obama", "obama"))
    assert answer == {"code": EXCEEDED, "message": "CHANNEL_LICENSE_EXCEEDED"}
    assert not kept(tmp_path)
    assert facedb("register-facedb", details("obama", "obama"))["code"] == 0
    assert facedb("register-facedb", details("sunak", "sunak"))["code"] == 0  # replaced, so the number stays the same
    assert facedb("register-facedb", details("sunak", uuId="2"))["code"] == EXCEEDED


def test_the_same_person_is_no_duplicate_of_themself(acme: Customer, facedb: FacedbClient) -> None:
    update_collection(acme.caller, collection="gate", duplicates="refuse")
    assert facedb("register-facedb", details("macron_2025", "macron_2014"))["code"] == 0
    assert facedb("register-facedb", details("macron_2014", "macron_2025"))["code"] == 0
    answer = facedb("register-facedb", details("macron_2014", uuId="other"))
    assert answer["message"].endswith("the face is registered under another uuId")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("nodeId", [..., None, "", [], {}, True]),
        ("uuId", [[], {}, True, "x" * 256, "a\0b"]),
        ("userId", [..., None, "", [], {}, True, "x" * 256]),
        ("userName", [..., None, "", [], {}, True, "x" * 256, "\ud800"]),
        ("userAge", [..., None, "25", 25.0, True, -1, 40000, [], 10**30]),
        ("gender", [..., None, "1", 1.0, True, -1, 3]),
        ("identifier", [..., None, "0", 0.0, False, -1, 3]),
        ("faceImages", [..., None, "text", {}, [], [None], [1], ["no base64"], [[]]]),
        ("memo", [[], {}, True, "x" * 10_001]),
    ],
)
def test_a_wrong_field_is_code_11_and_named(facedb: FacedbClient, field: str, values: list[object]) -> None:
    for value in values:
        body = details("obama") | {"nodeId": facedb.node, field: value}
        content = json.dumps({name: one for name, one in body.items() if one is not ...}).encode()
        answer = facedb.raw("POST", "/v2/va/register-facedb", content)
        assert answer.status_code == 200
        assert answer.json()["code"] == BAD, value
        assert answer.json()["message"].startswith(f"API_REQUEST_DATA_FORMAT_ERROR: {field}"), value
    assert not Person.unscoped.exists()


@pytest.mark.parametrize("uuid", [..., None, "", [], True, "nobody", "9" * 19, "9" * 200, "9" * 5000, "a\0b"])
def test_nobody_is_removed_by_a_wrong_id(facedb: FacedbClient, uuid: object) -> None:
    facedb("register-facedb", details("obama"))
    assert facedb("remove-facedb", {} if uuid is ... else {"uuId": uuid})["code"] == BAD
    assert Person.unscoped.count() == 1


def test_a_person_has_one_to_four_images(facedb: FacedbClient) -> None:
    assert facedb("register-facedb", details(*["obama"] * 5))["code"] == BAD
    assert facedb("register-facedb", details(*["obama"] * 4))["code"] == 0
    assert facedb("matching-face", details(*["obama"] * 5))["code"] == BAD


def _code(client: FacedbClient, http: int = 200) -> tuple[int, str]:
    answer = client.raw("POST", "/v2/va/remove-facedb", json.dumps({"nodeId": client.node, "uuId": "nobody"}).encode())
    assert answer.status_code == http
    assert ("WWW-Authenticate" in answer.headers) == (http == 401)
    body = answer.json()
    assert list(body) == ["code", "message"]
    return body["code"], body["message"]


def test_credentials(acme: Customer, facedb: FacedbClient) -> None:
    def issue(**more: Any) -> keys.IssuedKey:
        return keys.issue(acme.tenant, name="other", **{"scopes": ["delete"]} | more)

    def client(issued: keys.IssuedKey) -> FacedbClient:
        return FacedbClient(issued.key.pk, issued.secret, facedb.node)

    key_id, secret, node = acme.issued.key.pk, acme.issued.secret, facedb.node
    assert _code(facedb)[0] == BAD
    assert _code(FacedbClient(acme.issued.token, "", node))[0] == BAD  # what the vendor's client sends
    unknown = (20, "INVALID_LICENSE")
    for user, password in (
        ("", ""),
        (key_id, "x"),
        (key_id, ""),
        ("fp_x", secret),
        ("a\0", "b"),
        ("é", "é"),
        (":", ":"),
    ):
        assert _code(FacedbClient(user, password, node), 401) == unknown
    for header in ("Basic", "Basic ?", "Basic YQ", f"Bearer {acme.issued.token}", acme.issued.token):
        odd = FacedbClient("x", "x", node)
        odd._headers = {"Authorization": header}  # noqa: SLF001
        assert _code(odd, 401) == unknown
    past = timezone.now() - timedelta(seconds=1)
    assert _code(client(issue(expires_at=past))) == (21, "EXPIRED_LICENSE")
    assert _code(client(issue(scopes=["search"]))) == (12, "NOT_SUPPORT_FUNCTION")
    revoked = issue()
    revoked.key.revoked_at = past
    revoked.key.save()
    assert _code(client(revoked), 401) == unknown
    Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.SUSPENDED)
    assert _code(client(issue())) == unknown


def test_a_missing_model_is_507_or_as_the_vendors_client_counts_509(acme: Customer, facedb: FacedbClient) -> None:
    """Decision N3."""
    Collection.unscoped.filter(alias=facedb.node).update(pack="gone")
    assert facedb("matching-face", details("obama")) == {"code": 507, "message": "FACE_DETECTOR_NOT_SET"}
    Tenant.objects.filter(pk=acme.tenant.pk).update(profiles={"facedb": "client"})
    assert facedb("matching-face", details("obama")) == {"code": 509, "message": "FACE_DETECTOR_NOT_SET"}
    assert facedb("remove-facedb", {"uuId": "nobody"})["code"] == BAD
    found = errors.answer(ModelUnavailable("detector", "install it"))
    assert found
    assert found.code == 507


def test_other_paths_methods_and_bodies(facedb: FacedbClient) -> None:
    path = "/v2/va/register-facedb"
    for unknown in ("/v2/va/nothing", "/v2/va/", "/v2/va/register-facedb/"):
        answer = FacedbClient("", "").raw("POST", unknown)
        assert (answer.status_code, answer.json()) == (200, {"code": 10, "message": "API_URI_PATH_ERROR"})
    for method in ("GET", "PUT", "DELETE"):
        assert facedb.raw(method, path).json() == {"code": 12, "message": "NOT_SUPPORT_FUNCTION"}
    for content in (b"", b"{", b"\xff", b"[]", b"null", b'"text"', b"NaN", b"[" * 100_000):
        assert facedb.raw("POST", path, content).json()["code"] == BAD
    assert facedb.raw("POST", path, b"nodeId=x", "application/x-www-form-urlencoded").json()["code"] == BAD


@pytest.mark.parametrize("kind", list(errors.DETAILS))
def test_every_detail_is_filled_with_facts_that_its_error_has(kind: type[Exception]) -> None:
    own = kind.__module__.endswith(".errors")
    facts = [name for name in inspect.signature(kind.__init__).parameters if name != "self"] if own else []
    error = kind(*[("fact",)] * len(facts)) if own else kind("x")
    answer = errors.answer(error)
    assert answer
    assert re.fullmatch(r"API_REQUEST_DATA_FORMAT_ERROR: [^{}]+", errors.message(answer, error))
