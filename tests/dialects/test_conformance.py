"""Every recorded case of every contract, against our own server over HTTP; and the kit catches what deviates."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collections_app import conformance
from tests.make import IMAGES
from tests.processes import environment, manage, web_server

CONTRACTS = Path(__file__).parent
DIALECTS = sorted(folder.parent.name for folder in CONTRACTS.glob("*/contract.json"))
CASES = [(dialect, case) for dialect in DIALECTS for case in conformance.load(CONTRACTS / dialect).cases]


class Server(NamedTuple):
    """A running server and the credentials by which each dialect reaches it."""

    url: str
    credentials: dict[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a tenant, a collection and one that is deleted."""
    env = environment(tmp_path_factory.mktemp("conformance"))
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "create_tenant", "acme")
    manage(env, "create_collection", "acme", "people")
    manage(env, "create_collection", "acme", "gone")
    script = (
        "from tenants.models import Tenant; from tenants.access import system;"
        "from collections_app.operations.collections import delete_collection;"
        "delete_collection(system(Tenant.objects.get(), 'tests'), name='gone')"
    )
    manage(env, "shell", "--verbosity", "0", "-c", script)
    key = manage(env, "issue_key", "acme").split()[4]
    key_id, _, secret = key.partition(".")
    with web_server(env, workers=1) as (url, _):
        yield Server(url, {"key": key, "id": key_id, "secret": secret, "collection": "people", "deleted": "gone"})


@pytest.mark.parametrize(("dialect", "case"), CASES, ids=[f"{dialect}-{case.name}" for dialect, case in CASES])
def test_our_server_keeps_the_contract(server: Server, dialect: str, case: conformance.Case) -> None:
    run = conformance.Run(conformance.load(CONTRACTS / dialect), server.url, server.credentials, IMAGES)
    assert run.differences(case) == []


class _Deviant(BaseHTTPRequestHandler):
    """A server that answers everything in the contract's form, a little wrong."""

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
        """Say nothing."""


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
    """Wrong type, wrong case, a missing key, a key too many, another form altogether."""
    handler = type("Handler", (_Deviant,), {"answer": answer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as deviant:
        threading.Thread(target=deviant.serve_forever, daemon=True).start()
        contract = conformance.load(CONTRACTS / "argos")
        case = next(case for case in contract.cases if case.name == "6010-add-without-collectionId")
        url = f"http://127.0.0.1:{deviant.server_port}"
        found = conformance.Run(contract, url, {"key": "x", "collection": "x", "deleted": "x"}, IMAGES).differences(
            case
        )
        deviant.shutdown()
    assert [difference.where for difference in found] == [where]


def test_matchers_tell_forms_apart() -> None:
    for form, good, bad in (
        ("<uuid>", "87db50d4-f2c6-b8ea-05ed-9f201309fd92", "87db50d4"),
        ("<integer>", 3, True),
        ("<number>", 3.5, "3.5"),
        ("<share>", 0.3, 30),
        ("<percent>", 30, 101),
        ("<hex16>", "70697e9139e95a76", "70697E9139E95A76"),
        ("<tid>", "TID" + "0" * 32, "0" * 32),
        ("<time>", "2020-09-29T14:34:12", "yesterday"),
        ("<text>", "x", ""),
        ("<list>", [], {}),
    ):
        assert list(conformance.compare(form, good, "x")) == []
        assert list(conformance.compare(form, bad, "x")) == [("x", form, bad)]
