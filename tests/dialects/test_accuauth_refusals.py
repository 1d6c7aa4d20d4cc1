"""AccuAuth's contract: the status table."""

import inspect
import re
import secrets
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from collections_app.dialects.accuauth import errors
from collections_app.models import Face, Person
from collections_app.operations.collections import create_collection, delete_collection, update_collection
from tenants import keys
from tenants.models import Tenant
from tests.conftest import Customer
from tests.dialects.clients import FORM, JSON, AccuAuthClient, add, refused, upload
from tests.make import base64_of, blank, encoded, portrait


@pytest.mark.parametrize("number", [1.5, 5.0, True, "five", "5.0", "0x5", [5], {}, 2**63, -(2**63) - 1, "9" * 5000])
def test_a_person_is_an_integer(accuauth: AccuAuthClient, number: object) -> None:
    body = {"name": "people", "image_base64": base64_of(portrait("obama")), "person_id": number}
    assert refused(accuauth("add_face", body, JSON), 400, "INVALID_ARGUMENT").startswith("person_id: ")
    assert not Person.unscoped.exists()


def test_a_duplicate_set_is_refused_in_the_documents_words(accuauth: AccuAuthClient) -> None:
    assert accuauth("create", {"name": "test"}).status_code == 200
    reason = refused(accuauth("create", {"name": "test"}), 400, "INVALID_ARGUMENT")
    assert reason == "face db test already exist"


@pytest.mark.parametrize("call", ["add_face", "search_face"])
def test_an_unknown_set_is_refused_in_the_documents_words(
    acme: Customer, globex: Customer, accuauth: AccuAuthClient, call: str
) -> None:
    create_collection(globex.caller, name="theirs")
    create_collection(acme.caller, name="deleted")
    delete_collection(acme.caller, name="deleted")
    for name in ("unknown", "theirs", "deleted"):
        answer = accuauth(call, {"name": name, "file": upload(portrait("obama"))})
        assert refused(answer, 400, "INVALID_ARGUMENT") == "db not exist"


def test_credentials(acme: Customer) -> None:
    def issue(**more: Any) -> AccuAuthClient:
        issued = keys.issue(acme.tenant, name="other", **{"scopes": ["admin", "enrol", "search"]} | more)
        return AccuAuthClient(issued.key.pk, issued.secret)

    def ask(client: AccuAuthClient) -> Any:
        return client("create", {"name": secrets.token_hex(4)})

    key_id, secret = acme.issued.key.pk, acme.issued.secret
    for wrong in (("", ""), (key_id, ""), ("", secret), (key_id, "x"), ("fp_x", secret), ("é", "é")):
        refused(ask(AccuAuthClient(*wrong)), 401, "UNAUTHORIZED")
    past = timezone.now() - timedelta(seconds=1)
    refused(ask(issue(expires_at=past)), 401, "KEY_EXPIRED")
    assert "admin" in refused(ask(issue(scopes=["search"])), 403, "NO_PERMISSION")
    assert ask(issue()).status_code == 200
    acme.issued.key.revoked_at = past
    acme.issued.key.save()
    refused(ask(AccuAuthClient(key_id, secret)), 401, "UNAUTHORIZED")
    Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.SUSPENDED)
    refused(ask(issue()), 403, "NO_PERMISSION")


def test_quotas(acme: Customer, accuauth: AccuAuthClient) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(collection_quota=1, face_quota=1)
    assert "collections" in refused(accuauth("create", {"name": "second"}), 403, "OUT_OF_QUOTA")
    assert add(accuauth).status_code == 200
    assert "faces" in refused(add(accuauth, "obama"), 403, "OUT_OF_QUOTA")
    Tenant.objects.filter(pk=acme.tenant.pk).update(face_quota=None)
    update_collection(acme.caller, collection="people", face_limit=1)
    assert "full" in refused(add(accuauth, "obama"), 403, "OUT_OF_QUOTA")
    assert Face.unscoped.count() == 1


@pytest.mark.parametrize("call", ["add_face", "search_face"])
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (blank(), "no face detected"),
        (blank(127, 400), "the image is too small: its shorter side has 127 pixels, at least 128 are needed"),
        (blank(6001, 200), "image is too large: 6001 pixels along its longer side, at most 6000 are allowed"),
        (b"\xff\xd8\xff" + bytes(5 * 1024 * 1024), "image is too large: 5242883 bytes, at most 5242880 are allowed"),
        (encoded(np.zeros((200, 200, 3), np.uint8), "GIF"), "the format GIF is not supported; allowed are JPEG, PNG"),
        (b"no image", "the image cannot be decoded: "),
        (b"", "file: The submitted file is empty."),
        (portrait("obama")[:2000], "the image cannot be decoded: "),
    ],
    ids=["no face", "small", "wide", "heavy", "gif", "text", "empty", "truncated"],
)
def test_an_unusable_image_is_refused(accuauth: AccuAuthClient, call: str, image: bytes, reason: str) -> None:
    answer = accuauth(call, {"name": "people", "file": upload(image)})
    assert refused(answer, 400, "INVALID_ARGUMENT").startswith(reason)
    assert not Person.unscoped.exists()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("threshold", [1.01, -0.1, "nan", "inf", "-inf", "high", True, 10**400, [], {}]),
        ("topN", [0, 11, -1, 1.5, "many", True, [], 10**30]),
        ("start_time", [-1, 253402300800, 1669079152000, "yesterday", 1.5, True, []]),
        ("name", ["", None, [], {}, True, "x" * 256, "a\0b"]),
    ],
)
def test_a_parameter_out_of_its_bounds_is_named(accuauth: AccuAuthClient, field: str, values: list[object]) -> None:
    image = base64_of(portrait("obama"))
    for value in values:
        body = {"name": "people", "image_base64": image, field: value}
        reason = refused(accuauth("search_face", body, JSON), 400, "INVALID_ARGUMENT")
        assert reason.startswith(f"{field}: "), value


def test_other_paths_methods_and_bodies(accuauth: AccuAuthClient) -> None:
    refused(accuauth.raw("POST", "/faceset/v2/delete"), 404, "NOT_FOUND")
    refused(accuauth.raw("POST", "/faceset/v2/"), 404, "NOT_FOUND")
    refused(AccuAuthClient("", "").raw("GET", "/faceset/v2/anything"), 404, "NOT_FOUND")
    refused(accuauth.raw("GET", "/faceset/v2/create"), 404, "NOT_FOUND")
    for content in (b"{", b"\xff", b"[]", b"null", b'"text"', b"NaN", b"[" * 100_000):
        refused(accuauth.raw("POST", "/faceset/v2/create", content), 400, "INVALID_ARGUMENT")
    for kind in ("text/plain", "", "multipart/form-data", "application/xml"):
        refused(accuauth.raw("POST", "/faceset/v2/create", b"name=x", kind), 400, "INVALID_ARGUMENT")
    many = "&".join(f"a{i}=1" for i in range(2000)).encode()
    refused(accuauth.raw("POST", "/faceset/v2/create", many, FORM), 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("kind", [kind for kind in errors.ANSWERS if kind.__module__.endswith(".errors")])
def test_every_reason_is_filled_with_facts_that_its_error_has(kind: type[Exception]) -> None:
    facts = [name for name in inspect.signature(kind.__init__).parameters if name not in {"self", "args", "kwargs"}]
    error = kind(*[("fact",)] * len(facts))
    answer = errors.answer(error)
    assert answer
    assert re.search("[{}]", errors.reason(answer, error)) is None
