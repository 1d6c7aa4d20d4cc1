"""Check 21: threads and memory are shared by lanes, and each lane has a limit of active requests."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from config.server.lanes import Crowded, Lanes, Shares
from tenants.access import CALLER, SIGNED
from tests.conftest import Customer

SECONDS = 10


class Holders:
    """Requests that hold a share until they are released, and the order in which they got it."""

    def __init__(self, shares: Shares) -> None:
        """Start without requests."""
        self.order: list[str] = []
        self.go = asyncio.Event()
        self._shares = shares
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, *lanes: str, amount: int = 1) -> None:
        """Start a request for each lane, in order."""
        for lane in lanes:
            self._tasks.append(asyncio.create_task(self._hold(lane, amount)))
            await _settled()

    async def cancel(self, number: int) -> None:
        """Cancel a request."""
        self._tasks.pop(number).cancel()
        await _settled()

    async def end(self) -> None:
        """Release all requests and wait for their end."""
        self.go.set()
        await asyncio.gather(*self._tasks)

    async def _hold(self, lane: str, amount: int) -> None:
        async with self._shares.hold(lane, amount):
            self.order.append(lane)
            await self.go.wait()


async def _settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, SECONDS))


def test_no_lane_takes_all_and_another_is_served_at_once() -> None:
    async def scene() -> None:
        holders = Holders(Shares(4, own=3))
        await holders.ask(*"aaaaaaaa")
        assert holders.order == list("aaa")
        await holders.ask("b")
        assert holders.order == list("aaab")
        await holders.end()
        assert holders.order == list("aaabaaaaa")

    _run(scene())


def test_the_lane_that_holds_least_is_next() -> None:
    async def scene() -> None:
        shares = Shares(2, own=2)
        holders, later = Holders(shares), Holders(shares)
        await holders.ask(*"aa")
        await later.ask(*"aaabbc")
        later.go.set()
        await holders.end()
        await later.end()
        assert later.order[0] == "b"
        assert "c" in later.order[:3]

    _run(scene())


def test_a_cancelled_request_frees_its_place_and_share() -> None:
    async def scene() -> None:
        shares = Shares(1, own=1)
        holders = Holders(shares)
        await holders.ask(*"abc")
        await holders.cancel(1)  # b waits
        await holders.cancel(0)  # a holds
        assert holders.order == list("ac")
        await holders.end()
        async with shares.hold("d"):
            pass

    _run(scene())


def test_one_lane_s_large_bodies_leave_half_of_the_memory_to_others() -> None:
    async def scene() -> None:
        holders = Holders(Shares(256, own=128))
        await holders.ask(*"aaaaa", amount=60)
        assert holders.order == list("aa")
        await holders.ask("b", "b", "a", amount=60)
        assert holders.order == list("aabb")
        await holders.end()
        assert sorted(holders.order) == list("aaaaaabb")

    _run(scene())


def test_an_address_has_a_limit_of_active_requests() -> None:
    lanes = Lanes(4)
    open_ = [lanes.active({}, "192.0.2.1") for _ in range(64)]
    for each in open_:
        each.__enter__()
    with pytest.raises(Crowded), lanes.active({}, "::ffff:192.0.2.1"):
        pass
    with lanes.active({}, "192.0.2.2"):
        pass
    open_.pop().__exit__(None, None, None)
    with lanes.active({}, "192.0.2.1"):
        pass


def test_of_a_full_address_the_body_awaited_longest_gives_way(acme: Customer) -> None:
    """So a client behind the same address as an attacker is verified; a verified one never gives way."""
    lanes, known = Lanes(4), {"HTTP_X_API_KEY": "secret"}
    lanes.learn(known | {CALLER: acme.caller})
    ended: list[int] = []

    async def silent(number: int, environ: dict[str, Any]) -> None:
        patience = asyncio.timeout(SECONDS)
        try:
            with (
                lanes.active(environ, "192.0.2.1") as request,
                lanes.receiving(request, patience),
                suppress(TimeoutError),
            ):
                async with patience:
                    await asyncio.Event().wait()
        except Crowded:
            ended.append(number)

    async def scene() -> None:
        tasks = [asyncio.create_task(silent(-1, known))]
        tasks += [asyncio.create_task(silent(number, {})) for number in range(66)]
        await _settled()
        assert ended == [0, 1]
        with lanes.active({}, "192.0.2.1"):
            await _settled()
        assert ended == [0, 1, 2]
        for task in tasks:
            task.cancel()

    _run(scene())


def test_nothing_is_remembered_of_a_signature(acme: Customer) -> None:
    """In the query it would stand for every request without a credential; in the header for no other."""
    lanes = Lanes(4)
    for environ in ({}, {"HTTP_AUTHORIZATION": "signature"}):
        lanes.learn(environ | {CALLER: acme.caller, SIGNED: True})
        with lanes.active(environ, "192.0.2.1") as request:
            assert request.lane == "address 192.0.2.1/32"


def test_a_verified_request_counts_for_key_and_tenant_instead_of_the_address(acme: Customer) -> None:
    """So does the next request with the same credential, from the start."""
    lanes, environ = Lanes(4), {"HTTP_X_API_KEY": "secret"}
    with lanes.active(environ, "192.0.2.1") as request:
        assert request.lane == "address 192.0.2.1/32"
        seen = lanes.learn(environ | {CALLER: acme.caller})
        assert seen is not None
        request.move(seen)
        assert request.lane == f"tenant {acme.tenant.pk}"
    with lanes.active(environ, "192.0.2.9") as request:
        assert (request.lane, request.known) == (f"tenant {acme.tenant.pk}", True)
    for stranger in ({}, {"HTTP_X_API_KEY": "guess"}, {"HTTP_AUTHORIZATION": "secret"}):
        with lanes.active(stranger, "192.0.2.9") as request:
            assert (request.lane, request.known) == ("address 192.0.2.9/32", False)
    assert lanes.learn(environ) is None  # revoked meanwhile
    with lanes.active(environ, "192.0.2.9") as request:
        assert request.lane == "address 192.0.2.9/32"
