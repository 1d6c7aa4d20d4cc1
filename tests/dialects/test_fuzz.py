"""Check 17: schemathesis sends valid and invalid requests to every operation of each OpenAPI document.

25 of each per operation; with SOAK=1 in the environment 200, generated anew at each run.
No response is a server error; each has a status and a shape that the document describes; and requests without a valid
key are refused, whatever else they contain.
"""

import base64
import io
import os
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

from collections_app.models import Person
from collections_app.operations.collections import update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face, enrol_person
from collections_app.operations.erase import delete_face
from collections_app.operations.named_people import add_person
from collections_app.operations.search import search_by_face
from collections_app.operations.webhooks import create_webhook
from recognition.similarity import Threshold
from tenants import keys
from tests.conftest import Customer
from tests.dialects.clients import FacedbClient, details
from tests.dialects.documents import DIALECTS
from tests.make import base64_of, blank, portrait

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SOAK = bool(os.environ.get("SOAK"))
EXAMPLES = 200 if SOAK else 25  # an operation
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
# Replaces most generated values; otherwise no request would pass the validation of its form.
PORTRAIT, NOBODY = portrait("macron_2014"), blank()
TEXT = [base64_of(PORTRAIT), base64_of(NOBODY)]
OBJECT, BYTES = [{"bytes": text} for text in TEXT], [{"Bytes": text} for text in TEXT]
FILES = [PORTRAIT, NOBODY]
FORM, TAKES_AN_IMAGE = "multipart/form-data", ("/faces", "/search", "/verify", "/detect")
IMAGES: dict[str, dict[str, list[Any]]] = {
    "argos": {"faceImage": TEXT},
    "nhn": dict.fromkeys(("image", "sourceImage", "targetImage", "compareImage"), OBJECT)
    | dict.fromkeys(("imageFile", "sourceImageFile", "targetImageFile"), FILES),
    "accuauth": {"image_base64": TEXT, "file": FILES},
    "facedb": {key: [TEXT[:1], TEXT] for key in ("faceImages", "feature_images")} | {"image_buffer": TEXT},
    "rekognition": dict.fromkeys(("Image", "SourceImage", "TargetImage"), BYTES),
}


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


def _word(dialect: str, answer: Any) -> object:
    """Return the code that distinguishes a dialect's answers; None if it has none."""
    if "json" not in answer.headers.get("content-type", [""])[0]:
        return None
    body = answer.json()
    if not isinstance(body, dict):
        return None
    words = {"native": "code", "argos": "errorCode", "accuauth": "status", "facedb": "code", "rekognition": "Code"}
    words |= {"compreface": "code"}
    return body["header"]["resultCode"] if dialect == "nhn" else body.get(words[dialect])


NO_ACCESS: dict[str, set[object]] = {
    "native": {"unknown_key", "missing_key"},
    "argos": {6040, 6039},
    "nhn": {-41000, -41005},
    "accuauth": {"UNAUTHORIZED"},
    "facedb": {20},
    "rekognition": {"UnrecognizedClientException", "MissingAuthenticationTokenException", "UnknownOperationException"},
    "compreface": {10, 20},
}
FAILED = {
    "native": "internal_error",
    "argos": 500,
    "nhn": -50000,
    "accuauth": "INTERNAL_ERROR",
    "facedb": 502,
    "rekognition": "InternalServerError",
    "compreface": 41,
}


def _fill(made_up: Any, known: dict[str, str], images: dict[str, list[Any]], draw: Any) -> Any:
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


def _either(case: Any) -> dict[str, list[Any]]:
    """Return the values for images that are files of a form or base64 of a JSON body, under one name."""
    return dict.fromkeys(("file", "source_image", "target_image"), FILES if case.media_type == FORM else TEXT)


def _native_images(case: Any, draw: Any) -> dict[str, list[Any]]:
    """Return the values for an operation's images; usually one, since an image and its URL are both optional."""
    two = case.operation.path == "/compare"
    names = ("source", "target") if two else ("image",) if case.operation.path.endswith(TAKES_AN_IMAGE) else ()
    images: dict[str, list[Any]] = dict.fromkeys(names, FILES if case.media_type == FORM else TEXT)
    if isinstance(case.body, dict) and draw(st.sampled_from([True, True, True, False])):
        kept = {name: value for name, value in case.body.items() if name.removesuffix("_url") not in names}
        one = {"face": ""} if case.operation.path.endswith("/verify") and "person" not in kept else {}
        case.body = kept | one | dict.fromkeys(names)
    return images


def _native_names(acme: Customer, somebody: Person) -> dict[str, str]:
    """Return an existing value for each name in the native API's paths and bodies."""
    collection, other = "people", PersonDetails(name="other")
    update_collection(acme.caller, collection=collection, images="crop")
    kept = enrol_face(acme.caller, collection=collection, image=PORTRAIT, person=other).faces[0]
    face = enrol_face(acme.caller, collection=collection, image=PORTRAIT, person=other).faces[0]
    erased = delete_face(acme.caller, collection=collection, face=face.uuid)
    hook = create_webhook(acme.caller, url="https://example.com/hook", kinds=["search.matched"]).webhook
    searched = search_by_face(
        acme.caller, collection=collection, face=kept.uuid, limit=1, threshold=Threshold(0)
    ).record
    key = keys.issue(acme.tenant, name="other", scopes=["read"]).key.pk
    return {
        "collection": collection,
        "person": str(somebody.pk),
        "face": kept.uuid,
        "other": str(kept.person_id),
        "receipt": erased.uuid,
        "webhook": str(hook.pk),
        "delivery": str(hook.deliveries.get().pk),
        "search": searched.uuid,
        "key": key,
        "job": f"index-{acme.people.pk}",
        "cursor": base64.b64encode(b"1").decode(),
    }


@pytest.mark.parametrize(
    ("dialect", "operation"), OPERATIONS, ids=[f"{dialect}-{operation.label}" for dialect, operation in OPERATIONS]
)
def test_an_operation_keeps_to_its_document(dialect: str, operation: Any, acme: Customer, facedb: FacedbClient) -> None:
    issued = acme.key(DIALECTS[dialect])
    key, path, wrong = _credentials(dialect, issued.key.pk, issued.secret)
    facedb("register-facedb", details(PORTRAIT))
    somebody = enrol_person(acme.caller, collection="people", images=[PORTRAIT], person=PersonDetails(name="somebody"))
    face = somebody.faces.get().uuid
    known = dict.fromkeys(("collectionId", "name", "group"), "people") | dict.fromkeys(("face", "faceId"), face)
    known |= {
        "node_id": facedb.node,
        "uuid": "12345",
        "nodeId": facedb.node,
        "uuId": "12345",
        "CollectionId": "people",
        "FaceId": face,
    }
    known |= dict.fromkeys(("person", "subject"), somebody.reference) if dialect == "compreface" else {}
    arn = f"arn:aws:rekognition:us-east-1:{acme.tenant.pk % 10**12:012}:collection/people"
    known |= {"UserId": "ada", "ResourceArn": arn}
    add_person(acme.caller, collection="people", reference="ada")
    known |= _native_names(acme, somebody) if dialect == "native" else {}
    modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    kinds = {mode: operation.as_strategy(mode, headers=key, path_parameters=path) for mode in GenerationMode}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: Any) -> None:
        case = data.draw(kinds[data.draw(modes)])
        images = _native_images(case, data.draw) if dialect == "native" else IMAGES.get(dialect) or _either(case)
        case.path_parameters = _fill(dict(case.path_parameters or {}), known, {}, data.draw)
        case.query = _fill(dict(case.query or {}), known, {}, data.draw)
        case.body = _fill(case.body, known, images, data.draw)
        if isinstance(case.body, dict) and case.media_type != FORM and dialect == "accuauth":
            case.body.pop("file", None)  # no other body can carry one
        answer = case.call_and_validate(headers=key, checks=CHECKS)
        assert _word(dialect, answer) != FAILED[dialect]
        for headers in (wrong, dict.fromkeys(key, "")):
            refused = case.call(headers=headers)
            case.validate_response(refused, checks=CHECKS)
            assert _word(dialect, refused) in NO_ACCESS[dialect]

    run()
