"""Measure the web server: searches and enrolments over HTTP, beside the pipeline alone on the same cores.

The server is the shipped one, with its defaults, on an empty store in a temporary folder or database. A process of its
own loads it (http_load) with the requests of a dialect's clients. The pipeline alone runs in as many processes as there
are cores (recognition.evaluation.pipeline_turns). Both take turns in one run, so that whatever else the machine does
slows both. The command prints the results.

One file although it is longer than 300 lines: the turns of one run are read together.
"""

import base64
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
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import urllib3

from recognition.evaluation import index_benchmark
from recognition.evaluation.index_benchmark import ROOT

if TYPE_CHECKING:
    from collections_app.dialects.descriptor import Dialect, Exchange
    from tenants.keys import IssuedKey

ACTIONS = ("search", "enrol")
_READY_SECONDS = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
_READS = ("SELECT",)
_WRITES = ("INSERT", "UPDATE", "DELETE")


def measure(
    images: Sequence[Path], *, dialect: str, connections: Sequence[int], seconds: float, rounds: int, server: str = ""
) -> dict[str, Any]:
    """Return the figures of both actions with each number of connections; `server` is the URL of a PostgreSQL."""
    with ExitStack() as stack:  # the images with one face are used: the others would be refused
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="faceplane-benchmark-"))
        env = index_benchmark.environment(folder) | {"HOST_DIR": f"{folder}/host", "LOG_LEVEL": "ERROR"}
        stack.callback(shutil.rmtree, env["INDEX_OPEN_DIR"], ignore_errors=True)
        if server:
            env["DATABASE_URL"] = stack.enter_context(index_benchmark.database(server))
        prepared = index_benchmark.run_in(
            folder, __name__, dialect, *images, HOST_DIR=env["HOST_DIR"], DATABASE_URL=env["DATABASE_URL"]
        )
        url, process = stack.enter_context(_server(env))
        beside = stack.enter_context(Pipelines.started(env, prepared["pack"], prepared["images"]))
        turns: dict[str, list[dict[str, float]]] = {}
        for _ in range(rounds):
            for way in ("analyse", "bare"):
                turns.setdefault(way, []).append(beside.run(way, seconds))
            for action in ACTIONS:
                for number in connections:
                    load = prepared["requests"][action] | {"connections": number, "seconds": seconds}
                    load["url"] = url + load["url"]
                    turns.setdefault(f"{action} {number}", []).append(_load(process, load))
            with ThreadPoolExecutor() as threads:  # what needs no core of its own, beside as many searches as can be
                load = prepared["requests"]["search"] | {"connections": max(connections), "seconds": seconds}
                full = threads.submit(_load, process, load | {"url": url + load["url"]})
                for name, small in prepared["small"].items():
                    sent = small | {"url": url + small["url"], "connections": 1, "seconds": seconds / 2, "pause": 0.02}
                    turns.setdefault(name, []).append(_load(process, sent))
                full.result()
    figures = _figures(turns, prepared["statements"], connections)
    small = {name: _small(turns[name]) for name in prepared["small"]}
    return {"images": len(prepared["images"])} | figures | {"while_full": small}


def _small(ran: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    took = [one for turn in ran for one in turn["took"]]
    p50, p95 = (index_benchmark.percentile(took, share) * 1000 for share in (50, 95))
    return {"requests": len(took), "p50_ms": round(p50, 1), "p95_ms": round(p95, 1)}


def _figures(
    turns: Mapping[str, list[dict[str, Any]]], statements: Mapping[str, Any], connections: Sequence[int]
) -> dict[str, Any]:
    """Join the turns: rates are compared turn by turn, and the median ratio counts."""
    analyse, bare = turns["analyse"], turns["bare"]
    pipeline_cpu = _median([turn["cpu_ms"] for turn in analyse])
    rows = []
    for action in ACTIONS:
        for number in connections:
            ran = turns[f"{action} {number}"]
            took = [one for turn in ran for one in turn["took"]]
            p50, p95, p99 = (index_benchmark.percentile(took, share) * 1000 for share in (50, 95, 99))
            cpu = _median([turn["cpu_ms"] for turn in ran])
            rows.append(
                {
                    "action": action,
                    "connections": number,
                    "requests": len(took),
                    "refused": sum(sum(turn["refused"].values()) for turn in ran),
                    "a_second": round(_median([turn["rate"] for turn in ran]), 2),
                    "over_analyse": _ratio(ran, analyse),
                    "over_bare": _ratio(ran, bare),
                    "p50_ms": round(p50, 1),
                    "p95_ms": round(p95, 1),
                    "p99_ms": round(p99, 1),
                    "p99_over_p50": round(p99 / p50, 2),
                    "cpu_ms": round(cpu, 1),
                    "cpu_beside_analyse_ms": round(cpu - pipeline_cpu, 1),
                    "load_cpu_ms": round(_median([turn["load_cpu_ms"] for turn in ran]), 1),
                    **statements[action],
                }
            )
    alone = {way: round(_median([turn["rate"] for turn in turns[way]]), 2) for way in ("analyse", "bare")}
    return {"images_per_second": alone, "analyse_cpu_ms": round(pipeline_cpu, 1), "http": rows}


def _ratio(ran: Sequence[Mapping[str, float]], beside: Sequence[Mapping[str, float]]) -> float:
    return round(_median([one["rate"] / other["rate"] for one, other in zip(ran, beside, strict=True)]), 3)


def _median(values: list[float]) -> float:
    return index_benchmark.percentile(values, 50)


def _load(server: int, load: Mapping[str, Any]) -> dict[str, Any]:
    """Let a process of its own send the requests; return the turn."""
    before = _cpu_seconds(server)
    done = subprocess.run(
        [sys.executable, "-m", "collections_app.benchmarks.http_load"],
        cwd=ROOT,
        input=json.dumps(load),
        capture_output=True,
        text=True,
        check=True,
    )
    ran: dict[str, Any] = json.loads(done.stdout)
    answered = len(ran["took"])
    if not answered:
        message = f"{load['url']} answered none of the requests: {ran['refused']}"
        raise RuntimeError(message)
    cpu = (_cpu_seconds(server) - before) * 1000 / answered
    return ran | {"rate": answered / ran["wall"], "cpu_ms": cpu, "load_cpu_ms": ran["cpu"] * 1000 / answered}


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
def _server(env: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run the web server on a free port; yield its URL and its process id once it is ready."""
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
        yield f"http://{bind}", process.pid
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


def _prepared(name: str, files: Sequence[Path]) -> dict[str, Any]:
    """Create the store: two collections, of which one has every other person; return the requests.

    Over 40 lines, which are one list.

    Searches are made in one collection, and enrolments in the other, so that neither changes what the other one costs.
    """
    from django.core.management import call_command  # noqa: PLC0415 -- Django is set up only in the child

    from collections_app.dialects import DIALECTS  # noqa: PLC0415
    from collections_app.dialects.descriptor import Setting  # noqa: PLC0415
    from collections_app.operations.collections import create_collection  # noqa: PLC0415
    from collections_app.operations.compare import detect  # noqa: PLC0415
    from collections_app.operations.data_subject import PersonDetails  # noqa: PLC0415
    from collections_app.operations.enrol import enrol_face  # noqa: PLC0415
    from collections_app.operations.search import search_by_image  # noqa: PLC0415
    from tenants import keys  # noqa: PLC0415
    from tenants.access import USUAL_SCOPES, system  # noqa: PLC0415
    from tenants.lifecycle import create_tenant  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    dialect = next(one for one in DIALECTS if one.name == name)
    tenant = create_tenant("benchmark", "benchmark")
    caller = system(tenant, "benchmark")
    files = [file for file in files if len(detect(caller, image=file.read_bytes()).faces) == 1]
    pictures = [file.read_bytes() for file in files]
    people, more = (create_collection(caller, name=name) for name in ("people", "more"))
    for number, picture in enumerate(pictures[::2]):
        person = PersonDetails(name=f"Person {number}")
        enrol_face(caller, collection=people.name, image=picture, person=person, largest=True)
    person = PersonDetails(name="Somebody")
    results: dict[str, Any] = {
        "search": search_by_image(caller, collection=people.name, image=pictures[0], request_name="door", largest=True),
        "enrol": enrol_face(caller, collection=more.name, image=pictures[0], person=person, largest=True),
    }
    requests = {}
    for action, result in results.items():
        limited = [result.collection.pk] if dialect.one_collection else None
        key = keys.issue(tenant, name="benchmark", scopes=USUAL_SCOPES, collections=limited)
        exchange = dialect.previews[action](result, Setting(dialect.profile({}), ""))
        requests[action] = _request(dialect, key, exchange, pictures)
    statements = {action: _statements(request) for action, request in requests.items()}
    wrong = dialect.credentials.sent(key.key.pk, key.secret[::-1])
    refused = requests["search"] | {"refusals": True, "headers": requests["search"]["headers"] | wrong}
    health = {"url": "/healthz", "headers": {}, "bodies": [""], "method": "GET"}
    small = {"wrong key": refused, "health": health}
    return {
        "requests": requests,
        "small": small,
        "statements": statements,
        "pack": people.pack,
        "images": list(map(str, files)),
    }


def _request(dialect: "Dialect", key: "IssuedKey", exchange: "Exchange", pictures: Sequence[bytes]) -> dict[str, Any]:
    """Return what a dialect's client sends: the path, the headers, and the body for each picture."""
    from collections_app.dialects.descriptor import FACE, KEY_ID  # noqa: PLC0415

    body = json.dumps(exchange.body)
    return {
        "url": f"/{dialect.prefix}{exchange.path}".replace(KEY_ID, key.key.pk),
        "headers": {"Content-Type": "application/json", **dialect.credentials.sent(key.key.pk, key.secret)},
        "bodies": [body.replace(FACE, base64.b64encode(picture).decode()) for picture in pictures],
    }


def _statements(request: Mapping[str, Any]) -> dict[str, int]:
    """Send a request to this process, twice, and count the SQL statements of the second time."""
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    client = Client(SERVER_NAME="localhost")
    send = {"content_type": "application/json", "headers": request["headers"]}
    client.post(request["url"], request["bodies"][0], **send)
    with CaptureQueriesContext(connection) as seen:
        client.post(request["url"], request["bodies"][0], **send)
    words = [query["sql"].lstrip("( ").split(" ", 1)[0].upper() for query in seen]
    return {"reads": sum(word in _READS for word in words), "writes": sum(word in _WRITES for word in words)}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_prepared(sys.argv[1], list(map(Path, sys.argv[2:])))))  # noqa: T201 -- the answer to the parent
