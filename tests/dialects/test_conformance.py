"""Every recorded case runs against our own server over HTTP, and the command finds deviations."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.core.management import call_command

from collections_app import conformance
from collections_app.dialects import DIALECTS
from collections_app.dialects.native import errors
from collections_app.management.commands.conformance import endpoints
from collections_app.samples import SAMPLES
from tests.dialects.documents import document
from tests.processes import environment, manage, web_server

CONTRACTS = {dialect.name: conformance.load(dialect.cases) for dialect in DIALECTS}
CASES = [(dialect, case) for dialect, contract in CONTRACTS.items() for case in contract.cases]
TABLE = settings.BASE_DIR / "collections_app" / "dialects" / "README.md"


class Server(NamedTuple):
    """A running server, and each dialect's credentials."""

    url: str
    credentials: list[dict[str, str]]  # with keys that clients send, and with keys with which they sign

    def of(self, contract: conformance.Contract) -> dict[str, str]:
        """Return a contract's credentials."""
        return self.credentials[bool(contract.signs)]


# Creates what the cases' credentials name, and prints it.
CAST = """
import base64, datetime, json
from django.core.management import call_command
from collections_app.operations.collections import create_collection, delete_collection
from tenants import keys, operators
from tenants.access import ALL_SCOPES, Scope, system
from tenants.lifecycle import create_tenant

call_command("migrate", verbosity=0)

def key(tenant, scopes=ALL_SCOPES - {Scope.SCORES}, **more):
    issued = keys.issue(tenant, name="conformance", scopes=list(scopes), **more)
    return {"key": issued.token, "id": issued.key.pk, "secret": issued.secret}

def cast_of(signs):
    others = {
        "current": key(today, signs=signs),
        "brim": key(brim, signs=signs),
        "alone": key(alone, signs=signs),
        "full": key(full, signs=signs),
        "expired": key(acme, expires_at=past, signs=signs),
        "reader": key(acme, ["read"], signs=signs),
        "suspended": key(shut, signs=signs),
        "narrow": key(acme, collections=[gate.pk], signs=signs),
        "elsewhere": key(acme, networks=["192.0.2.0/24"], signs=signs),
        "slow": key(acme, requests_per_minute=0, signs=signs),
        "service": key(acme, collections=[service.pk], signs=signs),
        "lab": key(acme, collections=[service.pk], scopes=ALL_SCOPES, signs=signs),
    }
    cast = key(acme, signs=signs) | {"collection": "people", "deleted": "gone", "node": gate.alias}
    for name, other in others.items():
        basic = base64.b64encode((other["id"] + ":" + other["secret"]).encode()).decode()
        cast |= {name + "_" + part: value for part, value in (other | {"basic": basic}).items()}
    return cast | {"operator_key": operator}

operator = operators.issue("conformance")[1]
slugs = ("acme", "today", "full", "shut", "brim", "alone")
acme, today, full, shut, brim, alone = (create_tenant(slug, slug) for slug in slugs)
today.profiles, full.collection_quota = {"nhn": "current"}, 0
brim.profiles, brim.face_quota = {"nhn": "current"}, 1
alone.profiles = {"nhn": "current_appkey_only"}
today.save(), full.save(), brim.save(), alone.save()
caller = system(acme, "tests")
create_collection(caller, name="people")
create_collection(caller, name="gone")
delete_collection(caller, name="gone")
gate = create_collection(caller, name="gate", images="original")
service = create_collection(caller, name="service", images="original")
past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
both = [cast_of(signs) for signs in (False, True)]
shut.state = shut.State.SUSPENDED
shut.save()
print(json.dumps(both))
"""


class _Portraits(SimpleHTTPRequestHandler):
    """A web server of portraits."""

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def image_urls() -> Iterator[dict[str, str]]:
    """Serve the portraits, and a socket that never answers, at ports that NHN's contract allows."""
    handler = partial(_Portraits, directory=str(SAMPLES))
    with _listener(handler) as portraits, _listener(handler) as silent:
        threading.Thread(target=portraits.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield {
            "image_base_url": f"http://127.0.0.1:{portraits.server_port}",
            "silent_image_url": f"http://127.0.0.1:{silent.server_port}/",
        }
        portraits.shutdown()


def _listener(handler: Any) -> ThreadingHTTPServer:
    for port in range(10_000, 12_000):
        try:
            return ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError:
            continue
    raise AssertionError("no port is free")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, image_urls: dict[str, str]) -> Iterator[Server]:
    """A server with everything that the cases' credentials name, and a deleted collection."""
    env = environment(tmp_path_factory.mktemp("conformance"), ALLOW_PRIVATE_URLS="true")
    cast = json.loads(manage(env, "shell", "--verbosity", "0", "-c", CAST))
    with web_server(env, workers=1) as (url, _):
        yield Server(url, [each | image_urls for each in cast])


@pytest.mark.parametrize(("dialect", "case"), CASES, ids=[f"{dialect}-{case.name}" for dialect, case in CASES])
def test_our_server_passes_every_case(server: Server, dialect: str, case: conformance.Case) -> None:
    credentials = server.of(CONTRACTS[dialect])
    run = conformance.Run(CONTRACTS[dialect], server.url, credentials, SAMPLES)
    assert case.needs <= credentials.keys()
    assert run.differences(case) == []


# Errors that no request can provoke reliably on a healthy server.
NOT_PROVOKED = {
    "busy",
    "idempotency_key_in_use",
    "image_too_small",
    "internal_error",
    "liveness_unsure",  # takes a face that fills its image: tests/dialects/test_native.py
    "member_not_found",
    "model_unavailable",
    "owner_needed",
    "probing_refused",  # takes ten pictures of strangers: tests/collections_app/test_budget.py
    "signature_broken",
    "unavailable",
    "unknown_pack",
}


def test_every_operation_and_every_code_of_our_own_api_is_recorded() -> None:
    cases = CONTRACTS["native"].cases
    sent = {endpoint.replace("/api/v1", "", 1) for case in cases for endpoint in endpoints(case)}
    documented = {
        f"{method.upper()} {path}" for path, methods in document("native")["paths"].items() for method in methods
    }
    assert sent == documented
    expected = [step["expect"]["json"] for case in cases for step in case.steps]
    provoked = {body["code"] for body in expected if isinstance(body, dict) and "code" in body}
    assert provoked == {answer.code for answer in errors.ANSWERS.values()} - NOT_PROVOKED


def test_the_table_has_every_case_and_the_docs_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("conformance", "--table")
    assert capsys.readouterr().out == TABLE.read_text(), "manage.py conformance --table prints it"
    counts = [f"{dialect} {sum(case[0] == dialect for case in CASES)}" for dialect in sorted(CONTRACTS)]
    assert f"{len(CASES)} recorded cases ({', '.join(counts)})" in (settings.BASE_DIR / "docs/integrate.md").read_text()


class _Deviant(BaseHTTPRequestHandler):
    """A server whose answers deviate slightly from the contract."""

    answer: Any = None

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(self.answer).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({"errorCode": "6010", "message": "CollectionId is required"}, "answer.errorCode"),
        ({"errorCode": 6010, "message": "collectionId is required"}, "answer.message"),
        ({"errorCode": 6010}, "answer.message"),
        ({"errorCode": 6010, "message": "CollectionId is required", "detail": ""}, "answer.detail"),
        ([], "answer"),
    ],
)
def test_a_planted_deviation_is_caught(answer: object, where: str) -> None:
    """Wrong type, wrong case, a missing key, an extra key, another form."""
    handler = type("Handler", (_Deviant,), {"answer": answer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as deviant:
        threading.Thread(target=deviant.serve_forever, daemon=True).start()
        contract = CONTRACTS["argos"]
        case = next(case for case in contract.cases if case.name == "6010-add-without-collectionId")
        url = f"http://127.0.0.1:{deviant.server_port}"
        found = conformance.Run(contract, url, {"key": "x", "collection": "x", "deleted": "x"}, SAMPLES).differences(
            case
        )
        deviant.shutdown()
    assert [difference.where for difference in found] == [where]


def test_matchers_tell_forms_apart() -> None:
    forms: list[tuple[str, Any, Any]] = [
        ("<uuid>", "87db50d4-f2c6-b8ea-05ed-9f201309fd92", "87db50d4"),
        ("<integer>", 3, True),
        ("<boolean>", False, 0),
        ("<number>", 3.5, "3.5"),
        ("<share>", 0.3, 30),
        ("<percent>", 30, 101),
        ("<hex16>", "70697e9139e95a76", "70697E9139E95A76"),
        ("<tid>", "TID" + "0" * 32, "0" * 32),
        ("<time>", "2020-09-29T14:34:12", "yesterday"),
        ("<text>", "x", ""),
        ("<list>", [], {}),
        ("<local-time>", "2020-09-29T14:34:12", "2020-09-29T14:34:12Z"),
        ("<begins ERROR>", "ERROR: why", "no ERROR"),
    ]
    for form, good, bad in forms:
        assert list(conformance.compare(form, good, "x")) == []
        assert list(conformance.compare(form, bad, "x")) == [("x", form, bad)]
