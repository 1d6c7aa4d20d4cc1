"""Measure the web server: searches and enrolments over HTTP, beside the pipeline alone on the same cores.

The server is the shipped one, with its defaults, on a store of its own in a temporary folder or database (http_store).
A process of its own loads it (http_load) with the requests of a dialect's clients. The pipeline alone runs in as many
processes as there are cores (recognition.evaluation.pipeline_turns). All take turns in one run, so that whatever else
the machine does slows all. With several numbers of processes, a server of each number waits for its turns. The command
prints the results.

One file although it is longer than 300 lines: the turns of one run are read together.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import urllib3

from recognition.evaluation import index_benchmark
from recognition.evaluation.index_benchmark import ROOT

_READY_SECONDS = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
_SHIPPED = 0  # processes: as many as the server starts by default
_AHEAD_SECONDS = 0.5  # for the process that loads the server beside another one to start
_STORE = "collections_app.benchmarks.http_store"
_OTHERS = ("alone", "beside a busy tenant", "beside a flood")


def measure(
    images: Sequence[Path],
    *,
    dialect: str,
    connections: Sequence[int],
    seconds: float,
    rounds: int,
    server: str = "",
    processes: Sequence[int] = (_SHIPPED,),
    growth: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the figures of each action with each number of connections; `server` is the URL of a PostgreSQL.

    `processes`: of the server, a row for each. `growth`: by how much a third tenant is larger (http_store). Over 40
    lines: the turns of a round stand in their order.
    """
    with ExitStack() as stack:  # the images with one face are used: the others would be refused
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="faceplane-benchmark-"))
        env = index_benchmark.environment(folder) | {"HOST_DIR": f"{folder}/host", "LOG_LEVEL": "ERROR"}
        stack.callback(shutil.rmtree, env["INDEX_OPEN_DIR"], ignore_errors=True)
        if server:
            env["DATABASE_URL"] = stack.enter_context(index_benchmark.database(server))
        own = {"HOST_DIR": env["HOST_DIR"], "DATABASE_URL": env["DATABASE_URL"]}
        grown = {"faces": 0, "collections": 0, "entries": 0, **growth}
        prepared = index_benchmark.run_in(folder, _STORE, json.dumps(grown), dialect, *images, **own)
        servers = {
            number: stack.enter_context(_server(env | ({"WEB_WORKERS": str(number)} if number else {})))
            for number in processes
        }
        beside = stack.enter_context(Pipelines.started(env, prepared["pack"], prepared["images"]))
        turns: dict[Any, list[dict[str, Any]]] = {}
        for _ in range(rounds):
            for way in ("analyse", "bare"):
                turns.setdefault(way, []).append(beside.run(way, seconds))
            for action, request in prepared["requests"].items():
                for number, at in servers.items():
                    for each in connections:
                        load = request | {"connections": each, "seconds": seconds}
                        turns.setdefault((action, number, each), []).append(at.load(load))
            first = next(iter(servers.values()))
            for name, turn in _while_full(first, prepared, max(connections), seconds):
                turns.setdefault(name, []).append(turn)
    small = {name: _small(turns[name]) for name in prepared["small"]}
    others = {name: _small(turns[name]) for name in _OTHERS}
    rows = _rows(turns, prepared["statements"])
    return {
        "images": len(prepared["images"]),
        **_alone(turns),
        "http": rows,
        "while_full": small,
        "other_tenant": others,
    }


def _while_full(
    server: "Server", prepared: Mapping[str, Any], most: int, seconds: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield turns of small requests while the most connections search, and of another tenant's search.

    Its one connection has the server for itself, beside another tenant's searches on all cores, and beside a flood of
    them.
    """
    for name, small in prepared["small"].items():  # what needs no core of its own
        sent = small | {"connections": 1, "seconds": seconds / 2, "pause": 0.02}
        yield name, server.load_beside(prepared["requests"]["search"] | {"connections": most, "seconds": seconds}, sent)
    other = prepared["other"] | {"connections": 1, "seconds": seconds}
    busy = 2 * len(os.sched_getaffinity(0))
    for name, number in zip(_OTHERS, (0, busy, most), strict=True):
        load = prepared["requests"]["search"] | {"connections": number, "seconds": seconds * 1.5}
        yield name, server.load_beside(load, other)


def _small(ran: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    took = [one for turn in ran for one in turn["took"]]
    p50, p95 = (index_benchmark.percentile(took, share) * 1000 for share in (50, 95))
    return {"requests": len(took), "p50_ms": round(p50, 1), "p95_ms": round(p95, 1)}


def _alone(turns: Mapping[Any, list[dict[str, Any]]]) -> dict[str, Any]:
    alone = {way: round(_median([turn["rate"] for turn in turns[way]]), 2) for way in ("analyse", "bare")}
    return {"images_per_second": alone, "analyse_cpu_ms": round(_pipeline_cpu(turns), 1)}


def _pipeline_cpu(turns: Mapping[Any, list[dict[str, Any]]]) -> float:
    return _median([turn["cpu_ms"] for turn in turns["analyse"]])


def _rows(turns: Mapping[Any, list[dict[str, Any]]], statements: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Join the turns: rates are compared turn by turn, and the median ratio counts."""
    rows = []
    for what, ran in turns.items():
        if isinstance(what, str):
            continue
        action, processes, connections = what
        took = [one for turn in ran for one in turn["took"]]
        p50, p95, p99 = (index_benchmark.percentile(took, share) * 1000 for share in (50, 95, 99))
        cpu = _median([turn["cpu_ms"] for turn in ran])
        rows.append(
            {
                "action": action,
                "processes": processes,
                "connections": connections,
                "requests": len(took),
                "refused": sum(sum(turn["refused"].values()) for turn in ran),
                "a_second": round(_median([turn["rate"] for turn in ran]), 2),
                "over_analyse": _ratio(ran, turns["analyse"]),
                "over_bare": _ratio(ran, turns["bare"]),
                "p50_ms": round(p50, 1),
                "p95_ms": round(p95, 1),
                "p99_ms": round(p99, 1),
                "p99_over_p50": round(p99 / p50, 2),
                "cpu_ms": round(cpu, 1),
                "cpu_beside_analyse_ms": round(cpu - _pipeline_cpu(turns), 1),
                "load_cpu_ms": round(_median([turn["load_cpu_ms"] for turn in ran]), 1),
                **statements[action],
            }
        )
    return rows


def _ratio(ran: Sequence[Mapping[str, float]], beside: Sequence[Mapping[str, float]]) -> float:
    return round(_median([one["rate"] / other["rate"] for one, other in zip(ran, beside, strict=True)]), 3)


def _median(values: list[float]) -> float:
    return index_benchmark.percentile(values, 50)


@dataclass(frozen=True, slots=True)
class Server:
    """A web server that runs: where it is, and the process that has started the others."""

    url: str
    process: int

    def load(self, load: Mapping[str, Any]) -> dict[str, Any]:
        """Let a process of its own send the requests; return the turn."""
        before = _cpu_seconds(self.process)
        done = subprocess.run(
            [sys.executable, "-m", "collections_app.benchmarks.http_load"],
            cwd=ROOT,
            input=json.dumps({**load, "url": self.url + load["url"]}),
            capture_output=True,
            text=True,
            check=True,
        )
        ran: dict[str, Any] = json.loads(done.stdout)
        answered = len(ran["took"])
        if not answered:
            message = f"{load['url']} answered none of the requests: {ran['refused']}"
            raise RuntimeError(message)
        cpu = (_cpu_seconds(self.process) - before) * 1000 / answered
        return ran | {"rate": answered / ran["wall"], "cpu_ms": cpu, "load_cpu_ms": ran["cpu"] * 1000 / answered}

    def load_beside(self, full: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """Send requests while others are sent, if those have any connections; return the turn of the former."""
        with ThreadPoolExecutor() as threads:
            beside = threads.submit(self.load, full) if full["connections"] else None
            time.sleep(_AHEAD_SECONDS if beside else 0)
            turn = self.load(sent)
            if beside:
                beside.result()
        return turn


class Pipelines:
    """As many processes as there are cores, each with the pipeline alone."""

    def __init__(self, processes: "Sequence[subprocess.Popen[str]]") -> None:
        """Keep the processes."""
        self._processes = processes

    @classmethod
    @contextmanager
    def started(cls, env: Mapping[str, str], pack: str, images: Sequence[str]) -> "Iterator[Pipelines]":
        """Start the processes, and end them after the block."""
        command = [sys.executable, "-m", "recognition.evaluation.pipeline_turns", pack, *images]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with ExitStack() as stack:  # a process ends when its input does
            processes = [
                stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes))  # type: ignore[call-overload]  # noqa: S603 -- a module of ours
                for _ in os.sched_getaffinity(0)
            ]
            for each in processes:
                pipe(each.stdout).readline()
            yield cls(processes)

    def run(self, way: str, seconds: float) -> dict[str, float]:
        """Run one way in all processes at once; return the turn."""
        before = sum(_cpu_seconds(each.pid) for each in self._processes)
        for each in self._processes:
            print(way, seconds, file=pipe(each.stdin), flush=True)
        ran = [tuple(map(float, pipe(each.stdout).readline().split())) for each in self._processes]
        images = sum(done for done, _ in ran)
        cpu = sum(_cpu_seconds(each.pid) for each in self._processes) - before
        return {"rate": sum(done / took for done, took in ran), "cpu_ms": cpu * 1000 / images}


def pipe(end: IO[str] | None) -> IO[str]:
    """Return a pipe of a process that was started with one."""
    assert end is not None  # noqa: S101 -- for mypy
    return end


@contextmanager
def _server(env: Mapping[str, str]) -> Iterator[Server]:
    """Run the web server on a free port; yield it once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bind = f"127.0.0.1:{listener.getsockname()[1]}"
    process = subprocess.Popen([sys.executable, "-m", "config.server"], cwd=ROOT, env={**env, "BIND": bind})
    try:
        until = time.monotonic() + _READY_SECONDS
        with urllib3.PoolManager(retries=False) as http:
            while not _ready(http, f"http://{bind}/readyz"):
                if process.poll() is not None or time.monotonic() > until:
                    message = "The server does not start."
                    raise RuntimeError(message)
                time.sleep(0.2)
        yield Server(f"http://{bind}", process.pid)
    finally:
        process.terminate()
        process.wait()


def _ready(http: urllib3.PoolManager, url: str) -> bool:
    try:
        return http.request("GET", url).status == 200  # noqa: PLR2004 -- HTTP's OK
    except urllib3.exceptions.HTTPError:
        return False


def _cpu_seconds(process: int) -> float:
    """Return the CPU time of a process and everything that it started, so far."""
    stats = {}
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split() if folder.name.isdecimal() else []
        except OSError:  # it ended meanwhile
            continue
        if fields:
            stats[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    family, ticks = {process}, 0
    while True:
        grown = family | {number for number, (parent, _) in stats.items() if parent in family}
        if grown == family:
            break
        family = grown
    for number in family:
        ticks += stats[number][1] if number in stats else 0
    return ticks / _TICKS
