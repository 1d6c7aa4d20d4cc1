"""Speed and recall of the index on clustered synthetic unit vectors, in a temporary installation.

For each row of the table a database and an index are made in a temporary folder, filled in one process and searched in
another that is pinned to one core, so that memory and opening times are those of a process that starts. Probes are
unseen faces of enrolled people. Printing is the command's part.

Longer than 300 lines: what is filled and what is searched have to be the same vectors, made here.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from recognition import packs
from recognition.calibration.calibrated import Normalisation, choose_strangers, learn
from recognition.evaluation import baselines
from recognition.similarity import DEFAULT

ROOT = Path(__file__).parents[2]
FACES = (5, 2)
_COSINE = 0.6
_PROBES = 300
_BATCH = 10_000
_TOP = 10
_CALIBRATED = 2_000  # faces, as collections_app.calibration takes them
_ALL = -2.0
KINDS: dict[str, dict[str, str]] = {
    "default": {},
    "flat": {"INDEX_EXACT_BYTES": "100000000000"},
    "scan": {"INDEX_EXACT_BYTES": "0", "INDEX_GRAPH_ROWS": "1000000000"},
    "graph": {"INDEX_EXACT_BYTES": "0", "INDEX_GRAPH_ROWS": "0"},
    "pgvector": {"FACE_INDEX": "pgvector"},
}


def number(word: str) -> int:
    """Read a size such as 500, 10k or 1m."""
    scale = {"k": 1_000, "m": 1_000_000}.get(word[-1:].lower(), 1)
    return int(float(word.rstrip("kKmM")) * scale)


def measure(size: int, dimension: int, faces: int, kind: str, *, server: str = "") -> dict[str, Any]:
    """Fill and search an index of `size` faces, `faces` of each person; return the figures.

    The kind "pgvector" creates a temporary database on the PostgreSQL server of that URL, as its superuser.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="faceplane-benchmark-"))
        stack.callback(shutil.rmtree, open_folder(folder), ignore_errors=True)  # opened segments are decrypted there
        settings = dict(KINDS[kind])
        if kind == "pgvector":
            settings["DATABASE_URL"] = stack.enter_context(database(server))
        figures: dict[str, Any] = {"faces": size, "dimension": dimension, "faces_a_person": faces, "asked": kind}
        for step in ("fill", "search"):
            figures |= run_in(folder, __name__, step, size, dimension, faces, **settings)
        return figures


@contextmanager
def database(server: str) -> Iterator[str]:
    """Yield the URL of a temporary database on the PostgreSQL server of that URL."""
    name = f"faceplane_benchmark_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def plotted(measured: list[dict[str, Any]]) -> bytes:
    """Draw p95 (ms) against the number of faces, both logarithmic, a line for each way; SVG."""
    import pygal  # noqa: PLC0415 -- only needed for a plot

    lines: dict[str, list[tuple[int, float]]] = {}
    for row in measured:
        for name, figures in ((row["asked"], row), *row["baselines"].items()):
            lines.setdefault(f"{name}, {row['faces_a_person']} a person", []).append((row["faces"], figures["p95_ms"]))
    chart = pygal.XY(title="p95 of a search, ms", x_title="faces", logarithmic=True)
    for name, points in lines.items():
        chart.add(name, [(np.log10(faces), most) for faces, most in points])
    chart.x_value_formatter = lambda power: f"{10**power:,.0f}"
    svg: bytes = chart.render()
    return svg


def run_in(folder: str, module: str, *arguments: object, **settings: str) -> Any:  # noqa: ANN401 -- what the child prints, JSON
    """Run a module in a separate process, with all data in the folder; return its answer."""
    done = subprocess.run(  # noqa: S603 -- a module of ours
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=environment(folder) | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def environment(folder: str) -> dict[str, str]:
    """Return the environment of a process that keeps all data in the folder."""
    own = {
        "DATA_DIR": folder,
        "SECRETS_DIR": f"{folder}/secrets",
        "DATABASE_URL": f"sqlite:///{folder}/benchmark.sqlite3",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "INDEX_OPEN_DIR": open_folder(folder),
        "OPENBLAS_NUM_THREADS": "1",
        "LOG_LEVEL": "WARNING",
    }
    return os.environ | own


def people(size: int, dimension: int, faces: int) -> Iterator[np.ndarray]:
    """Yield the enrolled vectors in batches; the same numbers for the same arguments."""
    random = np.random.default_rng(size + faces)
    for start in range(0, size, _BATCH):
        rows = min(_BATCH, size - start)
        yield _faces(_centres(dimension, start, rows, faces), random)


def probes(size: int, dimension: int, faces: int) -> np.ndarray:
    """Return unseen faces (n, dimension) of enrolled people."""
    random = np.random.default_rng(1)
    chosen = random.integers(0, size, _PROBES)
    centres = np.concatenate([_centres(dimension, int(row), 1, faces) for row in chosen])
    return _faces(centres, random)


def _centres(dimension: int, start: int, rows: int, faces: int) -> np.ndarray:
    """Return the centre of each row's person; it depends on the person's number alone."""
    first, last = start // faces, (start + rows - 1) // faces
    blocks = [
        _unit(np.random.default_rng([7, block]).standard_normal((_BATCH, dimension), dtype=np.float32))
        for block in range(first // _BATCH, last // _BATCH + 1)
    ]
    return np.concatenate(blocks)[np.arange(start, start + rows) // faces - first // _BATCH * _BATCH]


def _faces(centres: np.ndarray, random: np.random.Generator) -> np.ndarray:
    noise = _unit(random.standard_normal(centres.shape, dtype=np.float32))
    return _unit(np.sqrt(_COSINE) * centres + np.sqrt(1 - _COSINE) * noise)


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def open_folder(folder: str) -> str:
    """Return where the opened segments of an installation in this folder are."""
    shared = Path("/dev/shm")  # noqa: S108 -- as in config/settings.py
    return str((shared if os.access(shared, os.W_OK) else Path(folder)) / f"{Path(folder).name}-open")


def _fill(size: int, dimension: int, faces: int) -> dict[str, Any]:
    """Make the database, enrol everybody and build the index. The templates have no faces: nothing reads them."""
    from django.core.management import call_command  # noqa: PLC0415 -- Django is set up only in the child
    from django.db import connection, transaction  # noqa: PLC0415

    from recognition import tasks  # noqa: PLC0415
    from recognition.index import face_index, pgvector_graph, pgvector_table  # noqa: PLC0415
    from recognition.models import Gallery, IndexSegment  # noqa: PLC0415
    from tenants.lifecycle import create_tenant  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica" if postgres else "PRAGMA foreign_keys=OFF")
    if postgres:
        pgvector_table.prepare()
    tenant = create_tenant("benchmark", "benchmark")
    pack = next(name for name in packs.names() if packs.get(name).dimension == dimension)
    gallery = Gallery.unscoped.create(id=1, tenant=tenant, collection_id=1, pack=pack)
    began, number = time.perf_counter(), 1
    for batch in people(size, dimension, faces):
        with transaction.atomic():
            face_index().add(gallery, dict(enumerate(batch, start=number)))
        number += len(batch)
    enrolled = time.perf_counter()
    tasks.compact_gallery.run(gallery.pk)
    built = time.perf_counter()
    segments = list(IndexSegment.objects.of(tenant))
    kinds = [f"{one.kind} ef={one.expansion}" if one.expansion else str(one.kind) for one in segments]
    if postgres:
        kinds = [f"pgvector ef={pgvector_graph.width(gallery)}"]
    return {
        "enrol_s": round(enrolled - began, 1),
        "build_s": round(built - enrolled, 1),
        "kind": "+".join(kinds) or "matrix",
        "file_mb": round(sum(one.bytes for one in segments) / 1e6, 1),
        "gate": [[one.rank1, one.recall] for one in segments],
    }


def _search(size: int, dimension: int, faces: int) -> dict[str, Any]:
    """Open the index in a fresh process and search it; then search the same rows with the installed baselines.

    More than 40 lines, because the order of the steps is what is measured: first and second opening, memory, times.
    """
    from django.conf import settings  # noqa: PLC0415 -- Django is set up only in the child

    from recognition.index import FaceIndex, calibrations, files  # noqa: PLC0415
    from recognition.index.local import LocalIndex  # noqa: PLC0415
    from recognition.index.pgvector import PgvectorIndex  # noqa: PLC0415
    from recognition.models import Gallery, IndexSegment  # noqa: PLC0415
    from tenants.models import Tenant  # noqa: PLC0415

    def fresh_index() -> FaceIndex:
        local = LocalIndex(segmented=True)
        return PgvectorIndex(local) if settings.FACE_INDEX == "pgvector" else local

    def search(probe: np.ndarray) -> list[int]:
        return [one.face_id for one in index.search(gallery, probe, limit=_TOP, floor=_ALL)]

    def calibrated(probe: np.ndarray) -> list[int]:
        near = index.search(gallery, probe, limit=_TOP + calibrations.MORE, floor=_ALL)
        scored = calibrations.rescored(near, probe, scale, floor=_ALL, enrolled=False)
        return [one.face_id for one in scored[:_TOP]]

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    tenant = Tenant.objects.get()
    gallery = Gallery.objects.of(tenant).select_related("tenant").get()
    queries = probes(size, dimension, faces)
    for segment in IndexSegment.objects.of(tenant):
        files.discard(segment)
    index = fresh_index()
    first = _seconds(lambda: search(queries[0]))
    private, index = anonymous_bytes(), fresh_index()
    second = _seconds(lambda: search(queries[0]))
    grown = anonymous_bytes() - private
    times, found = _timed(search, queries)
    everybody = np.concatenate(list(people(size, dimension, faces)))
    scale = _normalisation(everybody[:_CALIBRATED], faces, gallery.pack)
    again, _ = _timed(calibrated, queries)
    plain, right = _timed(baselines.numpy_(everybody), queries)
    figures = {
        **_quality(times, found, right),
        "calibrated_p50_ms": round(percentile(again, 50) * 1000, 2),
        "open_first_s": round(first, 3),
        "open_next_s": round(second, 3),
        "private_bytes_a_face": round(max(grown, 0) / size, 1),
        "baselines": {"NumPy": _quality(plain, right, right)},
    }
    for name, make in baselines.installed(size).items():
        began = time.perf_counter()
        search_baseline = make(everybody)
        built = time.perf_counter() - began
        figures["baselines"][name] = {**_quality(*_timed(search_baseline, queries), right), "build_s": round(built, 1)}
    return figures


def _normalisation(templates: np.ndarray, faces: int, name: str) -> Normalisation:
    """Learn a calibration from templates, so many of each person."""
    pack, everybody = packs.get(name), np.arange(len(templates)) // faces
    rows = choose_strangers(templates, everybody, DEFAULT.on(pack.similarity))
    learnt = pack.normal and learn(templates, everybody, rows, pack.normal)
    if not learnt:
        message = "too few faces to calibrate"
        raise ValueError(message)
    return learnt.at_one_rate()


def _timed(search: baselines.Search, queries: np.ndarray) -> tuple[list[float], list[Sequence[int]]]:
    """Return how long each probe took, after one that is not counted, and the ids found."""
    search(queries[0])
    times, found = [], []
    for probe in queries:
        began = time.perf_counter()
        ids = search(probe)
        times.append(time.perf_counter() - began)
        found.append(ids)
    return times, found


def _quality(times: list[float], found: list[Sequence[int]], right: list[Sequence[int]]) -> dict[str, Any]:
    pairs = list(zip(found, right, strict=True))
    return {
        "p50_ms": round(percentile(times, 50) * 1000, 2),
        "p95_ms": round(percentile(times, 95) * 1000, 2),
        "rank1": round(float(np.mean([mine[0] == exact[0] for mine, exact in pairs])), 4),
        "recall10": round(float(np.mean([len({*mine} & {*exact}) / _TOP for mine, exact in pairs])), 4),
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def percentile(values: Sequence[float], share: int) -> float:
    """Return the percentile by nearest rank: the smallest value that `share` % of the values do not exceed."""
    return float(np.percentile(values, share, method="inverted_cdf"))


def anonymous_bytes() -> int:
    """Return this process's private memory, without the mapped files, which all processes share."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


if __name__ == "__main__":
    import django

    django.setup()
    step, *numbers = sys.argv[1:]
    answer = {"fill": _fill, "search": _search}[step](*map(int, numbers))
    print(json.dumps(answer))  # noqa: T201 -- the answer to the parent
