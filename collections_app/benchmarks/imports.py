"""Measure a bulk import beside the pipeline alone, over the same pictures on the same cores.

As many workers as Celery starts (one more than cores, so that one may wait for the disk) do one job, each in a process
of its own; the pipeline alone runs in as many processes as there are cores (recognition.evaluation.pipeline_turns).
Both take turns in one run. Every row of the job's manifest is another person, with one of the pictures.
"""

import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from collections_app.benchmarks.http import Pipelines, pipe
from recognition.evaluation import index_benchmark
from recognition.evaluation.index_benchmark import ROOT, percentile

_MOST_ROWS = 100_000


def measure(images: Sequence[Path], *, seconds: float, rounds: int, server: str = "") -> dict[str, Any]:
    """Return the rates and their ratio, turn by turn; `server` is the URL of a PostgreSQL."""
    rows = min(_MOST_ROWS, int(200 * seconds * (rounds + 1) * len(os.sched_getaffinity(0))))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="faceplane-benchmark-"))
        env = index_benchmark.environment(folder) | {"HOST_DIR": f"{folder}/host", "LOG_LEVEL": "ERROR"}
        stack.callback(shutil.rmtree, env["INDEX_OPEN_DIR"], ignore_errors=True)
        if server:
            env["DATABASE_URL"] = stack.enter_context(index_benchmark.database(server))
        own = {name: env[name] for name in ("HOST_DIR", "DATABASE_URL")}
        prepared = index_benchmark.run_in(folder, __name__, rows, *images, **own)
        beside = stack.enter_context(Pipelines.started(env, prepared["pack"], prepared["images"]))
        workers = stack.enter_context(_Workers.started(env, prepared["job"]))
        workers.run(1.0)  # the models are loaded
        turns = [(beside.run("analyse", seconds)["rate"], *workers.run(seconds)) for _ in range(rounds)]
    ratios = [rate / alone for alone, rate, _ in turns]
    return {
        "images": len(prepared["images"]),
        "analyse_a_second": round(percentile([alone for alone, _, _ in turns], 50), 2),
        "import_a_second": round(percentile([rate for _, rate, _ in turns], 50), 2),
        "import_over_analyse": round(percentile(ratios, 50), 3),
        "memory_mb": [round(memory) for _, _, memory in turns],
    }


class _Workers:
    """Processes that do one job together, as many as Celery starts."""

    def __init__(self, processes: "Sequence[subprocess.Popen[str]]") -> None:
        self._processes = processes

    @classmethod
    @contextmanager
    def started(cls, env: Mapping[str, str], job: str) -> "Iterator[_Workers]":
        command = [sys.executable, "-m", __name__, "work", job]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with ExitStack() as stack:  # a process ends when its input does
            yield cls(
                [
                    stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes))  # type: ignore[call-overload]  # noqa: S603 -- a module of ours
                    for _ in range(len(os.sched_getaffinity(0)) + 1)
                ]
            )

    def run(self, seconds: float) -> tuple[float, float]:
        """Work for some seconds; return items a second, and the megabytes of the largest process."""
        for each in self._processes:
            print(seconds, file=pipe(each.stdin), flush=True)
        ran = [tuple(map(float, pipe(each.stdout).readline().split())) for each in self._processes]
        return sum(done / took for done, took, _ in ran), max(memory for *_, memory in ran)


def _work(job_id: str) -> None:
    """Work on the job as long as each line of the input says; print items, seconds and megabytes."""
    from collections_app import bulk  # noqa: PLC0415 -- Django is set up only in the child
    from collections_app.jobs import engine  # noqa: PLC0415
    from collections_app.models import BulkJob  # noqa: PLC0415
    from tenants.models import Tenant  # noqa: PLC0415

    jobs = BulkJob.objects.of(Tenant.objects.get()).select_related("tenant", "collection__gallery__tenant")
    job = jobs.get(pk=job_id)
    settled: list[int] = []
    real = bulk.settle

    def counting(vault: Any, job: BulkJob, *units: Any) -> None:  # noqa: ANN401 -- those of bulk.settle
        real(vault, job, *units)
        settled.extend([1] * len(units))

    bulk.settle = counting  # type: ignore[assignment]  # its parameters have other names
    for line in sys.stdin:
        settled.clear()
        began = time.perf_counter()
        engine.work(job, float(line))
        took = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(len(settled), took, memory, flush=True)  # noqa: T201 -- the answer to the parent


def _prepared(rows: int, files: Sequence[Path]) -> dict[str, Any]:
    """Create the store and a planned job of so many rows."""
    from django.core.management import call_command  # noqa: PLC0415

    from collections_app.jobs import engine  # noqa: PLC0415
    from collections_app.operations import bulk_jobs, imports  # noqa: PLC0415
    from collections_app.operations.collections import create_collection  # noqa: PLC0415
    from collections_app.operations.compare import detect  # noqa: PLC0415
    from tenants.access import system  # noqa: PLC0415
    from tenants.lifecycle import create_tenant  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    caller = system(create_tenant("benchmark", "benchmark"), "benchmark")
    people = create_collection(caller, name="people")
    files = [file for file in files if len(detect(caller, image=file.read_bytes()).faces) == 1]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number, file in enumerate(files):
            tar.add(file, f"{number}.jpg")
    lines = [json.dumps({"file": f"{row % len(files)}.jpg", "reference": f"person {row}"}) for row in range(rows)]
    job = imports.receive(
        caller,
        collection=people.name,
        options=imports.ImportOptions(),
        archive=packed.getvalue(),
        manifest="\n".join(lines).encode(),
    )
    row = bulk_jobs.find_bulk_job(caller, job.id)
    engine.work(row, 0.001)  # one step: the plan
    return {"job": str(row.pk), "pack": people.pack, "images": list(map(str, files))}


if __name__ == "__main__":
    import django

    django.setup()
    first, *others = sys.argv[1:]
    if first == "work":
        _work(others[0])
    else:
        print(json.dumps(_prepared(int(first), list(map(Path, others)))))  # noqa: T201 -- the answer to the parent
