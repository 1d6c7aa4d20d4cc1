"""Schemathesis over each OpenAPI document: right and wrong requests to every operation.

No answer is the server's failure; each has a status that the document names and the shape that it gives it; and whoever
comes without a good key is refused, whatever else is right or wrong about the request.
"""

import base64
from collections.abc import Iterable
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

from collections_app.operations.enrol import enrol_person
from collections_app.operations.people import PersonDetails
from tests.conftest import Customer
from tests.dialects.clients import FacedbClient, details
from tests.dialects.documents import DIALECTS
from tests.make import base64_of, blank, portrait

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

EXAMPLES = 50  # an operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HANDLER = get_wsgi_application()


def APP(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:  # noqa: N802
    """Answer without closing the connection that holds the test's transaction, as Django's own client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    return HANDLER(environ, start_response)


SCHEMAS = {
    dialect: schemathesis.openapi.from_wsgi(f"/docs/{dialect}/openapi.json", APP, headers={"host": "localhost"})
    for dialect in DIALECTS
}
OPERATIONS = [
    (dialect, found.ok())  # type: ignore[union-attr]  # a test says that the document is valid
    for dialect, schema in SCHEMAS.items()
    for found in schema.get_all_operations()
]
# What is put in the place of most of what was made up, or no request would come further than the checks of its form.
PORTRAIT, NOBODY = portrait("macron_2014"), blank()
TEXT = [base64_of(PORTRAIT), base64_of(NOBODY)]
OBJECT = [{"bytes": text} for text in TEXT]
IMAGES: dict[str, list[Any]] = {
    **dict.fromkeys(("faceImage", "image_base64"), TEXT),
    **dict.fromkeys(("image", "sourceImage", "targetImage", "compareImage"), OBJECT),
    "faceImages": [TEXT[:1], TEXT],
    "file": [PORTRAIT, NOBODY],
}


class Credentials(NamedTuple):
    """What a client sends of its key, and the same of a key that nobody has."""

    headers: dict[str, str]
    path: dict[str, str]
    wrong: dict[str, str]


def _credentials(dialect: str, key_id: str, secret: str) -> Credentials:
    bad = "x" * len(secret)
    basic = {word: base64.b64encode(f"{key_id}:{word}".encode()).decode() for word in (secret, bad)}
    return {
        "argos": Credentials({"x-api-key": f"{key_id}.{secret}"}, {}, {"x-api-key": f"{key_id}.{bad}"}),
        "nhn": Credentials({"Authorization": secret}, {"app_key": key_id}, {"Authorization": bad}),
        "accuauth": Credentials(
            {"X-DF-API-ID": key_id, "X-DF-API-SECRET": secret}, {}, {"X-DF-API-ID": key_id, "X-DF-API-SECRET": bad}
        ),
        "facedb": Credentials(
            {"Authorization": f"Basic {basic[secret]}"}, {}, {"Authorization": f"Basic {basic[bad]}"}
        ),
    }[dialect]


def _word(dialect: str, answer: Any) -> object:
    """Return what tells a dialect's answers apart: its code."""
    body = answer.json()
    words = {"argos": "errorCode", "accuauth": "status", "facedb": "code"}
    return body["header"]["resultCode"] if dialect == "nhn" else body.get(words[dialect])


NO_ACCESS = {"argos": 6040, "nhn": -41000, "accuauth": "UNAUTHORIZED", "facedb": 20}
FAILED = {"argos": 500, "nhn": -50000, "accuauth": "INTERNAL_ERROR", "facedb": 502}


def _fill(made_up: Any, known: dict[str, str], draw: Any) -> Any:
    """Put names that exist, and images that are some, in the place of most of what was made up."""
    if not isinstance(made_up, dict):
        return made_up
    filled = dict(made_up)
    for name, value in made_up.items():
        if name in known and isinstance(value, str):
            filled[name] = draw(st.sampled_from([known[name], known[name], value]))
        elif name in IMAGES:
            filled[name] = draw(st.sampled_from([IMAGES[name][0], *IMAGES[name], value]))
    return filled


@pytest.mark.parametrize(
    ("dialect", "operation"), OPERATIONS, ids=[f"{dialect}-{operation.label}" for dialect, operation in OPERATIONS]
)
def test_an_operation_keeps_to_its_document(dialect: str, operation: Any, acme: Customer, facedb: FacedbClient) -> None:
    key, path, wrong = _credentials(dialect, acme.issued.key.pk, acme.issued.secret)
    facedb("register-facedb", details(PORTRAIT))
    somebody = enrol_person(acme.caller, collection="people", images=[PORTRAIT], person=PersonDetails(name="somebody"))
    face = somebody.faces.get().uuid
    known = dict.fromkeys(("collectionId", "name", "group"), "people") | dict.fromkeys(("face", "faceId"), face)
    known |= {"nodeId": facedb.node, "uuId": "12345"}
    modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    kinds = {mode: operation.as_strategy(mode, headers=key, path_parameters=path) for mode in GenerationMode}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: Any) -> None:
        case = data.draw(kinds[data.draw(modes)])
        case.path_parameters = _fill(dict(case.path_parameters or {}), known, data.draw)
        case.query = _fill(dict(case.query or {}), known, data.draw)
        case.body = _fill(case.body, known, data.draw)
        if isinstance(case.body, dict) and case.media_type != "multipart/form-data":
            case.body.pop("file", None)  # no other body can carry one
        answer = case.call_and_validate(headers=key, checks=CHECKS)
        assert _word(dialect, answer) != FAILED[dialect]
        for headers in (wrong, dict.fromkeys(key, "")):
            refused = case.call(headers=headers)
            case.validate_response(refused, checks=CHECKS)
            expected = {NO_ACCESS[dialect], 6039} if dialect == "argos" else {NO_ACCESS[dialect]}
            assert _word(dialect, refused) in expected

    run()
