"""One queue per host: a flood only delays its sender, a full queue refuses, and dead processes free their slots.

Longer than 300 lines: the queue within a process, and the same among several, use the same scenes.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from pytest_django.fixtures import Settings

from recognition import admission
from recognition.admission import AdmissionQueue
from recognition.errors import Busy

WAITING, HELD = 1, 2
SECONDS = 30  # a generous deadline for what takes milliseconds on an idle machine
Make = Callable[..., AdmissionQueue]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a factory of queues in the test's folder on disk: /dev/shm is not needed."""

    def made(slots: int, queue: int, seconds: float = SECONDS, own: int | None = None) -> AdmissionQueue:
        return AdmissionQueue(tmp_path / "queue", slots=slots, queue=queue, seconds=seconds, own=own)

    return made


def _count(queue: AdmissionQueue, state: int) -> int:
    with queue._exclusive() as entries:  # noqa: SLF001 -- what all processes see
        return sum(entry.state == state for entry in entries)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Crowd:
    """Threads that ask a queue, each after the ones before it have reached their state."""

    def __init__(self, queue: AdmissionQueue, pool: ThreadPoolExecutor) -> None:
        """Start without threads."""
        self.order: list[int] = []
        self.release = threading.Event()
        self._queue = queue
        self._pool = pool
        self._asked: list[Any] = []

    def ask(self, lane: int, state: int) -> None:
        """Start one more thread, and wait until it holds a slot or waits in the queue."""
        before = _count(self._queue, state)
        self._asked.append(self._pool.submit(self._hold, lane))
        _until(lambda: _count(self._queue, state) > before)

    def end(self) -> None:
        """Release all threads and wait for them."""
        self.release.set()
        for each in self._asked:
            each.result(SECONDS)

    def _hold(self, lane: int) -> None:
        with self._queue.admit(lane):
            self.order.append(lane)
            self.release.wait(SECONDS)


@contextmanager
def _crowd(queue: AdmissionQueue) -> Iterator[Crowd]:
    with ThreadPoolExecutor(32) as pool:
        crowd = Crowd(queue, pool)
        try:
            yield crowd
        finally:
            crowd.end()


def test_a_lane_that_waits_gets_the_next_slot_before_another_lane_s_second(make: Make) -> None:
    """The queue serves three lanes alternately, whatever number of requests each has sent."""
    queue = make(slots=1, queue=20)
    with _crowd(queue) as crowd:
        crowd.ask(1, HELD)
        for lane in (1, 1, 1, 1, 2, 2, 2, 3):
            crowd.ask(lane, WAITING)
    assert crowd.order == [1, 2, 3, 1, 2, 1, 2, 1, 1]


def test_who_was_just_served_comes_after_who_was_not_even_where_they_came_first(make: Make) -> None:
    """A free entry remembers its lane."""
    queue = make(slots=1, queue=20)
    for _ in range(3):
        with queue.admit(2):
            pass
    with _crowd(queue) as crowd:
        crowd.ask(1, HELD)
        for lane in (2, 2, 3):
            crowd.ask(lane, WAITING)
    assert crowd.order == [1, 3, 2, 2]


def test_a_full_queue_refuses_at_once_and_one_lane_never_fills_it(make: Make) -> None:
    """Check 21: the flood is refused while another tenant is still admitted, and a refused caller leaves no trace."""
    queue = make(slots=1, queue=4)
    with _crowd(queue) as crowd:
        crowd.ask(1, HELD)
        for _ in range(3):
            crowd.ask(1, WAITING)
        with pytest.raises(Busy) as refused, queue.admit(1):
            pass
        assert refused.value.retry_after > 0
        crowd.ask(2, WAITING)
        for lane in (2, 3):
            with pytest.raises(Busy), queue.admit(lane):
                pass
        assert _count(queue, WAITING) == 4
    assert crowd.order == [1, 2, 1, 1, 1]
    with queue.admit(1):
        pass


def test_who_waits_too_long_leaves_and_takes_no_slot_along(make: Make) -> None:
    """Check 16: a wait ends by its deadline, and the slot goes to the next caller."""
    queue = make(slots=1, queue=4, seconds=0.3)
    with _crowd(queue) as crowd:
        crowd.ask(1, HELD)
        with pytest.raises(Busy), queue.admit(2):
            pass
    with queue.admit(2):
        pass


def test_an_error_gives_the_slot_back(make: Make) -> None:
    """Check 21: a damaged image does not cost a slot."""
    queue = make(slots=1, queue=1, seconds=0.1)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), queue.admit(1):
            raise ValueError("damaged")


def test_a_lane_holds_no_more_slots_than_its_own_and_the_rest_stay_free(make: Make) -> None:
    """Check 21: a lane with its share waits beside free slots; other lanes take these; a freed slot is passed on."""
    queue = make(slots=3, queue=4, own=1)
    with _crowd(queue) as crowd:
        crowd.ask(1, HELD)
        crowd.ask(1, WAITING)
        crowd.ask(2, HELD)
        crowd.ask(3, HELD)
    assert crowd.order[-1] == 1


def test_first_requests_at_once_make_one_queue(settings: Settings, tmp_path: Path) -> None:
    """Two would free each other's entries: the locks of a process do not exclude each other."""
    settings.HOST_DIR = tmp_path
    for _ in range(20):
        admission._computing.cache_clear()  # type: ignore[attr-defined]  # noqa: SLF001 -- as a process that has just started
        together = threading.Barrier(8)

        def first(_: int, together: threading.Barrier = together) -> int:
            together.wait()
            return id(admission._computing())  # noqa: SLF001

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(first, range(8)))) == 1
    admission._computing.cache_clear()  # type: ignore[attr-defined]  # noqa: SLF001


def test_a_child_has_no_part_in_its_parent_s_slots(make: Make) -> None:
    """A process that is forked while a slot is held neither frees nor holds it."""
    queue = make(slots=1, queue=4, seconds=0.3)
    with queue.admit(1):
        child = os.fork()
        if child == 0:
            try:
                with queue.admit(2):
                    os._exit(1)
            except Busy:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert _count(queue, HELD) == 1


# --- several processes ---

_PROCESS = """
import json, os, sys, threading, time
from pathlib import Path
from recognition import admission
from recognition.admission import AdmissionQueue
path, log, slots, lane, threads, times, seconds = json.loads(sys.argv[1])
queue = AdmissionQueue(Path(path), slots=slots, queue=40, seconds=60)
lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def tell(word):
    os.write(lines, f"{word} {lane}\\n".encode())
def work():
    for _ in range(times):
        with queue.admit(lane):
            tell("in")
            time.sleep(seconds)
            tell("out")
pool = [threading.Thread(target=work) for _ in range(threads)]
for thread in pool: thread.start()
for thread in pool: thread.join()
"""


class Host:
    """Processes that share a queue, and their log of when they were admitted and left."""

    def __init__(self, folder: Path, stack: ExitStack, slots: int) -> None:
        """Start without processes."""
        self._folder, self._stack, self._slots = folder, stack, slots
        self._log = folder / "log"
        self._log.touch()

    def start(self, lane: int, *, threads: int = 1, times: int = 1, seconds: float = 0.002) -> subprocess.Popen[bytes]:
        """Start a process whose threads each ask `times` times and hold their slot for `seconds`."""
        arguments = [str(self._folder / "queue"), str(self._log), self._slots, lane, threads, times, seconds]
        command = [sys.executable, "-c", _PROCESS, json.dumps(arguments)]
        process = self._stack.enter_context(subprocess.Popen(command, cwd=settings.BASE_DIR))
        self._stack.callback(process.kill)
        return process

    def events(self) -> list[tuple[str, int]]:
        """Return each ("in" or "out", lane), in order."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return [(word, int(lane)) for word, lane in lines]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[[int], Host]]:
    """Return a factory of hosts with a number of slots."""
    with ExitStack() as stack:
        yield lambda slots: Host(tmp_path, stack, slots)


def test_never_more_at_once_than_there_are_slots_in_all_processes(host: Callable[[int], Host]) -> None:
    """Four processes of five threads share three slots: at most three at once, sometimes three, and all are served."""
    shared = host(3)
    for process in [shared.start(lane, threads=5, times=12) for lane in (1, 1, 2, 3)]:
        assert process.wait(SECONDS) == 0
    at_work, most = 0, 0
    for word, _ in shared.events():
        at_work += 1 if word == "in" else -1
        most = max(most, at_work)
    assert (at_work, most, len(shared.events())) == (0, 3, 2 * 4 * 5 * 12)


def test_a_killed_holder_leaves_its_slot_and_a_killed_waiter_its_place(make: Make, host: Callable[[int], Host]) -> None:
    """After kill -9 the next callers are admitted without any clean-up."""
    shared, queue = host(1), make(slots=1, queue=40)
    holder = shared.start(1, seconds=SECONDS)
    _until(lambda: _count(queue, HELD) == 1)
    waiter = shared.start(2, threads=3)
    _until(lambda: _count(queue, WAITING) == 3)
    behind = shared.start(3)
    _until(lambda: _count(queue, WAITING) == 4)
    waiter.kill()
    waiter.wait()
    holder.kill()
    holder.wait()
    assert behind.wait(SECONDS) == 0
    assert shared.events() == [("in", 1), ("in", 3), ("out", 3)]
    with queue.admit(4):
        assert (_count(queue, HELD), _count(queue, WAITING)) == (1, 0)


def test_processes_that_flood_the_queue_are_served_by_turns_with_one_that_does_not(
    make: Make, host: Callable[[int], Host]
) -> None:
    """24 requests of one tenant wait, from three processes, then 4 of another: these get every second slot."""
    shared, queue = host(1), make(slots=1, queue=40)
    with queue.admit(0):
        for _ in range(3):
            shared.start(1, threads=8)
        _until(lambda: _count(queue, WAITING) == 24)
        light = shared.start(2, threads=4)
        _until(lambda: _count(queue, WAITING) == 28)
    assert light.wait(SECONDS) == 0
    served = [lane for word, lane in shared.events() if word == "in"][:8]
    assert [lane for lane, _ in groupby(served)] in ([1, 2] * 4, [2, 1] * 4)


def test_nobody_starves_beside_a_flood_and_kills(make: Make, host: Callable[[int], Host]) -> None:
    """Three processes ask all the time and are killed one by one: all 30 requests of another tenant are served."""
    shared, queue = host(2), make(slots=2, queue=40)
    flood = [shared.start(1, threads=6, times=100_000) for _ in range(3)]
    _until(lambda: _count(queue, WAITING) >= 10)
    light = shared.start(2, times=30)
    for process in flood[:2]:
        time.sleep(0.2)
        process.kill()
    assert light.wait(2 * SECONDS) == 0
    flood[2].kill()
    flood[2].wait()
    with queue.admit(3), queue.admit(4):  # both slots are free
        assert _count(queue, HELD) == 2
