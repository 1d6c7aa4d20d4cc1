"""The memory budget of decoding on this host: images that together would exceed it wait for each other.

The budget is divided into units. A unit is a file that is locked while it is in use. The kernel releases the locks of a
process that dies, so no unit is ever lost. All processes that use the same folder share the budget.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from recognition.errors import Busy

_UNIT = 50_000_000  # bytes: a process and a picture of 3 megapixels
_LONGEST_WAIT = 10.0  # seconds
_PAUSE = 0.005


class MemoryBudget:
    """A number of bytes, reserved in units."""

    def __init__(self, folder: Path, total: int) -> None:
        """Share `total` bytes among all processes that use the folder, which is created when needed."""
        self._folder = folder
        self._gate = folder / "gate"
        self._units = [folder / f"unit-{number}" for number in range(max(1, total // _UNIT))]

    @contextmanager
    def reserve(self, amount: int) -> Iterator[None]:
        """Wait for `amount` bytes, or for the whole budget if that is less, and hold them.

        A waiting caller holds the gate: only one caller collects units at a time, so small images cannot overtake a
        large one forever.

        Raises:
            Busy: they did not become free in time.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wanted = min(len(self._units), -(-amount // _UNIT))
        deadline = time.monotonic() + _LONGEST_WAIT
        with ExitStack() as held:
            with ExitStack() as gate:
                _collect([self._gate], 1, gate, deadline)
                _collect(self._units, wanted, held, deadline)
            yield


def _collect(files: Sequence[Path], wanted: int, held: ExitStack, deadline: float) -> None:
    """Lock the wanted number of files until `held` is closed.

    Raises:
        Busy: they did not become free in time.
    """
    left = list(files)
    while True:
        for file in list(left):
            if _lock(file, held):
                left.remove(file)
                if len(files) - len(left) == wanted:
                    return
        if time.monotonic() > deadline:
            raise Busy(retry_after=1.0)
        time.sleep(_PAUSE)


def _lock(file: Path, held: ExitStack) -> bool:
    opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        return False
    held.callback(os.close, opened)
    return True


_budgets: list[MemoryBudget] = []


def configure(folder: Path, total: int) -> None:
    """Set the budget of this process to `total` bytes; without one, only each single image is bounded."""
    _budgets[:] = [MemoryBudget(folder, total)]


def reserve(amount: int) -> AbstractContextManager[None]:
    """Reserve `amount` bytes of this process's budget; see MemoryBudget.reserve."""
    return _budgets[0].reserve(amount) if _budgets else nullcontext()
