"""Upper bounds on the cost of decoding, the life of its processes, and their isolation.

Cost is counted where the system counts it, in the decoding process: no assertion depends on how busy the machine is.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings

from recognition.errors import Busy, ImageTooLarge, UndecodableImage
from recognition.images import ImageLimits
from recognition.pipeline import decode as decoding
from recognition.pipeline.decode import decode
from recognition.pipeline.decoding import memory
from recognition.pipeline.decoding import pool as processes
from recognition.pipeline.decoding.decoder import ANSWER
from recognition.pipeline.decoding.memory import MemoryBudget
from recognition.results import Pixels
from tests import hostile

SMALL = hostile.stored(hostile.flat())
MEGABYTE = 1_000_000
_TICKS = os.sysconf("SC_CLK_TCK")


def decoders(parent: int | str = "self") -> list[int]:
    """Return the decoding processes of a process."""
    threads = Path(f"/proc/{parent}/task").iterdir()
    children = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
    return [pid for pid in children if b"decoding/decoder.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak(pid: int) -> int:
    """Return the peak memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    for _ in range(2_000):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def decoder() -> int:
    """Start the only decoding process of the test, and return its id."""
    processes.pool.close()
    decode(SMALL)
    (pid,) = decoders()
    return pid


@pytest.fixture
def budget(tmp_path: Path) -> Iterator[Callable[[int], MemoryBudget]]:
    """Return a function that sets a memory budget of its own for this process."""

    def configured(total: int) -> MemoryBudget:
        memory.configure(tmp_path / "decoding", total)
        return MemoryBudget(tmp_path / "decoding", total)

    yield configured
    memory.configure(settings.DATA_DIR / "decoding", settings.DECODING_MEMORY_MB * MEGABYTE)


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_too_many_parts_are_refused_before_a_decoder_sees_them(decoder: int, name: str) -> None:
    unit, make = hostile.REFUSED[name]
    body, before, started = make(), cpu(decoder), time.thread_time()
    with pytest.raises(ImageTooLarge) as refused:
        decode(body)
    assert time.thread_time() - started < 0.5  # of our own CPU; measured .02, and 240 s of a decoder's
    assert refused.value.unit == unit
    assert refused.value.actual > refused.value.limit
    assert cpu(decoder) == before


@pytest.mark.parametrize("name", hostile.READ)
def test_what_no_picture_needs_costs_nothing(decoder: int, name: str) -> None:
    body, before, started = hostile.READ[name](), cpu(decoder), time.thread_time()
    pixels = decode(body)
    assert pixels.shape == (64, 64, 3)
    assert time.thread_time() - started < 1
    assert cpu(decoder) - before < 1
    assert peak(decoder) < 200 * MEGABYTE


@pytest.mark.parametrize("name", hostile.LARGEST)
def test_the_largest_pictures_take_what_is_promised(decoder: int, name: str) -> None:
    body, before = hostile.LARGEST[name](), cpu(decoder)
    pixels = decode(body)
    assert pixels.shape[0] * pixels.shape[1] >= 36 * MEGABYTE
    assert decoders() == [decoder], "it went over a limit, and another process had to try again"
    assert cpu(decoder) - before <= 1.5
    assert peak(decoder) <= 400 * MEGABYTE


def test_a_reduced_picture_has_its_own_size_and_colours() -> None:
    picture = hostile.flat(7000, 7100)
    picture.paste("white", (3500, 0, 7000, 7100))
    pixels = decode(hostile.stored(picture, progressive=True, subsampling=0))
    assert pixels.shape == (7100, 7000, 3)
    assert np.abs(pixels[::50, 100].astype(int) - (30, 200, 10)).max() < 4
    assert (pixels[::50, 6900] > 250).all()


def test_what_computes_too_long_is_ended_by_the_system(decoder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CPU_SECONDS", 0.02)
    with pytest.raises(UndecodableImage) as refused:
        decode(hostile.png(4000, 4000))
    assert refused.value.reason == "decoding it takes more than 0.02 s of computing"
    assert gone(decoder)
    monkeypatch.undo()
    assert decode(SMALL).shape == (64, 64, 3)


def test_what_takes_too_much_memory_is_told_so(decoder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MEMORY", 100 * MEGABYTE)
    with pytest.raises(UndecodableImage) as refused:
        decode(hostile.png(4000, 4000, colour=6))
    assert refused.value.reason == "decoding it takes more than 100 MB of memory"
    assert peak(decoder) < 150 * MEGABYTE
    monkeypatch.undo()
    assert decode(hostile.png(4000, 4000, colour=6)).shape == (4000, 4000, 3)


def test_what_can_be_decoded_at_no_size_is_told_how_large_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MEMORY", 100 * MEGABYTE)
    with pytest.raises(ImageTooLarge) as refused:
        decode(hostile.png(4000, 4000))
    assert (refused.value.unit, refused.value.actual) == ("pixels", 16_000_000)
    assert 10_000_000 < refused.value.limit < 14_000_000


def test_the_gone_are_replaced(decoder: int) -> None:
    os.kill(decoder, signal.SIGKILL)
    assert decode(SMALL).shape == (64, 64, 3)
    assert gone(decoder)


def test_an_image_is_innocent_of_one_end_of_a_process(decoder: int) -> None:
    os.kill(decoder, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        pixels = thread.submit(decode, SMALL)
        time.sleep(0.2)  # by now the request has been sent; if not, this repeats the previous test
        os.kill(decoder, signal.SIGKILL)
        assert pixels.result(30).shape == (64, 64, 3)


def test_several_threads_have_a_process_each_and_few_are_kept() -> None:
    processes.pool.close()
    body = hostile.png(1500, 1500)
    with ThreadPoolExecutor(6) as threads:
        assert all(pixels.shape == (1500, 1500, 3) for pixels in threads.map(decode, [body] * 12))
    assert 1 <= len(decoders()) <= 2


def test_a_fork_leaves_the_processes_to_the_parent(decoder: int) -> None:
    child = os.fork()
    if not child:
        alive = decode(SMALL).shape == (64, 64, 3) and decoder not in decoders()
        os._exit(0 if alive else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert decode(SMALL).shape == (64, 64, 3)
    assert decoders() == [decoder]


def test_a_process_ends_with_its_parent() -> None:
    code = f"""
import sys, time
from recognition.pipeline.decode import decode
decode(bytes.fromhex("{SMALL.hex()}"))
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=settings.BASE_DIR, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        (pid,) = decoders(parent.pid)
        parent.kill()
        assert gone(pid)


def test_a_process_inherits_no_file_no_environment_and_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_KEY_OF_THE_TEST", "secret")
    processes.pool.close()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.set_inheritable(True)
        decode(SMALL)
    (pid,) = decoders()
    files = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir()]
    assert sorted(name.split(":")[0] for name in files) == ["null", "null", "null", "socket"]
    assert b"MASTER_KEY" not in Path(f"/proc/{pid}/environ").read_bytes()
    libraries = Path(f"/proc/{pid}/maps").read_text()
    assert "PIL" in libraries
    assert not [name for name in ("onnxruntime", "numpy", "cv2", "psycopg", "usearch") if name in libraries]
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max file size")] == ["0"]


def test_images_that_exceed_the_budget_together_wait_for_each_other(
    budget: Callable[[int], MemoryBudget], monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(400 * MEGABYTE)
    body, inside, most = hostile.png(5000, 5000), [0], [0]
    lock, real = threading.Lock(), processes.pool.decode

    def counted(*arguments: Any) -> Pixels:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            return real(*arguments)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(processes.pool, "decode", counted)
    with ThreadPoolExecutor(4) as threads:
        assert all(pixels.shape == (5000, 5000, 3) for pixels in threads.map(decode, [body] * 4))
    assert most == [1]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(decode, [hostile.png(2000, 2000)] * 12))
    assert most[0] <= 4


def test_a_budget_that_does_not_come_free_is_told_as_busy(
    budget: Callable[[int], MemoryBudget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_LONGEST_WAIT", 0.05)
    with budget(100 * MEGABYTE).reserve(100 * MEGABYTE), pytest.raises(Busy):
        decode(SMALL)
    assert decode(SMALL).shape == (64, 64, 3)


def test_a_dead_process_gives_its_budget_back(budget: Callable[[int], MemoryBudget], tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from recognition.pipeline.decoding.decoder import ANSWER
from recognition.pipeline.decoding.memory import MemoryBudget
with MemoryBudget(pathlib.Path({str(tmp_path / "decoding")!r}), {100 * MEGABYTE}).reserve({100 * MEGABYTE}):
    print("held", flush=True)
    time.sleep(60)
"""
    budget(100 * MEGABYTE)
    with subprocess.Popen([sys.executable, "-c", code], cwd=settings.BASE_DIR, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(decode, SMALL)
            assert not waiting.done()
            holder.kill()
            assert waiting.result(30).shape == (64, 64, 3)


def test_a_decoder_cannot_answer_with_more_than_it_was_given_room_for(
    decoder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.Decoder, "ask", lambda *_: ANSWER.pack(70_000, 70_000, 0.0))
    with pytest.raises(UndecodableImage):
        decode(SMALL, ImageLimits())
