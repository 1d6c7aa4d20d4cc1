"""The arithmetic of sizing: from what was measured on a machine to cores, memory, disk, hosts and p95.

The index's cost is a line through two sizes. A search's waiting time is that of a queue with as many servers as there
are cores (Erlang C), which overstates it: the pipeline's times vary less than the formula assumes.
"""

import math
from dataclasses import dataclass

BUSY = 0.7  # of the cores, so that a second's peak finds room
ROOM = 0.8  # of a host's memory
_SLOW = 0.05  # the share of searches beyond the p95


@dataclass(frozen=True, slots=True)
class Line:
    """A cost that grows with the faces: `at` an empty gallery, and `each` face."""

    at: float
    each: float

    @classmethod
    def through(cls, first: tuple[float, float], second: tuple[float, float]) -> "Line":
        """Return the line through two points (faces, cost); it does not fall, and does not begin below zero."""
        (few, low), (many, high) = first, second
        each = min(max(0.0, (high - low) / (many - few)), high / many)
        return cls(high - each * many, each)

    def of(self, faces: int) -> float:
        """Return the cost of so many faces."""
        return self.at + self.each * faces


@dataclass(frozen=True, slots=True)
class Measured:
    """What a machine was found to take; milliseconds are of CPU but for `search_p95_ms`, that of a lone search by HTTP.

    `own_bytes` is the index's memory in each web process, `shared_bytes` that of all processes together, `row_bytes` a
    face's share of the database, `process_bytes` a web process with the pack's models.
    """

    cores: int
    memory_bytes: int
    pack: str
    decode_ms: float
    pipeline_ms: float
    http_ms: float
    search_p95_ms: float
    sizes: tuple[int, int]
    index_ms: Line
    index_p95_ms: Line
    own_bytes: Line
    shared_bytes: Line
    own_limit_bytes: int
    row_bytes: float
    process_bytes: int
    decoding_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a gallery and its searches need, with the parts of each sum."""

    index_ms: float
    search_ms: float
    cores: int
    hosts: int
    cores_a_host: int
    own_bytes: float
    shared_bytes: float
    memory_bytes: float
    database_bytes: float
    index_bytes: float
    wait_p95_ms: float
    p95_ms: float


def plan(measured: Measured, faces: int, a_second: float) -> Plan:
    """Return what `faces` and `a_second` searches need, on hosts like the measured one."""
    index_ms = measured.index_ms.of(faces)
    search_ms = measured.pipeline_ms + measured.http_ms + index_ms
    cores = max(1, math.ceil(a_second * search_ms / 1000 / BUSY))
    hosts = math.ceil(cores / measured.cores)
    own = min(measured.own_bytes.of(faces), measured.own_limit_bytes)
    shared = measured.shared_bytes.of(faces)
    memory = measured.processes * (measured.process_bytes + own) + 2 * shared + measured.decoding_bytes
    wait = waiting_ms(hosts * measured.cores, a_second, search_ms)
    return Plan(
        index_ms=index_ms,
        search_ms=search_ms,
        cores=cores,
        hosts=hosts,
        cores_a_host=measured.cores,
        own_bytes=own,
        shared_bytes=shared,
        memory_bytes=memory / ROOM,
        database_bytes=faces * measured.row_bytes,
        index_bytes=shared,
        wait_p95_ms=wait,
        p95_ms=measured.search_p95_ms + measured.index_p95_ms.of(faces) + wait,
    )


def waiting_ms(servers: int, a_second: float, each_ms: float) -> float:
    """Return how long 95 of 100 requests wait at most: infinite if the servers cannot keep up."""
    load, served = a_second * each_ms / 1000, 1000 / each_ms
    if load >= servers:
        return math.inf
    blocked = 1.0  # Erlang B, by its recursion: factorials would overflow
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    waits = blocked / (1 - load / servers * (1 - blocked))
    return max(0.0, math.log(waits / _SLOW) / (servers * served - a_second) * 1000) if waits > 0 else 0.0
