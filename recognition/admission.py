"""Admission to computing: as many requests at once as the host has cores, and a short queue; beyond it, refusal.

There is one queue per host. Web processes and workers share it in one small file, without a server: one entry for each
caller that computes or waits, read and written under a lock on the file's first byte. While an entry is in use, its
process locks the entry's own byte; the kernel releases that lock when the process dies, so the entry can be reused. A
waiting caller sleeps on a named pipe until it is woken.

The queue has lanes, in practice one per tenant. A caller joins the round after the last round of its lane, and rounds
are served in order: a tenant that sends a hundred images at once waits for its own images, and each waiting tenant gets
a slot before another gets its second. A free entry still records when its lane was last served.

Jobs (bulk imports and the like) take what requests leave: a job is admitted only while no request waits, and while
requests have come within the last seconds it leaves one slot free for the next one.
"""

import fcntl
import os
import select
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache, wraps
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from recognition.errors import Busy
from recognition.folders import private
from recognition.metrics import stage

_LANE_SHARE = 0.75  # of the queue, so that a single lane never fills it
_LOOK_SECONDS = 0.2  # how often a waiting caller looks for processes that died while they held a slot
_ALL = 0  # the byte that locks the whole file; the byte of an entry is its number plus one
_FREE, _WAITING, _HELD = range(3)
_FORM = struct.Struct("=QQQQ")
_JOB = 1  # the lowest bit of a lane: set in those of jobs
_QUIET_SECONDS = 3.0  # without a request, after which jobs may take every slot


class _Entry(NamedTuple):
    """The entry of a caller: its state, its lane, the round of the lane, and its number in the order of arrival."""

    state: int
    lane: int
    round: int
    arrival: int

    @property
    def job(self) -> bool:
        """Whether it is a job's, which waits for all requests."""
        return bool(self.lane & _JOB)

    def moved(self, state: int) -> "_Entry":
        """Return the entry in another state; a caller that was never served does not count in the rounds."""
        served = _HELD in {self.state, state}
        return _Entry(state, self.lane, self.round if served else 0, self.arrival)


_UNUSED = _Entry(_FREE, 0, 0, 0)


class AdmissionQueue:
    """A number of slots with a queue, in a file that all processes of the host open."""

    def __init__(self, path: Path, *, slots: int, queue: int, seconds: float, own: int | None = None) -> None:
        """Admit `slots` callers at once, `own` per lane, and let `queue` wait, each for at most `seconds`.

        Use one AdmissionQueue per file and process: closing a file releases all locks that the process has on it.
        """
        self._path = path
        self._slots = slots
        self._own = own or slots
        self._queue = queue
        self._lane_queue = max(1, int(queue * _LANE_SHARE))
        self._seconds = seconds
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        asked = path.with_name(f"{path.name}-asked")  # its time of change is when the last request came
        new = not asked.exists()
        self._asked = os.open(asked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if new:
            os.utime(self._asked, (0, 0))
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # locks and threads stay with the parent

    def _begin(self) -> None:
        self._threads = threading.Lock()  # file locks exclude other processes, not other threads
        self._ours: set[int] = set()

    @contextmanager
    def admit(self, lane: object, *, job: bool = False) -> Iterator[None]:
        """Wait for a slot and hold it; a job waits for all requests.

        Raises:
            Busy: the queue is full, or the wait was too long.
        """
        hashed = int.from_bytes(blake2b(str(lane).encode(), digest_size=8).digest())
        if not job:
            os.utime(self._asked)
        number, admitted = self._enter(hashed | _JOB if job else hashed & ~_JOB)
        try:
            if not admitted and not self._wait(number):
                raise Busy(retry_after=self._seconds)
            yield
        finally:
            self._leave(number)

    def _enter(self, lane: int) -> tuple[int, bool]:
        """Take an entry, and a slot with it if one is free; return the entry's number and whether it has the slot."""
        with self._exclusive() as entries:
            if sum(entry.state == _HELD for entry in entries) >= self._slots:
                self._free_dead(entries)
            job = bool(lane & _JOB)
            waiting = [entry.lane for entry in entries if entry.state == _WAITING and entry.job == job]
            number = self._place(entries, lane)
            self._serve(entries)
            admitted = entries[number].state == _HELD
            if not admitted and (len(waiting) >= self._queue or waiting.count(lane) >= self._lane_queue):
                raise Busy(retry_after=1.0)  # nothing is written
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number + 1)
            self._ours.add(number)
            return number, admitted

    def _wait(self, number: int) -> bool:
        """Sleep until the entry has a slot; return False after too long a wait."""
        until = time.monotonic() + self._seconds
        pipe = self._pipe(number)
        with suppress(FileExistsError):
            os.mkfifo(pipe, 0o600)
        called = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            poll = select.poll()
            poll.register(called, select.POLLIN)
            while (left := until - time.monotonic()) > 0:
                if _FORM.unpack(os.pread(self._file, _FORM.size, number * _FORM.size))[0] == _HELD:
                    return True
                if poll.poll(1000 * min(left, _LOOK_SECONDS)):
                    os.read(called, 64)
                else:
                    with self._exclusive() as entries:
                        self._free_dead(entries)
                        self._serve(entries)
            return False
        finally:
            os.close(called)

    def counts(self) -> dict[str, int]:
        """Return how many callers hold a slot, and how many wait."""
        with self._exclusive() as entries:
            self._free_dead(entries)
            states = Counter(entry.state for entry in entries)
        return {"held": states[_HELD], "waiting": states[_WAITING]}

    def _leave(self, number: int) -> None:
        """Free the entry and give its slot to the next caller."""
        with self._exclusive() as entries:
            self._ours.discard(number)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number + 1)
            entries[number] = entries[number].moved(_FREE)
            self._serve(entries)

    def _place(self, entries: list[_Entry], lane: int) -> int:
        """Put a caller into a free entry: one that its lane used before, else the one that was freed longest ago."""
        alike = [entry for entry in entries if entry.job == bool(lane & _JOB)]
        served = max((entry.round for entry in alike if entry.state != _WAITING), default=0)
        last = max((entry.round for entry in entries if entry.lane == lane), default=0)
        arrival = 1 + max((entry.arrival for entry in entries), default=0)
        free = [number for number, entry in enumerate(entries) if entry.state == _FREE]
        mine = [number for number in free if entries[number].lane == lane]
        if not mine and (not free or len(entries) < self._slots + self._queue):
            entries.append(_UNUSED)
            mine = [len(entries) - 1]
        number = min(mine or free, key=lambda number: entries[number].arrival)
        entries[number] = _Entry(_WAITING, lane, max(served, last + 1), arrival)
        return number

    def _serve(self, entries: list[_Entry]) -> None:
        """Give the free slots to the next callers: requests, then jobs; of these by round, then by arrival."""
        held = Counter(entry.lane for entry in entries if entry.state == _HELD)
        waiting = [number for number, entry in enumerate(entries) if entry.state == _WAITING]
        for_jobs = self._slots - (time.time() - os.fstat(self._asked).st_mtime < _QUIET_SECONDS)
        for number in sorted(waiting, key=lambda number: (entries[number].job, *entries[number][2:])):
            lane, slots = entries[number].lane, for_jobs if entries[number].job else self._slots
            if held.total() < slots and held[lane] < self._own:
                held[lane] += 1
                entries[number] = entries[number].moved(_HELD)

    def _free_dead(self, entries: list[_Entry]) -> None:
        """Free the entries of dead processes, whose locks are released."""
        for number, entry in enumerate(entries):
            if entry.state == _FREE or number in self._ours:
                continue
            with suppress(BlockingIOError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number + 1)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number + 1)
                entries[number] = entry.moved(_FREE)

    @contextmanager
    def _exclusive(self) -> Iterator[list[_Entry]]:
        """Yield all entries; then write the changed ones and wake the callers that got a slot."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _ALL)
            try:
                content = os.pread(self._file, os.fstat(self._file).st_size, 0)
                before = [_Entry(*fields) for fields in _FORM.iter_unpack(content)]
                entries = list(before)
                yield entries
                for number, (old, new) in enumerate(zip_longest(before, entries, fillvalue=_UNUSED)):
                    if new != old:
                        os.pwrite(self._file, _FORM.pack(*new), number * _FORM.size)
                    if (old.state, new.state) == (_WAITING, _HELD):
                        self._call(number)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _ALL)

    def _call(self, number: int) -> None:
        """Wake the caller that sleeps at an entry."""
        with suppress(OSError):  # the caller does not sleep yet, or no longer
            pipe = os.open(self._pipe(number), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(pipe, b"!")
            finally:
                os.close(pipe)

    def _pipe(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}-{number}")


def host_file(name: str) -> Path:
    """Return the path of a file that all processes on the host share."""
    return private(Path(settings.HOST_DIR)) / name


def _after_fork() -> None:
    """Use a free lock in a forked child: the parent may have forked while another thread held it."""
    global _making  # noqa: PLW0603 -- one a process
    _making = threading.Lock()


_making = threading.Lock()
os.register_at_fork(after_in_child=_after_fork)


def one_queue(make: Callable[[], AdmissionQueue]) -> Callable[[], AdmissionQueue]:
    """Let a function make its queue once in a process, also if several first requests ask for it at once.

    With lru_cache alone each of them would get its own, and the locks of a process do not exclude each other.
    """
    made = lru_cache(maxsize=1)(make)

    @wraps(make)
    def queue() -> AdmissionQueue:
        with _making:
            return made()

    queue.cache_clear = made.cache_clear  # type: ignore[attr-defined]
    return queue


@one_queue
def _computing() -> AdmissionQueue:
    bounds = {"slots": settings.COMPUTE_SLOTS, "queue": settings.COMPUTE_QUEUE}
    return AdmissionQueue(host_file("compute"), seconds=settings.COMPUTE_WAIT_SECONDS, **bounds)


@contextmanager
def admit(tenant_id: int, *, job: bool = False) -> Iterator[None]:
    """Hold one of the host's computing slots; see AdmissionQueue.admit.

    Raises:
        Busy: no slot is free, and the queue is full or the wait was too long.
    """
    with ExitStack() as held:
        with stage("queue"):
            held.enter_context(_computing().admit(tenant_id, job=job))
        yield


def computing() -> dict[str, int]:
    """Return the host's computing slots, how many are held, and how many callers wait."""
    return {"slots": settings.COMPUTE_SLOTS, **_computing().counts()}
