"""Every dialect refuses bodies that cost far more than their bytes, as it refuses unreadable ones."""

import json
import time
from typing import Any

import pytest
from django.test import Client
from rest_framework.exceptions import ParseError

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from collections_app.dialects.parsers import read_json
from tests.conftest import Customer
from tests.dialects.clients import send
from tests.dialects.examples import EXAMPLES
from tests.dialects.examples.descriptor import filled

COSTLY = {
    "brackets without end": b"[" * 1_000_000,
    "objects without end": b'{"name":' * 100_000,
    "nested, and closed again": b'{"name":' + b"[" * 500 + b"]" * 500 + b"}",
    "a little too deep": b'{"name":' * 16 + b"1" + b"}" * 16,
    "a million empty lists": b'{"events":[' + b"[]," * 1_000_000 + b"[]]}",
    "a million numbers": b'{"events":[' + b"1," * 1_000_000 + b"1]}",
    "a million names": b"{" + b'"":1,' * 1_000_000 + b'"":1}',
}


_ITS_OWN = {name for each in EXAMPLES.values() for name in (each.request_id, *each.words)}  # differs per answer


def _send(customer: Customer, dialect: Dialect, body: bytes) -> tuple[int, Any]:
    """Post a body; return status and answer without the request's number."""
    path = EXAMPLES[dialect.name].takes_json
    key = customer.key(dialect)
    answer = send(dialect, key, "POST", filled(path, key.key.pk, customer.people.alias), body)
    return answer.status_code, {name: value for name, value in answer.json().items() if name not in _ITS_OWN}


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_body_of_too_many_parts_or_levels_is_malformed(acme: Customer, dialect: Dialect, body: bytes) -> None:
    malformed = _send(acme, dialect, b"{")
    assert malformed[0] < 500
    began = time.thread_time()
    assert _send(acme, dialect, body) == malformed
    assert time.thread_time() - began < 2


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_body_of_null_breaks_nothing(acme: Customer, dialect: Dialect) -> None:
    assert _send(acme, dialect, b"null")[0] < 500


@pytest.mark.parametrize("person", ["[" * 100_000, "[" + "[]," * 100_000 + "[]]"], ids=["levels", "parts"])
def test_json_in_a_form_field_with_too_many_parts_is_malformed(acme: Customer, person: str) -> None:
    path, headers = "/api/v1/collections/people/faces", {"x-api-key": acme.issued.token}
    client = Client(raise_request_exception=False)
    answer = client.post(path, {"person": person, "image_url": "x"}, headers=headers)
    assert (answer.status_code, answer.json()["errors"]["person"]) == (422, ["It must be JSON."])
    answer = client.post(path, b'{"person": "\\ud800"}', content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["errors"]["person"]) == (422, ["It must be JSON."])


def test_too_many_fields_are_malformed(acme: Customer) -> None:
    client, headers = Client(raise_request_exception=False), {"x-api-key": acme.issued.token}
    fields = {str(number): "x" for number in range(1001)}
    answer = client.post("/api/v1/collections/people/faces", fields, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    answer = client.get("/api/v1/collections?" + "&" * 1001, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert client.get("/faces?" + "&" * 1001, headers=headers).json()["errorCode"] == 6029


def test_the_largest_bodies_of_a_contract_are_read(acme: Customer) -> None:
    """The longest note, the longest list, and the largest base64 text."""
    longest = {"note": "," * 10_000, "faces": ["x" * 32] * 1000, "image": "data:image/jpeg;base64," + "A" * 59_900_000}
    body = json.dumps(longest).encode()
    began = time.thread_time()
    assert read_json(body) == longest
    assert time.thread_time() - began < 1
    with pytest.raises(ParseError):
        read_json(b'{"a": NaN}')
