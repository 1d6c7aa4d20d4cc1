"""Exactly once: a request that comes again with its Idempotency-Key."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from collections_app import erasure, tasks
from collections_app.dialects import DIALECTS
from collections_app.models import Face, KeyedRequest, Receipt
from collections_app.operations import idempotency
from collections_app.stores import KeptAnswers
from tests.conftest import Customer
from tests.dialects.clients import NativeClient, send
from tests.make import base64_of, portrait
from tests.processes import call, environment, prepare, web_server

PATH = "/api/v1/collections/people/faces"


def test_ten_concurrent_posts_make_one_face(tmp_path: Path) -> None:
    """Check 14: 10 concurrent posts with one key to two processes: 1 face, 10 equal answers; 10 rounds."""
    env = environment(tmp_path)
    token = prepare(env, acme="people")["acme"]
    body = {"image": base64_of(portrait("obama"))}
    with web_server(env, workers=2) as (url, _), ThreadPoolExecutor(10) as pool:
        for turn in range(1, 11):
            headers = {"x-api-key": token, "Idempotency-Key": f"turn-{turn}"}
            start = threading.Barrier(10)

            def post(_: int, headers: dict[str, str] = headers, start: threading.Barrier = start) -> tuple[int, Any]:
                start.wait()
                return call(url + PATH, "POST", body, **headers)

            answers = list(pool.map(post, range(10)))
            assert [status for status, _ in answers] == [201] * 10
            assert len({answer["id"] for _, answer in answers}) == 1
            assert call(url + PATH, **{"x-api-key": token})[1]["total"] == turn


@pytest.fixture
def acme(acme: Customer, files: None) -> Customer:
    """The customer, with the images kept elsewhere."""
    return acme


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> None:
    """Keep images away from the installation's."""
    options = {"location": str(tmp_path)}
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"default": backend}


@pytest.fixture
def native(acme: Customer) -> NativeClient:
    """Acme's client."""
    return NativeClient(acme.issued.token)


def _enrol(native: NativeClient, image: str = "obama", key: str = "k1") -> Any:
    return native("POST", "/collections/people/faces", {"image": base64_of(portrait(image))}, Idempotency_Key=key)


def test_the_same_request_gets_its_first_answer(native: NativeClient, acme: Customer) -> None:
    """Check 14: and the answer is sealed where it lies."""
    first = _enrol(native)
    assert "Idempotent-Replayed" not in first
    again = _enrol(native)
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    row = KeyedRequest.objects.of(acme.tenant).get()
    assert first.json()["id"].encode() not in bytes(row.answer)


@pytest.mark.django_db(transaction=True)  # PostgreSQL vacuums outside of one only
def test_an_answer_goes_with_the_face_that_it_tells_of(native: NativeClient, acme: Customer) -> None:
    """Check 23: by face, by person, by collection; nothing is answered from what was erased."""
    first = _enrol(native)
    _enrol(native, "sunak", "k2")
    _enrol(native, "macron_2014", "k3")
    kept = KeyedRequest.objects.of(acme.tenant)
    assert native("DELETE", f"/collections/people/faces/{first.json()['id']}").status_code == 202
    assert kept.count() == 2
    person = Face.objects.of(acme.tenant).order_by("number")[0].person
    assert native("DELETE", f"/collections/people/people/{person.reference}").status_code == 202
    assert kept.count() == 1
    assert "Idempotent-Replayed" not in _enrol(native)
    assert native("DELETE", "/collections/people").status_code == 202
    tasks.purge_due()
    assert not kept.exists()


@pytest.mark.django_db(transaction=True)  # PostgreSQL vacuums outside of one only
def test_an_answer_about_several_faces_goes_with_each_of_them(native: NativeClient, acme: Customer) -> None:
    """Check 23: answers about a named person's faces; no receipt is signed while one is left."""
    faces = [_enrol(native, image, "").json()["id"] for image in ("obama", "sunak", "macron_2014")]
    amazon = next(dialect for dialect in DIALECTS if dialect.credentials.signs)
    issued, kept = acme.key(amazon), KeyedRequest.objects.of(acme.tenant)

    def client(operation: str, body: dict[str, Any]) -> None:
        target = f"/{amazon.prefix.rstrip('/')}#X-Amz-Target=RekognitionService.{operation}"
        assert send(amazon, issued, "POST", target, json.dumps(body).encode()).status_code == 200

    user = {"CollectionId": "people", "UserId": "ada"}
    client("CreateUser", user | {"ClientRequestToken": "made"})
    client("AssociateFaces", user | {"FaceIds": faces[:1], "ClientRequestToken": "first"})
    told = user | {"FaceIds": faces[:2], "ClientRequestToken": "two"}
    client("AssociateFaces", told)
    client("DisassociateFaces", user | {"FaceIds": faces[2:], "ClientRequestToken": "third"})
    assert kept.count() == 4
    receipt = native("DELETE", f"/collections/people/faces/{faces[1]}").json()
    assert kept.count() == 3  # "two" tells of it, although it was not associated
    assert erasure.finish(Receipt.objects.of(acme.tenant).get(uuid=receipt["id"]))
    assert native("DELETE", "/collections/people").status_code == 202
    tasks.purge_due()
    assert [row.key.rpartition(":")[2] for row in kept] == ["made"]


@pytest.mark.django_db(transaction=True)
def test_no_receipt_is_signed_while_an_answer_is_left(
    native: NativeClient, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = _enrol(native).json()["id"]
    with monkeypatch.context() as patch:
        patch.setattr(KeptAnswers, "purge", lambda *_: None)
        native("DELETE", f"/collections/people/faces/{face}")
        receipt = Receipt.objects.of(acme.tenant).get()
        assert not erasure.finish(receipt)
    assert erasure.finish(receipt)
    assert {"store": "kept answers", "left": 0} in receipt.document["stores"]


def test_another_request_under_the_key_is_refused(native: NativeClient) -> None:
    assert _enrol(native).status_code == 201
    refused = _enrol(native, "sunak")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


def test_keys_of_two_tenants_are_two(native: NativeClient, acme: Customer, globex: Customer) -> None:
    theirs = _enrol(NativeClient(globex.issued.token)).json()
    ours = _enrol(native).json()
    assert theirs["id"] != ours["id"]
    assert Face.objects.of(acme.tenant).count() == Face.objects.of(globex.tenant).count() == 1


def test_a_refusal_is_not_kept(native: NativeClient) -> None:
    body = {"image": base64_of(b"no image")}
    assert native("POST", "/collections/people/faces", body, Idempotency_Key="k1").status_code == 422
    assert _enrol(native).status_code == 201


def test_a_request_whose_worker_died_is_done_by_the_next(native: NativeClient, acme: Customer) -> None:
    first = _enrol(native).json()
    rows = KeyedRequest.objects.of(acme.tenant)
    rows.update(answer=None)  # as if its process had died before it was done
    Face.objects.of(acme.tenant).filter(uuid=first["id"]).delete()
    rows.update(claimed_at=timezone.now() - timedelta(minutes=2))
    assert _enrol(native).json()["id"] != first["id"]
    assert Face.objects.of(acme.tenant).count() == 1


def test_a_request_that_is_still_worked_on_is_waited_for_and_then_refused(
    native: NativeClient, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_PATIENCE", 0.2)
    _enrol(native)
    KeyedRequest.objects.of(acme.tenant).update(answer=None)
    refused = _enrol(native)
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (409, "idempotency_key_in_use", "1")


def test_a_key_is_forgotten_in_the_end(native: NativeClient, acme: Customer) -> None:
    first = _enrol(native).json()
    old = timezone.now() - timedelta(hours=25)
    KeyedRequest.objects.of(acme.tenant).update(claimed_at=old)
    assert _enrol(native).json()["id"] != first["id"]
    KeyedRequest.objects.of(acme.tenant).update(claimed_at=old)
    tasks.purge_due()
    assert not KeyedRequest.objects.of(acme.tenant).exists()


def test_a_key_that_cannot_be_used_is_refused(native: NativeClient) -> None:
    refused = _enrol(native, key="x" * 201)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
