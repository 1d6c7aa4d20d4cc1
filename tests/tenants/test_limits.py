"""Check 21: limits are exact, across threads and processes, and refusals are cheap."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from tenants import keys, limits
from tenants.access import Caller, Limit, caller_for_key
from tenants.errors import QuotaExceeded, TooManyRequests
from tenants.models import Tenant
from tests.conftest import ArgosClient, Customer
from tests.processes import environment, manage, prepare, shown_key
from tests.services import REDIS_PORT, redis_database, wanted


@pytest.fixture(autouse=True)
def _middle_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the current window open during a test."""
    began, clock = 1_800_000_010.0, time.monotonic()
    monkeypatch.setattr("tenants.limits.time.time", lambda: began + (time.monotonic() - clock) / 100)


@pytest.fixture
def redis_ledger(settings: Settings) -> Iterator[None]:
    """Use Redis as the ledger, if one runs."""
    if not wanted(REDIS_PORT):
        pytest.skip("no Redis at its port")
    settings.LIMITS_URL = redis_database()
    yield
    limits._ledger.cache_clear()  # noqa: SLF001 -- closes the connection


def _caller(customer: Customer, *, minute: int | None = None, day: int | None = None) -> Caller:
    issued = keys.issue(
        customer.tenant, name="limited", scopes=["search"], requests_per_minute=minute, calls_per_day=day
    )
    return caller_for_key(*keys.split(issued.token), via="tests")


def _admitted(caller: Caller, calls: int) -> int:
    passed = 0
    for _ in range(calls):
        try:
            limits.admit(caller)
        except (TooManyRequests, QuotaExceeded):
            continue
        passed += 1
    return passed


@pytest.mark.parametrize("most", [1, 7, 60, 1000])
def test_exactly_as_many_calls_pass_as_the_limit_says(acme: Customer, most: int) -> None:
    """Check 21: of a burst of five times the limit, exactly the limit passes."""
    assert _admitted(_caller(acme, minute=most), 5 * most) == most


def test_the_same_with_redis(acme: Customer, redis_ledger: None) -> None:
    """Check 21: the ledger in Redis counts as the one in the database."""
    assert _admitted(_caller(acme, minute=70), 350) == 70


def test_without_redis_each_process_counts_for_itself(acme: Customer, settings: Settings) -> None:
    """Check 21: without the ledger each process counts for itself: calls are neither all refused nor unlimited."""
    settings.LIMITS_URL = "redis://127.0.0.1:1/0"
    began = time.monotonic()
    assert _admitted(_caller(acme, minute=50), 250) == 50
    assert time.monotonic() - began < 20  # 250 waits of a tenth of a second would be more


def test_a_refusal_says_when_to_come_again(acme: Customer) -> None:
    """Check 21: Retry-After is the rest of the minute or of the day."""
    fast, daily = _caller(acme, minute=1), _caller(acme, day=1)
    assert _admitted(fast, 1) == _admitted(daily, 1) == 1
    with pytest.raises(TooManyRequests) as too_fast:
        limits.admit(fast)
    assert 0 < too_fast.value.retry_after <= Limit.MINUTE
    with pytest.raises(QuotaExceeded) as used_up:
        limits.admit(daily)
    assert (used_up.value.quota, used_up.value.limit) == ("calls_per_day", 1)
    assert Limit.MINUTE < (used_up.value.retry_after or 0) <= Limit.DAY


def test_a_new_window_begins_anew(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check 21: a call refused in one minute passes in the next."""
    caller = _caller(acme, minute=5)
    assert _admitted(caller, 10) == 5
    monkeypatch.setattr("tenants.limits.time.time", lambda: 1_800_000_080.0)
    assert _admitted(caller, 10) == 5


def test_a_tenant_s_limit_counts_its_own_keys_only(acme: Customer, globex: Customer) -> None:
    """Check 21: two keys share their tenant's limit; another tenant has its own."""
    Tenant.objects.filter(pk__in=[acme.tenant.pk, globex.tenant.pk]).update(requests_per_minute=20)
    assert _admitted(_caller(acme), 15) + _admitted(_caller(acme), 15) == 20
    assert _admitted(_caller(globex), 30) == 20


def test_neither_calls_nor_refusals_write_each_time(
    acme: Customer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Check 21: 3,000 calls within a limit take a few dozen leases, and refusals take none."""
    caller = _caller(acme, minute=3000)
    with CaptureQueriesContext(connection) as seen:
        assert _admitted(caller, 3000) == 3000
    writes = [query for query in seen.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert len(writes) < 200
    assert _admitted(caller, 1) == 0
    with django_assert_num_queries(0):
        assert _admitted(caller, 500) == 0


@pytest.mark.django_db(transaction=True)
def test_threads_share_a_limit() -> None:
    """Check 21: sixteen threads at once pass no more than the limit."""
    from tests.conftest import make_customer  # noqa: PLC0415

    caller = _caller(make_customer("initech"), minute=200)

    def work(_: int) -> int:
        try:
            return _admitted(caller, 50)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, range(16))) == 200


PROCESS = """
import sys, time, types, django
django.setup()
from tenants import keys, limits
from tenants.access import caller_for_key
from tenants.errors import TooManyRequests
limits.time = types.SimpleNamespace(time=lambda: 1_800_000_010.0, monotonic=time.monotonic)
caller = caller_for_key(*keys.split(sys.argv[1]), via="tests")
passed = 0
for _ in range(400):
    try:
        limits.admit(caller)
        passed += 1
    except TooManyRequests:
        pass
print(passed)
"""


def test_processes_share_a_limit(tmp_path: Path) -> None:
    """Check 21: four processes that call as fast as they can pass at most the limit, and nearly all of it."""
    env = environment(tmp_path)
    prepare(env, acme="people")
    token = shown_key(manage(env, "issue_key", "acme", "--requests-per-minute", "500"))
    command = [sys.executable, "-c", PROCESS, token]
    running = [
        subprocess.Popen(command, cwd=settings.BASE_DIR, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    passed = [int(process.communicate(timeout=120)[0]) for process in running]
    assert 450 <= sum(passed) <= 500, passed


def test_a_dialect_answers_in_its_own_words(acme: Customer) -> None:
    """Check 21: the vendor's envelope and code, with Retry-After."""
    issued = keys.issue(acme.tenant, name="one", scopes=["read"], requests_per_minute=1)
    client = ArgosClient(issued.token)
    assert client("GET", "/faces", collectionId="people", page="1").status_code == 200
    refused = client("GET", "/faces", collectionId="people", page="1")
    assert refused.status_code == 400
    assert refused.json() == {"errorCode": 6029, "message": "Fail to get Face list"}
    assert 1 <= int(refused["Retry-After"]) <= 60
