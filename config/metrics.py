"""/metrics for Prometheus: what the processes of this host counted, and what the database says of the installation.

Each web process and worker writes its counts to files in HOST_DIR/metrics, and any of them can answer for all. When a
process has ended, its files are added to one file per kind: otherwise totals would decrease, or files accumulate.
Labels are bounded: names of dialects, routes, statuses and our own classes of errors; tenants only on request.
"""

import fcntl
import hmac
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.checks import figures
from recognition.folders import private
from recognition.metrics import request_stages, stage
from tenants import rls
from tenants.access import CALLER

logger = logging.getLogger("faceplane.metrics")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)
_ASKS = "X-Server-Timing"
_ENDED = "ended"
_held: int | None = None  # this process's lock file

REQUESTS = Counter(
    "faceplane_requests",
    "Answered requests; `error` is the class of a refusal. Without a dialect: console, admin, health checks.",
    ["dialect", "operation", "status", "error"],
    registry=None,
)
REQUEST_SECONDS = Histogram(
    "faceplane_request_seconds", "Seconds of a request.", ["dialect", "operation"], buckets=_BUCKETS, registry=None
)
TASK_SECONDS = Histogram(
    "faceplane_task_seconds", "Seconds of a task of the worker.", ["task", "state"], buckets=_BUCKETS, registry=None
)


def measured(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Count each request and the time of its stages; tell a call with a key its own, if it asks by X-Server-Timing."""

    def answer(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        with request_stages() as stages, connection.execute_wrapper(_timed):
            response = get_response(request)
        seconds = time.perf_counter() - started
        request.META["faceplane.stages"] = stages
        if request.headers.get(_ASKS) and CALLER in request.META:
            parts = [*stages.items(), ("total", seconds)]
            response["Server-Timing"] = ", ".join(f"{name};dur={spent * 1000:.1f}" for name, spent in parts)
        _count(request, response.status_code, seconds)
        return response

    return answer


def _timed(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]) -> Any:  # noqa: ANN401, FBT001
    """Measure a query: Django's signature of an execute_wrapper."""
    with stage("database"):
        return execute(sql, params, many, context)


def _count(request: HttpRequest, status: int, seconds: float) -> None:
    """Count an answered request. Its operation is its route: a client can invent paths, methods and headers."""
    match = request.resolver_match
    dialect = getattr(getattr(match and match.func, "view_class", None), "dialect", None)
    name = dialect.name if dialect else ""
    operation = f"{request.method} {match.route}" if match and request.method in _METHODS else ""
    error = request.META.get("faceplane.refusal", {}).get("error", "")
    REQUESTS.labels(name, operation, status, error).inc()
    REQUEST_SECONDS.labels(name, operation).observe(seconds)


def share() -> None:
    """Keep this process's counts, and those of the processes that it forks, in files of HOST_DIR."""
    _folder()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_folder())
    values.ValueClass = values.MultiProcessValue(_name)  # type: ignore[no-untyped-call]
    _hold()
    os.register_at_fork(after_in_child=_hold)


def serve() -> None:
    """Serve /metrics at METRICS_BIND, if it is set, from a thread: for workers, whose host may have no web server."""
    if not settings.METRICS_BIND:
        return
    host, _, port = settings.METRICS_BIND.rpartition(":")
    try:
        start_http_server(int(port), host.strip("[]"), _registry(_closing(_installation)))
    except (OSError, ValueError) as error:  # another worker of this host has it
        logger.warning("Metrics are not served at METRICS_BIND", extra={"error": str(error)})


def page(request: HttpRequest) -> HttpResponse:
    """Answer whoever has METRICS_TOKEN."""
    sent = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse("METRICS_TOKEN is needed.", status=401, headers={"WWW-Authenticate": "Bearer"})
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry(_installation)), content_type=content_type)


class _Collected(Collector):
    """A collector that is a function."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def _registry(installation: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collect in (_counted, installation):
        registry.register(_Collected(collect))
    return registry


def _counted() -> Iterable[Metric]:
    """Return the counts of all processes of the host since its memory was last cleared."""
    folder = _folder()
    with _exclusive(folder):
        _fold(folder)
        return list(MultiProcessCollector(None, str(folder)).collect())  # type: ignore[no-untyped-call]


def _installation() -> Iterable[Metric]:
    with rls.all_tenants():
        return list(figures.collect())


def _closing(collect: Callable[[], Iterable[Metric]]) -> Callable[[], Iterable[Metric]]:
    """Close the database's connection afterwards: the library answers each scrape in a new thread."""

    def collected() -> Iterable[Metric]:
        try:
            return collect()
        finally:
            connection.close()

    return collected


def _fold(folder: Path) -> None:
    """Add the counts of ended processes, whose locks are free, to one file per kind."""
    for lock in folder.glob("*.lock"):
        with lock.open() as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for ended in folder.glob(f"*_{lock.stem}.db"):
                total: Any = MmapedDict(str(folder / f"{ended.name.partition('_')[0]}_{_ENDED}.db"))  # type: ignore[no-untyped-call]
                for key, value, *_ in MmapedDict.read_all_values_from_file(str(ended)):  # type: ignore[no-untyped-call]
                    total.write_value(key, total.read_value(key)[0] + value, 0.0)
                total.close()
                ended.unlink()
            lock.unlink()


def _hold() -> None:
    """Lock this process's own file; the kernel unlocks it when the process ends."""
    global _held  # noqa: PLW0603 -- in a forked child: the parent's
    if _held is not None:
        os.close(_held)
    folder = _folder()
    with _exclusive(folder):
        _held = os.open(folder / f"{_name()}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(_held, fcntl.LOCK_EX)


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    with (folder / "folding").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder() -> Path:
    return private(private(Path(settings.HOST_DIR)) / "metrics")


def _name() -> str:
    """Return a name that no other process of the host has, in whatever container."""
    return f"{socket.gethostname()}-{os.getpid()}"
