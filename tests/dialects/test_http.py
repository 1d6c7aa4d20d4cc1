"""What HTTP libraries send to any dialect: HEAD, preflights, gzip, nulls, data URIs in capitals, unknown paths."""

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from tests.conftest import Customer
from tests.dialects.clients import JsonClient, send
from tests.dialects.examples import EXAMPLES
from tests.dialects.examples.descriptor import IMAGE, filled

# Of each dialect a request that adds or matches a face: its path, and a body with an image.
REQUESTS = {name: (examples.add.path, examples.add.body) for name, examples in EXAMPLES.items()}
READS = [path for examples in EXAMPLES.values() for path in examples.reads]
REQUEST_IDS = {examples.request_id for examples in EXAMPLES.values()}
EVERY = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def _filled(text: str, customer: Customer) -> str:
    return filled(text, customer.issued.key.pk, customer.people.alias)


def _sent(customer: Customer, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """Send a request with a key of the path's dialect."""
    theirs = {prefix: one for one in DIALECTS for prefix in one.prefixes if path.startswith(f"/{prefix.rstrip('/')}")}
    dialect = theirs[max(theirs, key=len)]
    return send(dialect, customer.key(dialect), method, _filled(path, customer), body, **headers)


def _post(customer: Customer, name: str, more: dict[str, Any] | None = None, **headers: str) -> Any:
    path, body = REQUESTS[name]
    content = _filled(json.dumps(body | (more or {})), customer).encode()
    if headers.get("Content_Encoding") == "gzip":
        content = gzip.compress(content)
    return _sent(customer, "POST", path, content, **headers)


def _succeeded(answer: Any) -> bool:
    body = answer.json()
    code = body.get("code", body.get("header", {}).get("resultCode", 0))
    return answer.status_code in {200, 201} and code == 0


@pytest.mark.parametrize("path", READS)
def test_head_is_answered_as_get_without_a_body(acme: Customer, path: str) -> None:
    got, head = _sent(acme, "GET", path), _sent(acme, "HEAD", path)
    assert _succeeded(got)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"] == got["Content-Type"]
    wrong = path.partition("?")[0] + "?limit=x"
    assert _sent(acme, "HEAD", wrong).status_code == _sent(acme, "GET", wrong).status_code < 500


@EVERY
def test_head_of_an_operation_that_is_no_get_is_refused(acme: Customer, dialect: Dialect) -> None:
    path = REQUESTS[dialect.name][0]
    assert _sent(acme, "HEAD", path).status_code == _sent(acme, "GET", path).status_code < 500


@EVERY
def test_a_preflight_is_answered_with_405_in_the_dialects_envelope(acme: Customer, dialect: Dialect) -> None:
    path = _filled(REQUESTS[dialect.name][0], acme)
    preflight = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    answer = JsonClient().options(path.partition("#")[0], headers=preflight)
    other = _sent(acme, "PUT", path)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]
    assert answer.json().keys() == other.json().keys()


@EVERY
def test_a_data_uri_in_capitals_is_read(acme: Customer, dialect: Dialect) -> None:
    path, body = REQUESTS[dialect.name]
    written = json.dumps(body).replace(IMAGE, f"DATA:image/JPEG;BASE64,{IMAGE}")
    assert _succeeded(_sent(acme, "POST", path, _filled(written, acme).encode()))


@EVERY
def test_a_gzipped_body_is_read(acme: Customer, dialect: Dialect) -> None:
    assert _succeeded(_post(acme, dialect.name, Content_Encoding="gzip"))


@EVERY
def test_a_gzipped_body_that_is_cut_off_or_no_gzip_is_malformed(acme: Customer, dialect: Dialect) -> None:
    path, malformed = REQUESTS[dialect.name][0], _sent(acme, "POST", REQUESTS[dialect.name][0], b"{")
    for body in (gzip.compress(b"{}")[:-1], b"{}", gzip.compress(b"{}")[:8]):
        answer = _sent(acme, "POST", path, body, Content_Encoding="gzip")
        assert (answer.status_code, answer.json().keys()) == (malformed.status_code, malformed.json().keys())
        assert "gzip" in answer["X-Reason"]


def test_a_gzipped_body_unpacks_to_no_more_than_a_body_may_have(acme: Customer) -> None:
    bomb = gzip.compress(bytes(60_000_001))
    assert len(bomb) < 100_000
    answer = _sent(acme, "POST", "/api/v1/detect", bomb, Content_Encoding="gzip")
    assert (answer.status_code, answer.json()["code"]) == (413, "image_too_large")


@EVERY
def test_null_in_an_optional_field_is_an_absent_field(acme: Customer, dialect: Dialect) -> None:
    assert _succeeded(_post(acme, dialect.name, EXAMPLES[dialect.name].optional))


@EVERY
def test_null_in_a_required_field_is_a_missing_field(acme: Customer, dialect: Dialect) -> None:
    path, body = REQUESTS[dialect.name]
    for name in body:
        rest = {other: value for other, value in body.items() if other != name}
        null, missing = (
            _sent(acme, "POST", path, _filled(json.dumps(sent), acme).encode()) for sent in (rest | {name: None}, rest)
        )
        assert not _succeeded(missing)
        assert null.status_code == missing.status_code
        assert _without_ids(null.json()) == _without_ids(missing.json())


def test_null_that_means_something_is_kept(acme: Customer) -> None:
    policy = "/api/v1/collections/people"
    assert _sent(acme, "PATCH", policy, b'{"retention_days": 7}').json()["retention_days"] == 7
    assert _sent(acme, "PATCH", policy, b'{"description": null}').json()["retention_days"] == 7
    assert _sent(acme, "PATCH", policy, b'{"retention_days": null}').json()["retention_days"] is None


def _without_ids(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in REQUEST_IDS}


@EVERY
def test_an_unknown_host_is_refused_in_the_dialects_envelope(acme: Customer, dialect: Dialect) -> None:
    path = REQUESTS[dialect.name][0]
    for unknown in (path, *(f"/{prefix}nothing" for prefix in dialect.prefixes)):
        answer = _sent(acme, "POST", unknown, b"{}", Host="other.example")
        assert 200 <= answer.status_code < 500
        assert answer.json().keys() == _sent(acme, "PUT", path).json().keys()
        assert not _succeeded(answer)
        assert b"other.example" not in answer.content


def test_a_page_of_an_unknown_host_is_refused_as_a_page(acme: Customer) -> None:
    answer = Client(raise_request_exception=False).get("/admin/login/", headers={"Host": "other.example"})
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")


@EVERY
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "BREW"])
@pytest.mark.parametrize("path", ["nothing", "nothing/else", "a%0Ab", "%00", ""])
def test_an_unknown_path_is_refused_in_the_dialects_envelope(
    acme: Customer, dialect: Dialect, method: str, path: str
) -> None:
    refused = _sent(acme, "PUT", REQUESTS[dialect.name][0]).json().keys()
    for prefix in dialect.prefixes:
        without_slash = [f"/{prefix.rstrip('/')}"] if prefix and not path else []
        for unknown in [f"/{prefix}{path}", *without_slash]:
            if unknown == "/":
                return  # the console's front page
            answer = JsonClient().generic(method, unknown)
            assert answer.status_code in {200, 404}
            assert method == "HEAD" or answer.json().keys() == refused, unknown
