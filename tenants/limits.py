"""Rate limits and daily quotas that hold across processes, without a write for each request.

A limit allows a number of calls in each clock minute or UTC day. A process leases a part of the remaining calls from a
ledger that all processes share, and admits calls from the lease until it is spent. Leases shrink with what remains, so
an idle process holds little. A limit is never exceeded; a process that dies wastes at most 100 calls.

What remains is told to callers without asking the ledger for it: a process knows it from its own leases, and a thread
of each web process reads once a second what the others have taken.

The ledger is the database, or Redis if LIMITS_URL names one. If that Redis does not answer, each process counts for
itself: a broken limiter must not refuse everybody.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import redis
from django.conf import settings
from django.db import close_old_connections, transaction

from tenants.access import Caller, Limit
from tenants.database import reopen_if_replaced
from tenants.errors import QuotaExceeded, TooManyRequests
from tenants.models import RateWindow

logger = logging.getLogger("faceplane.limits")
_PART = 32  # a lease is 1/32 of what remains
_LARGEST_LEASE = 100
_MOST_LEASES = 10_000
_REDIS_SECONDS = 0.25
_REDIS_PAUSE = 5.0
_LEASE_SCRIPT = """
local left = tonumber(ARGV[1]) - tonumber(redis.call('GET', KEYS[1]) or '0')
if left <= 0 then return {0, 0} end
local lease = math.min(tonumber(ARGV[4]), math.max(1, math.floor(left / tonumber(ARGV[3]))))
redis.call('INCRBY', KEYS[1], lease)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {lease, left - lease}
"""
_LOOK_SECONDS = 1.0
_IN_USE_SECONDS = 5.0  # limits of which the last call is older are not looked at


class Ledger(Protocol):
    """Where processes agree on what remains of a limit."""

    def lease(self, limit: Limit, start: int) -> tuple[int, int]:
        """Lease calls in the window that began at `start` (epoch seconds); return how many, and how many remain."""

    def taken(self, windows: Sequence[tuple[Limit, int]]) -> list[int]:
        """Return how many calls were leased in each window; a window is a limit and its start."""


def admit(caller: Caller) -> None:
    """Count a call against every limit of its key and its tenant.

    Raises:
        TooManyRequests: a limit per minute is reached.
        QuotaExceeded: a limit per day is reached.
    """
    for limit in caller.limits:
        if not passes(limit):
            wait = limit.seconds - time.time() % limit.seconds
            if limit.seconds == Limit.DAY:
                raise QuotaExceeded("calls_per_day", limit.most, retry_after=wait)
            raise TooManyRequests(wait)


def passes(limit: Limit) -> bool:
    """Count a call if it is within the limit; return whether it is."""
    return _lease(limit).take(_window(limit, time.time()))


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a caller's limits of one length: `left` of `most` calls, for `seconds` more of its `window`."""

    window: int
    most: int
    left: int
    seconds: int


def room(caller: Caller) -> list[Room]:
    """Return what is left of each length of a caller's limits, minutes first: of several limits the narrowest."""
    now = time.time()
    found: dict[int, Room] = {}
    for limit in caller.limits:
        wait = max(1, round(limit.seconds - now % limit.seconds))
        left = _lease(limit).left(_window(limit, now))
        known = found.get(limit.seconds, Room(limit.seconds, limit.most, left, wait))
        found[limit.seconds] = Room(limit.seconds, min(limit.most, known.most), min(left, known.left), wait)
    return list(found.values())


def keep_looking() -> None:
    """Start the thread of this process that reads what other processes have taken of the limits in use here."""
    threading.Thread(target=_keep_looking, name="limits", daemon=True).start()


def look() -> None:
    """Read what was taken of the limits in use, in one query."""
    now = time.time()
    with _lock:
        leases = [lease for lease in _leases.values() if lease.in_use(now)]
    if leases:
        windows = [(lease.limit, lease.start) for lease in leases]
        for lease, window, taken in zip(leases, windows, _ledger(settings.LIMITS_URL).taken(windows), strict=True):
            lease.saw(window[1], taken)


def _keep_looking() -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        try:
            close_old_connections()
            reopen_if_replaced()
            look()
        except Exception as error:  # noqa: BLE001 -- the ledger may be away; calls are counted all the same
            logger.warning("What remains of limits could not be read.", extra={"error": str(error)})


def forget() -> None:
    """Delete the counts of past windows."""
    RateWindow.objects.filter(start__lt=time.time() - Limit.DAY).delete()


def _window(limit: Limit, now: float) -> int:
    """Return when the window of a time began."""
    return int(now // limit.seconds) * limit.seconds


@dataclass(slots=True)
class _Lease:
    """The calls that this process may still admit in one window of one limit, and what the ledger has beside them."""

    limit: Limit
    start: int = 0
    calls: int = 0
    spent: bool = False
    unleased: int = 0
    used: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, start: int) -> bool:
        """Take one call, leasing more when needed; once none remain, ask again in the next window."""
        with self.lock:
            self.used = time.time()
            if self.start != start:
                self.start, self.calls, self.spent = start, 0, False
            if not self.calls and not self.spent:
                self.calls, self.unleased = _ledger(settings.LIMITS_URL).lease(self.limit, start)
                self.spent = not self.calls
            if not self.calls:
                return False
            self.calls -= 1
            return True

    def left(self, start: int) -> int:
        """Return how many calls remain in the window, as far as this process knows; all, if it took none there."""
        with self.lock:
            return self.calls + self.unleased if self.start == start else self.limit.most

    def in_use(self, now: float) -> bool:
        """Return whether what other processes take of it is of interest."""
        return self.used > now - _IN_USE_SECONDS and self.unleased > 0

    def saw(self, start: int, taken: int) -> None:
        """Keep what the ledger said about the window. It is older than a lease meanwhile, which knew less to remain."""
        with self.lock:
            if self.start == start:
                self.unleased = min(self.unleased, max(0, self.limit.most - taken))


_leases: dict[Limit, _Lease] = {}
_lock = threading.Lock()


def _lease(limit: Limit) -> _Lease:
    with _lock:
        if len(_leases) >= _MOST_LEASES:  # costs only the leased calls
            _leases.clear()
        return _leases.setdefault(limit, _Lease(limit))


def _part(left: int) -> int:
    """Return the size of a lease when `left` calls remain."""
    return 0 if left <= 0 else min(_LARGEST_LEASE, max(1, left // _PART))


class DatabaseLedger:
    """One row per limit, reset when its window begins."""

    def lease(self, limit: Limit, start: int) -> tuple[int, int]:
        """See Ledger."""
        name = {"subject": limit.subject, "seconds": limit.seconds}
        rows = RateWindow.objects.filter(**name)
        with transaction.atomic():
            row = rows.select_for_update(no_key=True).first()
            if row is None:
                RateWindow.objects.bulk_create([RateWindow(**name)], ignore_conflicts=True)
                row = rows.select_for_update(no_key=True).get()
            if row.start < start:
                row.start, row.taken = start, 0
            lease = _part(limit.most - row.taken)
            row.taken += lease
            row.save(update_fields=["start", "taken"])
        return lease, max(0, limit.most - row.taken)

    def taken(self, windows: Sequence[tuple[Limit, int]]) -> list[int]:
        """See Ledger."""
        rows = RateWindow.objects.filter(subject__in={limit.subject for limit, _ in windows})
        found = {(row.subject, row.seconds, row.start): row.taken for row in rows}
        return [found.get((limit.subject, limit.seconds, start), 0) for limit, start in windows]


class RedisLedger:
    """One counter per limit and window, which Redis expires."""

    def __init__(self, url: str) -> None:
        """Connect on first use."""
        client = redis.Redis.from_url(
            url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS, protocol=3
        )
        self._client = client
        self._script = client.register_script(_LEASE_SCRIPT)
        self._local: dict[Limit, tuple[int, int]] = {}
        self._retry_at = 0.0

    def lease(self, limit: Limit, start: int) -> tuple[int, int]:
        """See Ledger."""
        arguments = [limit.most, limit.seconds + 60, _PART, _LARGEST_LEASE]
        answer = self._ask(lambda: self._script([_redis_key(limit, start)], arguments))
        if answer is not None:
            return int(answer[0]), int(answer[1])
        counted_from, taken = self._local.get(limit, (start, 0))
        taken = taken if counted_from == start else 0
        lease = _part(limit.most - taken)
        self._local[limit] = (start, taken + lease)
        return lease, max(0, limit.most - taken - lease)

    def taken(self, windows: Sequence[tuple[Limit, int]]) -> list[int]:
        """See Ledger; while Redis is away nothing, since each process counts for itself."""
        answer = self._ask(lambda: self._client.mget([_redis_key(*window) for window in windows]))
        return [int(taken or 0) for taken in answer or [0] * len(windows)]

    def _ask(self, question: Callable[[], Any]) -> Any:  # noqa: ANN401 -- Redis's own types
        """Return Redis's answer; None while it is away."""
        if time.monotonic() < self._retry_at:
            return None
        try:
            return question()
        except redis.RedisError as error:
            self._retry_at = time.monotonic() + _REDIS_PAUSE
            logger.warning("LIMITS_URL does not answer; each process counts alone.", extra={"error": str(error)})
            return None


def _redis_key(limit: Limit, start: int) -> str:
    return f"faceplane:limit:{limit.subject}:{limit.seconds}:{start}"


@lru_cache(maxsize=1)
def _ledger(url: str) -> Ledger:
    return RedisLedger(url) if url.startswith(("redis:", "rediss:")) else DatabaseLedger()
