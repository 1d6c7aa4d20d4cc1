"""The native API refuses unknown input: in the query, the body and nested objects of every operation."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from collections_app.models import Collection, Person
from tenants import operators
from tests.conftest import ArgosClient, Customer
from tests.dialects.clients import FOR_PAGES, SHOP, NativeClient, search_token
from tests.dialects.documents import document
from tests.make import base64_of, portrait

JSON, FORM = "application/json", "multipart/form-data"
ODD = "unheard_of"


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document("native")["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


OPERATIONS = list(_operations())
NAMES = [operation["operationId"] for _, _, operation in OPERATIONS]


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    return document("native")["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _send(customer: Customer, method: str, path: str, content: bytes = b"", kind: str = JSON) -> tuple[int, Any]:
    """Send a request to an operation; its path need not exist, because unknown input is refused first."""
    place = f"/api/v1{re.sub(r'{[a-z]+}', 'people', path)}"
    key = operators.issue("tests")[1] if path.startswith("/operator/") else customer.issued.token
    client, headers = Client(raise_request_exception=False), {"x-api-key": key}
    if path.startswith(FOR_PAGES):
        headers = {"x-api-key": search_token(customer.issued), "Origin": SHOP}
        place = place.replace("/captures/people/", f"/captures/{headers['x-api-key'].partition('.')[0]}/")
    answer = client.generic(method, place, content, kind, headers=headers)
    return answer.status_code, answer.json().get("errors") if answer.content else None


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_an_unknown_query_parameter_is_refused_by_name(
    acme: Customer, method: str, path: str, operation: dict[str, Any]
) -> None:
    known = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    expected = (422, {ODD: ["Unknown query parameter."]})
    assert _send(acme, method, f"{path}?{ODD}=1") == expected
    for name in known:
        _, errors = _send(acme, method, f"{path}?{name}x=1")
        assert errors == {f"{name}x": [f"Unknown query parameter. Did you mean {name}?"]}
        assert _send(acme, method, f"{path}?{name}=1&{name}=2") == (422, {name: ["Send it once."]})


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_an_unknown_field_is_refused_by_name_at_every_level(
    acme: Customer, method: str, path: str, operation: dict[str, Any]
) -> None:
    if "requestBody" not in operation:
        body = json.dumps({ODD: 1}).encode()
        assert _send(acme, method, path, body) == (422, {"body": ["The operation reads none."]})
        assert _send(acme, method, path, b"{}")[0] != 422, "an empty object asks for nothing"
        return
    content = operation["requestBody"]["content"]
    if JSON not in content:
        return  # the body is taken as it is
    fields = _schema(content[JSON]["schema"])["properties"]
    assert _send(acme, method, path, json.dumps({ODD: 1}).encode()) == (422, {ODD: ["Unknown field."]})
    for name, schema in fields.items():
        camel = re.sub("_(.)", lambda found: found[1].upper(), name)
        misspelt = camel if camel != name else name[:-2] + name[-1]
        status, errors = _send(acme, method, path, json.dumps({misspelt: 1}).encode())
        assert status == 422
        assert re.fullmatch(r"Unknown field\.( Did you mean [a-z_]+\?)?", errors[misspelt][0])
        if "properties" in _schema(schema):
            status, errors = _send(acme, method, path, json.dumps({name: {ODD: 1}}).encode())
            assert (status, errors[name]) == (422, {ODD: ["Unknown field."]})
        else:
            assert schema.get("type") != "object", f"{name}: what of it is known?"
    if FORM in content:
        part = f'--x\r\nContent-Disposition: form-data; name="{ODD}"\r\n\r\n1\r\n'.encode()
        kind = f"{FORM}; boundary=x"
        assert _send(acme, method, path, part + b"--x--\r\n", kind) == (422, {ODD: ["Unknown field."]})
        twice = 2 * part.replace(ODD.encode(), b"image_url")
        if "image_url" in fields:
            assert _send(acme, method, path, twice + b"--x--\r\n", kind) == (422, {"image_url": ["Send it once."]})


@pytest.mark.parametrize(
    ("sent", "field", "meant"),
    [
        ({"consentRequired": True}, "consentRequired", "consent_required"),
        ({"similarity_treshold": 90}, "similarity_treshold", "similarity_threshold"),
    ],
)
def test_a_misspelt_policy_is_refused(native: NativeClient, sent: dict[str, Any], field: str, meant: str) -> None:
    answer = native("PATCH", "/collections/people", sent)
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        {field: [f"Unknown field. Did you mean {meant}?"]},
    )
    assert not Collection.unscoped.get(name="people").consent_required


def test_fields_that_cannot_be_changed_are_refused(native: NativeClient) -> None:
    native.enrol("obama", person={"reference": "bo"})
    answer = native("PATCH", "/collections/people/people/bo", {"reference": "44", "name": "Barack"})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["reference"])
    assert Person.unscoped.get().name == ""
    for query in ("subject=Bob", "since=2026-01-01", "Limit=5"):
        answer = native("GET", f"/searches?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.partition("=")[0]])


def test_of_two_that_exclude_each_other_neither_is_ignored(native: NativeClient) -> None:
    both = {"image": base64_of(portrait("obama")), "threshold": 80, "false_match_rate": 1e-4}
    assert list(native("POST", "/collections/people/search", both).json()["errors"]) == ["false_match_rate"]
    face = native.enrol("obama").json()["id"]
    answer = native("POST", "/collections/people/search", {"face": face, "largest": True})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["largest"])


def test_a_refusal_names_few_fields_and_repeats_little(native: NativeClient) -> None:
    names = {f"{number}{'x' * 100}": 1 for number in range(500)}
    errors = native("PATCH", "/collections/people", names).json()["errors"]
    assert len(errors) <= 20
    assert all(len(name) <= 64 for name in errors)


def test_the_vendors_contracts_ignore_unknown_fields(acme: Customer, argos: ArgosClient) -> None:
    """Decision N10."""
    body = {"collectionId": "people", "userName": "x", "faceImage": base64_of(portrait("obama")), ODD: 1}
    assert argos("POST", f"/faces?{quote(ODD)}=1", body).status_code == 200
