"""Whose request goes on: threads, and memory for bodies, are shared out by lanes, and no lane takes all of them.

A request is its address's until its credential is verified, and then its key's and its tenant's. So many are under way
for each of these; what is beyond is refused in the dialect's own words. What waits for a thread or for memory waits in
its lane and holds nothing, and who has least is served first: a hundred requests at once wait for one another.

A credential that was verified tells the lane of the next request that carries it, before any thread looks at it. It
admits nobody: the view verifies it each time.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b
from typing import Any

from django.conf import settings

from tenants.access import CALLER, Caller
from tenants.places import place

_OF_ADDRESS, _OF_KEY, _OF_TENANT = 64, 64, 96  # requests under way, in this process
_BODIES_BYTES = 256_000_000  # of large bodies that are here or coming
_MOST_KNOWN = 10_000
_KEY = os.urandom(32)
_CREDENTIALS = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_X_DF_API_ID", "HTTP_X_DF_API_SECRET")


class Crowded(Exception):
    """As many requests as may be are under way for the address, the key or the tenant."""


class Shares:
    """An amount of something, of which a lane holds no more than `own`."""

    def __init__(self, amount: int, own: int) -> None:
        """Begin with all of it free."""
        self._free = amount
        self._own = own
        self._held: Counter[str] = Counter()
        self._queues: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}

    @asynccontextmanager
    async def hold(self, lane: str, amount: int = 1) -> AsyncIterator[None]:
        """Wait for so much of it, and hold it."""
        called = asyncio.get_running_loop().create_future()
        self._queues.setdefault(lane, deque()).append((amount, called))
        self._serve()
        try:
            await called
            yield
        finally:
            if not called.cancelled():
                self._take(lane, -amount)
            self._serve()

    def _serve(self) -> None:
        """Give what is free, to the lane that holds least, and of several to the one that was served longest ago."""
        while True:
            self._forget_cancelled()
            due = [lane for lane, queue in self._queues.items() if self._may_take(lane, queue[0][0])]
            if not due:
                return
            lane = min(due, key=self._held.__getitem__)
            queue = self._queues.pop(lane)
            amount, called = queue.popleft()
            self._queues[lane] = queue  # behind the others
            self._take(lane, amount)
            called.set_result(None)

    def _forget_cancelled(self) -> None:
        for lane, queue in list(self._queues.items()):
            while queue and queue[0][1].cancelled():
                queue.popleft()
            if not queue:
                del self._queues[lane]

    def _may_take(self, lane: str, amount: int) -> bool:
        return amount <= self._free and self._held[lane] + amount <= self._own

    def _take(self, lane: str, amount: int) -> None:
        self._free -= amount
        self._held[lane] += amount
        if not self._held[lane]:
            del self._held[lane]


class UnderWay:
    """A request on its way, counted for its address, or for its key and its tenant."""

    def __init__(self, counts: Counter[str], lanes: Mapping[str, int]) -> None:
        """Count it, with how many there may be in each lane.

        Raises:
            Crowded: there are as many.
        """
        self._counts = counts
        self._lanes: Mapping[str, int] = {}
        self.move(lanes)

    @property
    def lane(self) -> str:
        """The lane in which it waits."""
        return list(self._lanes)[-1]

    def move(self, lanes: Mapping[str, int]) -> None:
        """Count it for these, and no longer for those before.

        Raises:
            Crowded: there are as many as there may be.
        """
        if any(self._counts[lane] >= most for lane, most in lanes.items() if lane not in self._lanes):
            raise Crowded
        self.leave()
        self._lanes = lanes
        self._counts.update(lanes.keys())

    def leave(self) -> None:
        """Count it no longer."""
        self._counts.subtract(self._lanes.keys())
        self._counts += Counter()  # forgets the zeros
        self._lanes = {}


class Lanes:
    """What a process shares out: threads, memory for large bodies, and how many requests are under way."""

    def __init__(self, threads: int) -> None:
        """Keep a quarter of the threads, and half of the memory, from any one lane."""
        self.threads = Shares(threads, max(1, threads * 3 // 4))
        self.bodies = Shares(_BODIES_BYTES, max(_BODIES_BYTES // 2, settings.MAX_BODY_BYTES))
        self._counts: Counter[str] = Counter()
        self._known: dict[bytes, Mapping[str, int]] = {}

    @contextmanager
    def under_way(self, environ: Mapping[str, Any], address: str) -> Iterator[UnderWay]:
        """Count a request while it is answered.

        Raises:
            Crowded: too many others are.
        """
        of_address = {f"address {place(address)}": _OF_ADDRESS}
        request = UnderWay(self._counts, self._known.get(_credential(environ), of_address))
        try:
            yield request
        finally:
            request.leave()

    def learn(self, environ: Mapping[str, Any]) -> Mapping[str, int] | None:
        """Remember whose credential it was that the view has looked at; return its lanes, None if it is nobody's."""
        caller: Caller | None = environ.get(CALLER)
        credential = _credential(environ)
        if caller is None:
            self._known.pop(credential, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        lanes = {f"key {caller.id}": _OF_KEY, f"tenant {caller.tenant.pk}": _OF_TENANT}
        self._known[credential] = lanes
        return lanes


def _credential(environ: Mapping[str, Any]) -> bytes:
    """Return what stands for the credentials in a request's head, which are kept nowhere."""
    given = "\n".join(environ.get(name, "") for name in _CREDENTIALS)
    return blake2b(given.encode(errors="surrogateescape"), digest_size=16, key=_KEY).digest()
