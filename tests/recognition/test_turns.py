"""Check 21: who floods the queue waits for themselves; a full queue says so at once."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from recognition.errors import Busy
from recognition.turns import Turns


def _hold(turns: Turns, lane: int, release: threading.Event, order: list[int] | None = None) -> None:
    with turns.turn(lane):
        if order is not None:
            order.append(lane)
        release.wait(10)


def _settle(started: Future[None] | None = None) -> None:
    del started
    time.sleep(0.05)


def test_no_more_at_once_than_there_are_slots() -> None:
    """Check 21: the number at work never exceeds the slots, and everybody gets their turn."""
    turns, at_work, most, lock = Turns(2, 100, 10), 0, 0, threading.Lock()

    def work(lane: int) -> None:
        nonlocal at_work, most
        with turns.turn(lane):
            with lock:
                at_work += 1
                most = max(most, at_work)
            time.sleep(0.002)
            with lock:
                at_work -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, [number % 7 for number in range(60)]))
    assert most == 2


def test_a_newcomer_overtakes_the_flood_of_another() -> None:
    """Check 21: with nine of one tenant waiting, the other's only image is next but one at the latest."""
    turns, release = Turns(1, 12, 10), threading.Event()
    order: list[int] = []
    with ThreadPoolExecutor(12) as pool:
        holding = pool.submit(_hold, turns, 1, release)
        _settle(holding)
        done = threading.Event()
        done.set()
        waiting = [pool.submit(_hold, turns, 1, done, order) for _ in range(8)]
        _settle()
        waiting.append(pool.submit(_hold, turns, 2, done, order))
        _settle()
        release.set()
        for each in waiting:
            each.result(5)
    assert 2 in order[:2]
    assert len(order) == 9


def test_a_full_queue_refuses_at_once_and_one_lane_never_fills_it() -> None:
    """Check 21: the flood is refused in no time while another tenant still finds a place."""
    turns, release = Turns(1, 4, 10), threading.Event()
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(_hold, turns, 1, release)]
        _settle(running[0])
        running += [pool.submit(_hold, turns, 1, release) for _ in range(3)]
        _settle()
        began = time.monotonic()
        with pytest.raises(Busy) as refused, turns.turn(1):
            pass
        assert time.monotonic() - began < 0.1
        assert refused.value.retry_after > 0
        running.append(pool.submit(_hold, turns, 2, release))
        _settle()
        with pytest.raises(Busy), turns.turn(3):
            pass
        release.set()
        for each in running:
            each.result(5)
    with turns.turn(1):
        pass


def test_who_waits_too_long_leaves_and_takes_no_slot_along() -> None:
    """Check 16: a wait ends by its deadline, and the slot goes to whoever comes next."""
    turns, release = Turns(1, 4, 0.1), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(_hold, turns, 1, release)
        _settle(holding)
        with pytest.raises(Busy), turns.turn(2):
            pass
        release.set()
        holding.result(5)
    with turns.turn(2):
        pass


def test_an_error_gives_the_slot_back() -> None:
    """Check 21: a damaged image does not cost a slot."""
    turns = Turns(1, 1, 0.1)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), turns.turn(1):
            raise ValueError("damaged")


def test_a_lane_holds_no_more_slots_than_its_own_and_the_rest_stay_free() -> None:
    """Check 21: whoever has their share waits beside free slots, others take these, and a slot laid down goes on."""
    turns, release, order = Turns(3, 4, 10, own=1), threading.Event(), list[int]()
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(_hold, turns, 1, release)]
        _settle(running[0])
        running.append(pool.submit(_hold, turns, 1, release, order))
        _settle()
        running += [pool.submit(_hold, turns, lane, release, order) for lane in (2, 3)]
        _settle()
        assert sorted(order) == [2, 3]
        release.set()
        for each in running:
            each.result(5)
    assert order[-1] == 1
