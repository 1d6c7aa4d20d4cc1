"""Shares threads, memory for bodies and the number of active requests, so that nobody can take all of them.

A lane is the party whose share a request uses: its address until its credential is verified, then its key and tenant.
Each lane has a limit of active requests; more are refused in the dialect's own words. A request that waits for a
thread or for memory waits in its lane and holds nothing, and the lane that holds least is served first.

Many clients may share an address, and one of them may be an attacker. So, of an address at its limit, the request whose
body has been awaited longest gives way to a new one: nobody's silence keeps others from being verified.

A credential that was verified once tells the lane of later requests that carry it, before a thread is used, and lets
their bodies be received up to KNOWN_BYTES. It grants no access: the view verifies it every time.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b
from typing import Any

from django.conf import settings

from tenants.access import CALLER, SIGNED, Caller
from tenants.places import place

_OF_ADDRESS, _OF_KEY, _OF_TENANT = 64, 64, 96  # active requests, in this process
_BODIES_BYTES = 256_000_000  # large bodies that are in memory or being received
_MOST_KNOWN = 10_000  # credentials
_KEY = os.urandom(32)
_CREDENTIALS = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_X_DF_API_ID", "HTTP_X_DF_API_SECRET")


class Crowded(Exception):
    """The address, the key or the tenant has too many active requests, or a request waited too long."""


class Shares:
    """A resource of a fixed amount; one lane holds at most `own` of it."""

    def __init__(self, amount: int, own: int) -> None:
        """Start with all of it free."""
        self._free = amount
        self._own = own
        self._held: Counter[str] = Counter()
        self._queues: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}

    @asynccontextmanager
    async def hold(self, lane: str, amount: int = 1) -> AsyncIterator[None]:
        """Wait for `amount` of it, and hold that."""
        granted = asyncio.get_running_loop().create_future()
        self._queues.setdefault(lane, deque()).append((amount, granted))
        self._serve()
        try:
            await granted
            yield
        finally:
            if not granted.cancelled():
                self._take(lane, -amount)
            self._serve()

    def _serve(self) -> None:
        """Grant what is free to the lane that holds least; among equals, to the one served longest ago."""
        while True:
            self._forget_cancelled()
            due = [lane for lane, queue in self._queues.items() if self._may_take(lane, queue[0][0])]
            if not due:
                return
            lane = min(due, key=self._held.__getitem__)
            queue = self._queues.pop(lane)
            amount, granted = queue.popleft()
            self._queues[lane] = queue  # behind the others
            self._take(lane, amount)
            granted.set_result(None)

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


class ActiveRequest:
    """A request being answered, counted for its address, or for its key and its tenant."""

    def __init__(self, counts: Counter[str], lanes: Mapping[str, int]) -> None:
        """Count the request in these lanes; each comes with its limit.

        Raises:
            Crowded: a lane is at its limit.
        """
        self._counts = counts
        self._lanes: Mapping[str, int] = {}
        self.known = False  # whether its head has a credential that was verified in an earlier request
        self.move(lanes)

    @property
    def lane(self) -> str:
        """The lane in which it waits: the address or the tenant."""
        return list(self._lanes)[-1]

    def move(self, lanes: Mapping[str, int]) -> None:
        """Count it in these lanes instead of the former ones.

        Raises:
            Crowded: a lane is at its limit.
        """
        if any(self._counts[lane] >= most for lane, most in lanes.items() if lane not in self._lanes):
            raise Crowded
        self.leave()
        self._lanes = lanes
        self._counts.update(lanes.keys())

    @property
    def gave_way(self) -> bool:
        """Whether its place was given to a newer request."""
        return not self._lanes

    def leave(self) -> None:
        """Stop counting it."""
        self._counts.subtract(self._lanes.keys())
        self._counts += Counter()  # drops zeros
        self._lanes = {}


class Lanes:
    """What one process shares out: threads, memory for large bodies, and the number of active requests."""

    def __init__(self, threads: int) -> None:
        """Let one lane have three quarters of the threads and half of the memory at most.

        Requests with a body, which may hold their threads while they wait for a model, take fewer: in each lane and
        altogether some are left to those that only read.
        """
        self.threads = Shares(threads, max(1, threads * 3 // 4))
        self.with_body = Shares(max(1, threads * 7 // 8), max(1, threads * 5 // 8))
        self.bodies = Shares(_BODIES_BYTES, max(_BODIES_BYTES // 2, settings.MAX_BODY_BYTES))
        self._counts: Counter[str] = Counter()
        self._known: dict[bytes, Mapping[str, int]] = {}
        self._receiving: dict[ActiveRequest, asyncio.Timeout] = {}  # those that began first come first

    @contextmanager
    def active(self, environ: Mapping[str, Any], address: str) -> Iterator[ActiveRequest]:
        """Count a request while it is answered.

        Raises:
            Crowded: a lane is at its limit.
        """
        of_address = f"address {place(address)}"
        lanes = self._known.get(_credential(environ))
        if lanes is None and self._counts[of_address] >= _OF_ADDRESS:
            self._make_room(of_address)
        request = ActiveRequest(self._counts, lanes or {of_address: _OF_ADDRESS})
        request.known = lanes is not None and any(map(environ.get, _CREDENTIALS))
        try:
            yield request
        finally:
            request.leave()

    @contextmanager
    def receiving(self, request: ActiveRequest, patience: asyncio.Timeout) -> Iterator[None]:
        """Let a request whose body is awaited give way until the block ends: then its `patience` is over.

        Raises:
            Crowded: it gave way.
        """
        self._receiving[request] = patience
        try:
            yield
        finally:
            self._receiving.pop(request, None)
        if request.gave_way:
            raise Crowded

    def _make_room(self, of_address: str) -> None:
        oldest = next((request for request in self._receiving if request.lane == of_address), None)
        if oldest:
            self._receiving.pop(oldest).reschedule(0)
            oldest.leave()

    def learn(self, environ: Mapping[str, Any]) -> Mapping[str, int] | None:
        """Remember the caller that the view found for a credential; return its lanes, or None without a caller.

        Nothing is remembered of a signature: each request has another one.
        """
        caller: Caller | None = environ.get(CALLER)
        credential = _credential(environ)
        if caller is None or environ.get(SIGNED):
            self._known.pop(credential, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        lanes = {f"key {caller.id}": _OF_KEY, f"tenant {caller.tenant.pk}": _OF_TENANT}
        self._known[credential] = lanes
        return lanes


def _credential(environ: Mapping[str, Any]) -> bytes:
    """Return a keyed digest of the credentials in a request's head; the credentials themselves are not kept."""
    values = "\n".join(environ.get(name, "") for name in _CREDENTIALS)
    return blake2b(values.encode(errors="surrogateescape"), digest_size=16, key=_KEY).digest()
