"""Whose turn it is to compute: as many images at once as there are cores for, a short queue, and beyond it a clear no.

The queue has lanes, one a tenant in practice, served in turn: whoever sends a hundred images at once waits for their
own, and everybody else waits for the one that is being worked on. A full queue refuses at once instead of letting
everybody wait for an answer that comes too late.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings

from recognition.errors import Busy

_LANE_SHARE = 0.75  # of the queue: a single lane never fills it


class Turns:
    """A number of slots, and the queue before them."""

    def __init__(self, slots: int, queue: int, seconds: float, own: int | None = None) -> None:
        """Allow `slots` at once, of one lane `own` if that is given; `queue` waiting, each for at most `seconds`."""
        self._free = slots
        self._own = own or slots
        self._held: Counter[int] = Counter()
        self._queue = queue
        self._lane = max(1, int(queue * _LANE_SHARE))
        self._seconds = seconds
        self._lock = threading.Lock()
        self._lanes: OrderedDict[int, deque[threading.Event]] = OrderedDict()
        self._waiting = 0

    @contextmanager
    def turn(self, lane: int) -> Iterator[None]:
        """Wait for a slot and hold it.

        Raises:
            Busy: the queue is full, or the wait was too long.
        """
        called = self._enter(lane)
        if called is not None and not called.wait(self._seconds) and self._leave_queue(lane, called):
            raise Busy(retry_after=self._seconds)
        try:
            yield
        finally:
            self._leave(lane)

    def _enter(self, lane: int) -> threading.Event | None:
        """Take a free slot (None) or a place in the queue (what will be called out)."""
        with self._lock:
            if self._free and self._held[lane] < self._own:
                self._take(lane)
                return None
            own = self._lanes.get(lane, ())
            if self._waiting >= self._queue or len(own) >= self._lane:
                raise Busy(retry_after=1.0)
            called = threading.Event()
            self._lanes.setdefault(lane, deque()).append(called)
            self._waiting += 1
            return called

    def _leave_queue(self, lane: int, called: threading.Event) -> bool:
        """Give the place up; False: the turn came in this very moment."""
        with self._lock:
            if called.is_set():
                return False
            self._lanes[lane].remove(called)
            self._tidy(lane)
            return True

    def _leave(self, lane: int) -> None:
        """Lay the slot down, for the lane that has waited longest for its turn and may have one more."""
        with self._lock:
            self._free += 1
            self._held[lane] -= 1
            if not self._held[lane]:
                del self._held[lane]
            following = next((waiting for waiting in self._lanes if self._held[waiting] < self._own), None)
            if following is not None:
                self._take(following)
                self._lanes[following].popleft().set()
                self._lanes.move_to_end(following)
                self._tidy(following)

    def _take(self, lane: int) -> None:
        self._free -= 1
        self._held[lane] += 1

    def _tidy(self, lane: int) -> None:
        self._waiting -= 1
        if not self._lanes[lane]:
            del self._lanes[lane]


@lru_cache(maxsize=1)
def _turns() -> Turns:
    return Turns(settings.COMPUTE_SLOTS, settings.COMPUTE_QUEUE, settings.COMPUTE_WAIT_SECONDS)


@contextmanager
def turn(lane: int) -> Iterator[None]:
    """Hold one of this process's slots; see Turns.turn.

    Raises:
        Busy: there is none, and too many wait already.
    """
    with _turns().turn(lane):
        yield
