"""Schemathesis over each OpenAPI document: right and wrong requests to every operation.

No answer is the server's failure; each has a status that the document names and the shape that it gives it; and whoever
comes without a good key is refused, whatever else is right or wrong about the request.
"""

import base64
from typing import Any, NamedTuple

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Customer
from tests.dialects.clients import FacedbClient
from tests.dialects.documents import DIALECTS
from tests.make import base64_of, blank, portrait

EXAMPLES = 50  # an operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
APP = get_wsgi_application()
SCHEMAS = {
    dialect: schemathesis.openapi.from_wsgi(f"/docs/{dialect}/openapi.json", APP, headers={"host": "localhost"})
    for dialect in DIALECTS
}
OPERATIONS = [
    (dialect, operation.ok()) for dialect, schema in SCHEMAS.items() for operation in schema.get_all_operations()
]
# Drawn as often as noise: without them no request would come further than the checks of its form.
IMAGES = [base64_of(portrait("macron_2014")), base64_of(blank())]
IMAGE_FIELDS = {"faceImage", "image_base64", "bytes"}


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


def _fill(value: Any, known: dict[str, str], draw: Any) -> Any:
    """Put names that exist, and images that are some, in the place of about half of what was made up."""
    if isinstance(value, list):
        return [_fill(item, known, draw) for item in value]
    if not isinstance(value, dict):
        return value
    filled = {name: _fill(item, known, draw) for name, item in value.items()}
    for name, item in filled.items():
        if name in known and isinstance(item, str) and draw(st.booleans()):
            filled[name] = known[name]
        elif name in IMAGE_FIELDS and isinstance(item, str):
            filled[name] = draw(st.sampled_from([item, *IMAGES]))
        elif name == "faceImages" and isinstance(item, list):
            filled[name] = [draw(st.sampled_from([one, *IMAGES])) if isinstance(one, str) else one for one in item]
    return filled


@pytest.mark.parametrize(
    ("dialect", "operation"), OPERATIONS, ids=[f"{dialect}-{operation.label}" for dialect, operation in OPERATIONS]
)
def test_an_operation_keeps_to_its_document(dialect: str, operation: Any, acme: Customer, facedb: FacedbClient) -> None:
    key, path, wrong = _credentials(dialect, acme.issued.key.pk, acme.issued.secret)
    known = {"collectionId": "people", "name": "people", "group": "people", "nodeId": facedb.node}
    modes = st.sampled_from(list(GenerationMode))
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
        answer = case.call_and_validate(headers=key, checks=CHECKS)
        assert _word(dialect, answer) != FAILED[dialect]
        for headers in (wrong, dict.fromkeys(key, "")):
            refused = case.call(headers=headers)
            case.validate_response(refused, checks=CHECKS)
            expected = {NO_ACCESS[dialect], 6039} if dialect == "argos" else {NO_ACCESS[dialect]}
            assert _word(dialect, refused) in expected

    run()
