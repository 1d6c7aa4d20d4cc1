"""Joins the batches that requests run at the same time on an accelerator, which runs ten about as fast as one.

The first batch waits a moment for others of the same size, and its thread runs them all. On the processor nothing is
joined: there a batch of ten takes as long as ten.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.results import Floats

WAIT_SECONDS = 0.002
MOST = 64  # rows of a joined batch

Outputs = list[npt.NDArray[Any]]
Run = Callable[[Floats], Outputs]


@dataclass(eq=False, slots=True)
class _Group:
    """Batches that run together, and what became of each."""

    batches: list[Floats] = field(default_factory=list)
    rows: int = 0
    full: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    results: Sequence[Outputs | Exception] = ()

    def run(self, run: Run) -> None:
        """Run all in one; if that fails, each alone, so that only a bad one fails."""
        try:
            outputs = run(np.concatenate(self.batches))
        except Exception as error:  # noqa: BLE001 -- it is raised in the thread of the batch
            self.results = [error] if len(self.batches) == 1 else [_alone(run, batch) for batch in self.batches]
            return
        ends = np.cumsum([len(batch) for batch in self.batches])[:-1]
        parts = [np.split(output, ends) for output in outputs]
        self.results = [[part[place] for part in parts] for place in range(len(self.batches))]


def _alone(run: Run, batch: Floats) -> Outputs | Exception:
    try:
        return run(batch)
    except Exception as error:  # noqa: BLE001 -- as above
        return error


class Batcher:
    """Runs a model whose first axis is the batch, for many threads."""

    def __init__(self, run: Run, *, wait: float = WAIT_SECONDS, most: int = MOST) -> None:
        """Keep how the model is run."""
        self._run, self._wait, self._most = run, wait, most
        self._lock, self._running = threading.Lock(), threading.Lock()
        self._open: dict[tuple[int, ...], _Group] = {}  # by the size of a row

    def __call__(self, batch: Floats) -> Outputs:
        """Run a batch (n, ...) with those that other threads run now; return its own outputs.

        Raises:
            Exception: what the model raises for this batch.
        """
        size = batch.shape[1:]
        with self._lock:
            group = self._open.get(size)
            leads = group is None or group.rows + len(batch) > self._most
            if group is None or leads:
                group = self._open[size] = _Group()
            place = len(group.batches)
            group.batches.append(batch)
            group.rows += len(batch)
            if group.rows >= self._most:
                group.full.set()
        if leads:
            self._lead(size, group)
        group.done.wait()
        result = group.results[place]
        if isinstance(result, Exception):
            raise result
        return result

    def _lead(self, size: tuple[int, ...], group: _Group) -> None:
        group.full.wait(self._wait)
        try:
            with self._running:  # what arrives while another group runs is still taken along
                with self._lock:
                    if self._open.get(size) is group:
                        del self._open[size]
                group.run(self._run)
        finally:
            group.done.set()
