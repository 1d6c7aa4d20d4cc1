"""Rate limits and daily quotas that hold across processes, without a write for each request.

A limit allows a number of calls in each clock minute or UTC day. A process leases a part of the remaining calls from a
ledger that all processes share, and admits calls from the lease until it is spent. Leases shrink with what remains, so
an idle process holds little. A limit is never exceeded; a process that dies wastes at most 100 calls.

The ledger is the database, or Redis if LIMITS_URL names one. If that Redis does not answer, each process counts for
itself: a broken limiter must not refuse everybody.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import redis
from django.conf import settings
from django.db import transaction

from tenants.access import Caller, Limit
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
if left <= 0 then return 0 end
local lease = math.min(tonumber(ARGV[4]), math.max(1, math.floor(left / tonumber(ARGV[3]))))
redis.call('INCRBY', KEYS[1], lease)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return lease
"""


class Ledger(Protocol):
    """Where processes agree on what remains of a limit."""

    def lease(self, limit: Limit, start: int) -> int:
        """Lease calls in the window that began at `start` (epoch seconds); return how many, 0 if none remain."""


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
    return _lease(limit).take(int(time.time() // limit.seconds) * limit.seconds)


def forget() -> None:
    """Delete the counts of past windows."""
    RateWindow.objects.filter(start__lt=time.time() - Limit.DAY).delete()


@dataclass(slots=True)
class _Lease:
    """The calls that this process may still admit in one window of one limit."""

    limit: Limit
    start: int = 0
    calls: int = 0
    spent: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, start: int) -> bool:
        """Take one call, leasing more when needed; once none remain, ask again in the next window."""
        with self.lock:
            if self.start != start:
                self.start, self.calls, self.spent = start, 0, False
            if not self.calls and not self.spent:
                self.calls = _ledger(settings.LIMITS_URL).lease(self.limit, start)
                self.spent = not self.calls
            if not self.calls:
                return False
            self.calls -= 1
            return True


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

    def lease(self, limit: Limit, start: int) -> int:
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
        return lease


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

    def lease(self, limit: Limit, start: int) -> int:
        """See Ledger."""
        if time.monotonic() >= self._retry_at:
            key = f"faceplane:limit:{limit.subject}:{limit.seconds}:{start}"
            try:
                return int(self._script([key], [limit.most, limit.seconds + 60, _PART, _LARGEST_LEASE]))
            except redis.RedisError as error:
                self._retry_at = time.monotonic() + _REDIS_PAUSE
                logger.warning("LIMITS_URL does not answer; each process counts alone.", extra={"error": str(error)})
        counted_from, taken = self._local.get(limit, (start, 0))
        taken = taken if counted_from == start else 0
        lease = _part(limit.most - taken)
        self._local[limit] = (start, taken + lease)
        return lease


@lru_cache(maxsize=1)
def _ledger(url: str) -> Ledger:
    return RedisLedger(url) if url.startswith(("redis:", "rediss:")) else DatabaseLedger()
