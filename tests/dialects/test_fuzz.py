"""Check 17: schemathesis sends valid and invalid requests to every operation of each OpenAPI document.

25 of each per operation; with SOAK=1 in the environment 200, generated anew at each run.
No response is a server error; each has a status and a shape that the document describes; and requests without a valid
key are refused, whatever else they contain.
"""

import io
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_person
from tenants import keys, operators
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import FOR_PAGES, SHOP, FacedbClient, details, search_token
from tests.dialects.documents import DIALECTS
from tests.dialects.examples import EXAMPLES
from tests.make import portrait

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SOAK = bool(os.environ.get("SOAK"))
REQUESTS = 200 if SOAK else 25  # an operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HANDLER = get_wsgi_application()
schemathesis.serializer.alias(["application/x-amz-json-1.1"], "application/json")


def APP(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:  # noqa: N802
    """Answer without closing the connection that holds the test's transaction, as Django's own client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    if key := environ.pop("HTTP_X_SIGN_WITH", ""):
        _sign(environ, *key.split(" "))
    return HANDLER(environ, start_response)


def _sign(environ: "WSGIEnvironment", key: str, secret: str) -> None:
    """Sign the finished request."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"], url = io.BytesIO(body), f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}"
    named = {"X-Amz-Target": environ.get("HTTP_X_AMZ_TARGET", ""), "Content-Type": environ.get("CONTENT_TYPE", "")}
    dialect = next(one for one in DIALECTS.values() if environ["PATH_INFO"].startswith(f"/{one.prefix.rstrip('/')}"))
    sent = dialect.credentials.sent(key, secret, method=environ["REQUEST_METHOD"], url=url, headers=named, body=body)
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.items()}


SCHEMAS = {
    dialect: schemathesis.openapi.from_wsgi(f"/docs/{dialect}/openapi.json", APP, headers={"host": "localhost"})
    for dialect in DIALECTS
}
OPERATIONS = [
    (dialect, found.ok())  # type: ignore[union-attr]  # a test says that the document is valid
    for dialect, schema in SCHEMAS.items()
    for found in schema.get_all_operations()
]


class Credentials(NamedTuple):
    """What a client sends as its key, and the same for an unknown key."""

    headers: dict[str, str]
    path: dict[str, str]
    wrong: dict[str, str]


def _credentials(dialect: str, key_id: str, secret: str) -> Credentials:
    sent = DIALECTS[dialect].credentials
    if sent.signs:
        return Credentials({"X-Sign-With": f"{key_id} {secret}"}, {}, {"X-Sign-With": f"{key_id} wrong"})
    return Credentials(sent.sent(key_id, secret), sent.in_path(key_id), sent.sent(key_id, "x" * len(secret)))


def _credentials_of_a_page(dialect: str, issued: IssuedKey) -> Credentials:
    """Return what a page of some origin sends that was given a capture token."""
    pair, origin = keys.split(search_token(issued)), {"Origin": SHOP}
    headers, _, wrong = _credentials(dialect, *pair)
    return Credentials(headers | origin, {"capture": pair[0]}, wrong | origin)


def _word(dialect: str, answer: Any) -> object:
    """Return the code that distinguishes a dialect's answers; None if it has none."""
    if "json" not in answer.headers.get("content-type", [""])[0]:
        return None
    body = answer.json()
    if not isinstance(body, dict):
        return None
    return EXAMPLES[dialect].code(body)


def _fill(made_up: Any, known: dict[str, str], images: Mapping[str, list[Any]], draw: Any) -> Any:
    """Replace most generated names by existing ones and generated images by real ones."""
    if not isinstance(made_up, dict):
        return made_up
    filled = dict(made_up)
    for name, value in made_up.items():
        if name in known and isinstance(value, str):
            filled[name] = draw(st.sampled_from([known[name], known[name], value]))
        elif name in images:
            filled[name] = draw(st.sampled_from([images[name][0], *images[name], value]))
    return filled


@pytest.mark.parametrize(
    ("dialect", "operation"), OPERATIONS, ids=[f"{dialect}-{operation.label}" for dialect, operation in OPERATIONS]
)
def test_an_operation_keeps_to_its_document(dialect: str, operation: Any, acme: Customer, facedb: FacedbClient) -> None:
    issued = acme.key(DIALECTS[dialect])
    pair = keys.split(operators.issue("fuzz")[1]) if "/operator/" in operation.path else (issued.key.pk, issued.secret)
    by_token = operation.path.startswith(FOR_PAGES)
    key, path, wrong = _credentials_of_a_page(dialect, issued) if by_token else _credentials(dialect, *pair)
    image, named = portrait("macron_2014"), PersonDetails(name="somebody")
    facedb("register-facedb", details(image))
    somebody = enrol_person(acme.caller, collection="people", images=[image], person=named)
    known = EXAMPLES[dialect].known(acme, somebody) | path
    modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    kinds = {mode: operation.as_strategy(mode, headers=key, path_parameters=path) for mode in GenerationMode}

    @settings(
        max_examples=REQUESTS,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: Any) -> None:
        case = data.draw(kinds[data.draw(modes)])
        images = EXAMPLES[dialect].images(case, data.draw)
        case.path_parameters = _fill(dict(case.path_parameters or {}), known, {}, data.draw)
        case.query = _fill(dict(case.query or {}), known, {}, data.draw)
        case.body = _fill(case.body, known, images, data.draw)
        answer = case.call_and_validate(headers=key, checks=CHECKS)
        assert _word(dialect, answer) != EXAMPLES[dialect].failed
        refused = case.call(headers=data.draw(st.sampled_from([wrong, dict.fromkeys(key, "")])))
        case.validate_response(refused, checks=CHECKS)
        assert _word(dialect, refused) in EXAMPLES[dialect].refused

    run()
