"""Counts and times for /metrics, and the stages of one request for its Server-Timing header.

config.metrics decides where they are kept; until it does so, they are kept in this process.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

from prometheus_client import Counter, Histogram

Stage: TypeAlias = Literal["queue", "decode", "detect", "landmarks", "liveness", "embed", "index", "database"]

_SECONDS = Histogram(
    "faceplane_stage_seconds",
    "Seconds in a stage of a request; `index` includes its queries, which `database` counts too.",
    ["stage"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=None,  # config.metrics collects from the files of all processes
)
INDEX_OPENS = Counter("faceplane_index_opens", "Segments decrypted for searching.", registry=None, labelnames=["kind"])
_request: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Measure a block, or as a decorator a function, as a stage."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        _SECONDS.labels(name).observe(seconds)
        spent = _request.get()
        if spent is not None:
            spent[name] = spent.get(name, 0.0) + seconds


@contextmanager
def request_stages() -> Iterator[dict[str, float]]:
    """Yield the seconds of each stage within the block, by stage; it fills as they end."""
    spent: dict[str, float] = {}
    token = _request.set(spent)
    try:
        yield spent
    finally:
        _request.reset(token)
