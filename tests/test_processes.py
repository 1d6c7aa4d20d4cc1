"""What needs several processes: two web processes and a command on one store."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings

from recognition.admission import AdmissionQueue
from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, prepare, web_server

ROUNDS = 12


class Server(NamedTuple):
    """A running server with a tenant, a collection "people" and a key."""

    url: str
    key: str
    env: dict[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two worker processes on an empty store."""
    env = environment(tmp_path_factory.mktemp("server"))
    key = prepare(env, acme="people")["acme"]
    with web_server(env, workers=2) as (url, _):
        yield Server(url, key, env)


def _post(server: Server, path: str, name: str, **extra: str) -> tuple[int, dict[str, object]]:
    body = {"collectionId": "people", "faceImage": base64_of(portrait(name)), **extra}
    return call(server.url + path, "POST", body, **{"x-api-key": server.key})


def test_what_one_process_enrols_every_other_finds_and_what_it_deletes_none_finds(server: Server) -> None:
    """Requests reach either process; none ever answers from an old state."""
    for turn in range(ROUNDS):
        status, added = _post(server, "/faces", "ardern_2018", userName=f"turn {turn}")
        assert status == 200, added
        for _ in range(3):
            assert _post(server, "/search", "ardern_2022", requestName="x")[1]["faceIdList"] == [added["faceId"]]
        query = f"collectionId=people&faceId={added['faceId']}"
        assert call(f"{server.url}/faces?{query}", "DELETE", **{"x-api-key": server.key})[0] == 200
        for _ in range(3):
            assert _post(server, "/search", "ardern_2022", requestName="x")[1]["faceIdList"] == []


def test_the_audit_chain_of_two_processes_is_one(server: Server) -> None:
    script = (
        "from tenants import audit; from tenants.models import Tenant; print(audit.verify(Tenant.objects.get()).sound)"
    )
    assert manage(server.env, "shell", "--verbosity", "0", "-c", script).strip() == "True"


def test_processes_share_one_queue_for_computing(server: Server) -> None:
    """Check 21: while this process holds the host's slots, the server processes no image."""
    slots = settings.COMPUTE_SLOTS
    queue = AdmissionQueue(Path(server.env["HOST_DIR"]) / "compute", slots=slots, queue=1, seconds=30)
    with ThreadPoolExecutor(4) as pool:
        with ExitStack() as stack:
            for number in range(slots):
                stack.enter_context(queue.admit(f"other {number}"))
            asked = [pool.submit(_post, server, "/search", "obama", requestName="x") for _ in range(4)]
            time.sleep(2)
            assert not any(each.done() for each in asked)
        assert [each.result(30)[0] for each in asked] == [200] * 4


def test_health(server: Server) -> None:
    assert call(f"{server.url}/healthz") == (200, {"status": "ok"})
    status, ready = call(f"{server.url}/readyz")
    assert status == 200
    assert {name for name, result in ready["checks"].items() if result != "ok"} <= {"workers"}


def test_a_body_of_a_hundred_megabytes_is_refused_in_the_envelope(server: Server) -> None:
    body = {"collectionId": "people", "userName": "x", "faceImage": "A" * 100_000_000}
    status, answer = call(f"{server.url}/faces", "POST", body, **{"x-api-key": server.key})
    assert (status, answer["errorCode"]) == (400, 6016)


def test_no_secret_lies_outside_its_place(server: Server) -> None:
    """Neither the store nor the queue holds a usable key."""
    data = Path(server.env["DATA_DIR"])
    secret = server.key.partition(".")[2].encode()
    for file in data.rglob("*"):
        if file.is_file():
            assert secret not in file.read_bytes(), file
