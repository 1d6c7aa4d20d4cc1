"""What is left of a caller's limits stands in each answer: RateLimit-Policy and RateLimit, the IETF's draft."""

import re
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from tenants import limits
from tenants.access import Limit
from tenants.models import RateWindow, Tenant
from tests.conftest import ArgosClient, Customer
from tests.dialects.clients import NativeClient, send
from tests.dialects.examples import EXAMPLES
from tests.dialects.examples.descriptor import filled
from tests.processes import environment, manage, prepare, shown_key, web_server

FIELD = re.compile(r'"(minute|day)"((?:;[qwrt]=[0-9]+)+)')
MOST = 6_000  # calls a minute
OTHERS = 100  # the most that the other process holds without having used it


@pytest.fixture
def _middle_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the current windows open during a test."""
    monkeypatch.setattr("tenants.limits.time.time", lambda: 1_800_000_010.0)


in_one_minute = pytest.mark.usefixtures("_middle_of_a_minute")


def read(field: str) -> dict[str, dict[str, int]]:
    """Return a field's items by policy: a list of strings with parameters."""
    items = [FIELD.fullmatch(item) for item in field.split(", ")]
    return {item[1]: {part[0]: int(part[2:]) for part in item[2].split(";")[1:]} for item in items if item}


@in_one_minute
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_dialect_tells_what_is_left_and_a_refusal_that_nothing_is(acme: Customer, dialect: Dialect) -> None:
    key = acme.key(dialect, requests_per_minute=2, calls_per_day=100)
    path = filled(EXAMPLES[dialect.name].takes_json, key.key.pk, acme.people.alias)
    answers = [send(dialect, key, "POST", path, b"{") for _ in range(3)]  # malformed calls are counted too
    for answer, left in zip(answers, [1, 0, 0], strict=True):
        assert read(answer["RateLimit-Policy"]) == {"minute": {"q": 2, "w": 60}, "day": {"q": 100, "w": 86_400}}
        assert read(answer["RateLimit"])["minute"] == {"r": left, "t": 50}
    assert [read(answer["RateLimit"])["day"]["r"] for answer in answers] == [99, 98, 98]  # the refused call is none
    assert answers[-1]["Retry-After"] == "50"


def test_without_a_limit_and_without_a_key_there_is_nothing_to_tell(argos: ArgosClient) -> None:
    for client in (argos, ArgosClient("")):
        answer = client("GET", "/faces", collectionId="people", page="1")
        assert "RateLimit" not in answer
        assert "RateLimit-Policy" not in answer


@in_one_minute
def test_of_the_key_s_and_the_tenant_s_limit_the_narrower_one_counts(acme: Customer, native: NativeClient) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(requests_per_minute=3)
    assert read(native("GET", "/collections")["RateLimit-Policy"]) == {"minute": {"q": 3, "w": 60}}
    key = acme.key(DIALECTS[0], requests_per_minute=9)
    told = ArgosClient(key.token)("GET", "/faces", collectionId="people", page="1")
    assert read(told["RateLimit"])["minute"]["r"] == 1  # two of the tenant's three calls are made
    assert read(told["RateLimit-Policy"])["minute"]["q"] == 3


@in_one_minute
def test_what_others_took_is_known_after_a_look_which_is_one_query(acme: Customer, settings: Settings) -> None:
    """The thread of a web process looks once a second."""
    settings.LIMITS_URL = ""  # the database counts
    mine = [Limit(f"key {number}", seconds, MOST) for number in range(3) for seconds in (60, 86_400)]
    assert all(limits.passes(limit) for limit in mine)
    RateWindow.objects.filter(subject="key 1", seconds=60).update(taken=5_000)
    with CaptureQueriesContext(connection) as seen:
        limits.look()
    assert len(seen) == 1
    lefts = [limits._lease(limit).left(limits._window(limit, 1_800_000_010.0)) for limit in mine]  # noqa: SLF001
    assert lefts == [MOST - 1] * 2 + [99 + MOST - 5_000] + [MOST - 1] * 3
    limits.look()
    assert limits._lease(mine[2]).left(1_799_999_940) == MOST  # noqa: SLF001 -- of another window nothing is known


@in_one_minute
def test_a_call_with_a_limit_costs_no_statement_of_its_own(acme: Customer) -> None:
    """Once the process has a lease, which serves up to a hundred calls."""
    counts = []
    for key in (acme.key(DIALECTS[0], requests_per_minute=MOST), acme.issued):
        client = ArgosClient(key.token)
        client("GET", "/faces", collectionId="people", page="1")
        with CaptureQueriesContext(connection) as seen:
            client("GET", "/faces", collectionId="people", page="1")
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_what_is_told_is_true_for_all_processes_together(tmp_path: Path) -> None:
    env = environment(tmp_path)
    prepare(env, acme="people")
    token = shown_key(manage(env, "issue_key", "acme", "--requests-per-minute", str(MOST)))
    with web_server(env, workers=2) as (url, _):
        if time.time() % 60 > 20:  # all of it in one minute
            time.sleep(60 - time.time() % 60)

        def ask() -> tuple[int, int]:
            request = Request(f"{url}/faces?collectionId=people&page=1", headers={"x-api-key": token})  # noqa: S310
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                assert read(answer.headers["RateLimit-Policy"]) == {"minute": {"q": MOST, "w": 60}}
                told = read(answer.headers["RateLimit"])["minute"]
                return told["r"], told["t"]

        for _ in range(150):
            ask()
        time.sleep(1.5)
        lefts = [ask() for _ in range(12)]
    assert all(0 < seconds <= 60 for _, seconds in lefts)
    for calls, (left, _) in enumerate(lefts, start=151):
        assert MOST - calls - OTHERS <= left <= MOST - calls
