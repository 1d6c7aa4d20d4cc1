"""Who computes now: as many at once as the host has cores, a short queue before them, and beyond it a clear no.

The queue is one a host. Web processes and workers keep it in one small file, without a server: an entry for each caller
that computes or waits, read and written under a lock on the file's first byte. The entry's own byte is locked by its
process for as long as the entry is in use; the kernel unlocks it when the process dies, however it dies, and whoever
needs the entry then finds it free. A waiting caller sleeps on a named pipe until it is called.

The queue has lanes, a tenant each in practice. A caller joins the round after its lane's last one, and rounds are
served in order: whoever sends a hundred images at once waits for their own, and a tenant that waits gets the next slot
before another's second. An entry that is free still tells when its lane was served last.
"""

import fcntl
import os
import select
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from recognition.errors import Busy
from recognition.folders import private

_LANE_SHARE = 0.75  # of the queue: a single lane never fills it
_LOOK_SECONDS = 0.2  # how often who waits looks whether a process died without giving its slot up
_ALL = 0  # the byte whose lock is the file's; an entry's own byte is its number plus one
_FREE, _WAITING, _HELD = range(3)
_FORM = struct.Struct("=QQQQ")


class _Entry(NamedTuple):
    """A caller's place: what it is doing there, its lane, the lane's round, and its number in the order of arrival."""

    state: int
    lane: int
    round: int
    arrival: int

    def moved(self, state: int) -> "_Entry":
        """Return it in another state; a caller who was never served leaves no trace in the rounds."""
        served = _HELD in {self.state, state}
        return _Entry(state, self.lane, self.round if served else 0, self.arrival)


_NOBODY = _Entry(_FREE, 0, 0, 0)


class AdmissionQueue:
    """A number of slots and the queue before them, in a file that all processes of the host open."""

    def __init__(self, path: Path, *, slots: int, queue: int, seconds: float, own: int | None = None) -> None:
        """Allow `slots` at once, of one lane `own` if that is given; `queue` waiting, each for at most `seconds`.

        A process has one AdmissionQueue a file: it loses all its locks on a file whenever it closes one.
        """
        self._path = path
        self._slots = slots
        self._own = own or slots
        self._queue = queue
        self._lane_queue = max(1, int(queue * _LANE_SHARE))
        self._seconds = seconds
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # locks and threads stay with the parent

    def _begin(self) -> None:
        self._threads = threading.Lock()  # a lock on a file keeps processes apart, not their threads
        self._ours: set[int] = set()

    @contextmanager
    def admit(self, lane: object) -> Iterator[None]:
        """Wait for a slot and hold it.

        Raises:
            Busy: the queue is full, or the wait was too long.
        """
        number, admitted = self._enter(int.from_bytes(blake2b(str(lane).encode(), digest_size=8).digest()))
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
            waiting = [entry.lane for entry in entries if entry.state == _WAITING]
            number = self._place(entries, lane)
            self._serve(entries)
            admitted = entries[number].state == _HELD
            if not admitted and (len(waiting) >= self._queue or waiting.count(lane) >= self._lane_queue):
                raise Busy(retry_after=1.0)  # and nothing is written
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number + 1)
            self._ours.add(number)
            return number, admitted

    def _wait(self, number: int) -> bool:
        """Sleep until the entry has a slot; False: it took too long."""
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

    def _leave(self, number: int) -> None:
        """Give the entry up, and its slot to who is next."""
        with self._exclusive() as entries:
            self._ours.discard(number)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number + 1)
            entries[number] = entries[number].moved(_FREE)
            self._serve(entries)

    def _place(self, entries: list[_Entry], lane: int) -> int:
        """Let a caller wait at a free entry, the lane's own if there is one, else the one that was left longest ago."""
        served = max((entry.round for entry in entries if entry.state != _WAITING), default=0)
        last = max((entry.round for entry in entries if entry.lane == lane), default=0)
        arrival = 1 + max((entry.arrival for entry in entries), default=0)
        free = [number for number, entry in enumerate(entries) if entry.state == _FREE]
        mine = [number for number in free if entries[number].lane == lane]
        if not mine and (not free or len(entries) < self._slots + self._queue):
            entries.append(_NOBODY)
            mine = [len(entries) - 1]
        number = min(mine or free, key=lambda number: entries[number].arrival)
        entries[number] = _Entry(_WAITING, lane, max(served, last + 1), arrival)
        return number

    def _serve(self, entries: list[_Entry]) -> None:
        """Give what slots are free to who is next: by round, then by arrival."""
        held = Counter(entry.lane for entry in entries if entry.state == _HELD)
        waiting = [number for number, entry in enumerate(entries) if entry.state == _WAITING]
        for number in sorted(waiting, key=lambda number: entries[number][2:]):
            lane = entries[number].lane
            if held.total() < self._slots and held[lane] < self._own:
                held[lane] += 1
                entries[number] = entries[number].moved(_HELD)

    def _free_dead(self, entries: list[_Entry]) -> None:
        """Free the entries whose process is gone: nobody holds their lock any more."""
        for number, entry in enumerate(entries):
            if entry.state == _FREE or number in self._ours:
                continue
            with suppress(BlockingIOError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number + 1)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number + 1)
                entries[number] = entry.moved(_FREE)

    @contextmanager
    def _exclusive(self) -> Iterator[list[_Entry]]:
        """Yield all entries; write those that are changed, and call whoever is given a slot."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _ALL)
            try:
                content = os.pread(self._file, os.fstat(self._file).st_size, 0)
                before = [_Entry(*fields) for fields in _FORM.iter_unpack(content)]
                entries = list(before)
                yield entries
                for number, (old, new) in enumerate(zip_longest(before, entries, fillvalue=_NOBODY)):
                    if new != old:
                        os.pwrite(self._file, _FORM.pack(*new), number * _FORM.size)
                    if (old.state, new.state) == (_WAITING, _HELD):
                        self._call(number)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _ALL)

    def _call(self, number: int) -> None:
        """Wake who sleeps at an entry."""
        with suppress(OSError):  # nobody does yet, or no longer
            pipe = os.open(self._pipe(number), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(pipe, b"!")
            finally:
                os.close(pipe)

    def _pipe(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}-{number}")


def host_file(name: str) -> Path:
    """Return the path of a file that all processes of the host share."""
    return private(Path(settings.HOST_DIR)) / name


@lru_cache(maxsize=1)
def _computing() -> AdmissionQueue:
    bounds = {"slots": settings.COMPUTE_SLOTS, "queue": settings.COMPUTE_QUEUE}
    return AdmissionQueue(host_file("compute"), seconds=settings.COMPUTE_WAIT_SECONDS, **bounds)


@contextmanager
def admit(tenant_id: int) -> Iterator[None]:
    """Hold one of the host's slots for computing; see AdmissionQueue.admit.

    Raises:
        Busy: there is none, and too many wait already.
    """
    with _computing().admit(tenant_id):
        yield
