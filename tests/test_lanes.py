"""Issue 13, 5: threads and memory are shared out by lanes, and so many requests are under way for one of these."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from config.server.lanes import Crowded, Lanes, Shares
from tenants.access import CALLER
from tests.conftest import Customer

SECONDS = 10


class Hall:
    """Requests that hold a share until they are let go, and the order in which they got it."""

    def __init__(self, shares: Shares) -> None:
        """Begin with nobody."""
        self.order: list[str] = []
        self.go = asyncio.Event()
        self._shares = shares
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, *lanes: str, amount: int = 1) -> None:
        """Let one after the other ask."""
        for lane in lanes:
            self._tasks.append(asyncio.create_task(self._hold(lane, amount)))
            await _settled()

    async def cancel(self, number: int) -> None:
        """Let a client go away."""
        self._tasks.pop(number).cancel()
        await _settled()

    async def end(self) -> None:
        """Let everybody go on."""
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
        hall = Hall(Shares(4, own=3))
        await hall.ask(*"aaaaaaaa")
        assert hall.order == list("aaa")
        await hall.ask("b")
        assert hall.order == list("aaab")
        await hall.end()
        assert hall.order == list("aaabaaaaa")

    _run(scene())


def test_who_holds_least_is_next_whoever_came_first() -> None:
    async def scene() -> None:
        shares = Shares(2, own=2)
        hall, later = Hall(shares), Hall(shares)
        await hall.ask(*"aa")
        await later.ask(*"aaabbc")
        later.go.set()
        await hall.end()
        await later.end()
        assert later.order[0] == "b"
        assert "c" in later.order[:3]

    _run(scene())


def test_who_goes_away_leaves_a_place_and_takes_no_share_along() -> None:
    async def scene() -> None:
        shares = Shares(1, own=1)
        hall = Hall(shares)
        await hall.ask(*"abc")
        await hall.cancel(1)  # b waits
        await hall.cancel(0)  # a holds
        assert hall.order == list("ac")
        await hall.end()
        async with shares.hold("d"):
            pass

    _run(scene())


def test_one_lane_s_large_bodies_leave_half_of_the_memory_to_others() -> None:
    async def scene() -> None:
        hall = Hall(Shares(256, own=128))
        await hall.ask(*"aaaaa", amount=60)
        assert hall.order == list("aa")
        await hall.ask("b", "b", "a", amount=60)
        assert hall.order == list("aabb")
        await hall.end()
        assert sorted(hall.order) == list("aaaaaabb")

    _run(scene())


def test_so_many_are_under_way_for_an_address_and_no_more() -> None:
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


def test_who_is_verified_counts_for_key_and_tenant_and_no_longer_for_the_address(acme: Customer) -> None:
    """And so does the next request with that credential from the start, but with no other."""
    lanes, environ = Lanes(4), {"HTTP_X_API_KEY": "secret"}
    with lanes.active(environ, "192.0.2.1") as request:
        assert request.lane == "address 192.0.2.1/32"
        seen = lanes.learn(environ | {CALLER: acme.caller})
        assert seen is not None
        request.move(seen)
        assert request.lane == f"tenant {acme.tenant.pk}"
    with lanes.active(environ, "192.0.2.9") as request:
        assert request.lane == f"tenant {acme.tenant.pk}"
    for stranger in ({}, {"HTTP_X_API_KEY": "guess"}, {"HTTP_AUTHORIZATION": "secret"}):
        with lanes.active(stranger, "192.0.2.9") as request:
            assert request.lane == "address 192.0.2.9/32"
    assert lanes.learn(environ) is None  # revoked meanwhile
    with lanes.active(environ, "192.0.2.9") as request:
        assert request.lane == "address 192.0.2.9/32"
