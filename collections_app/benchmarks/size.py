"""Measure this machine for about a minute, for `manage.py size`: pipeline, index at two sizes, HTTP, a row's bytes.

Each part runs in a process of its own on an empty store in a temporary folder; nothing of the installation is touched.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from collections_app.benchmarks import http
from collections_app.benchmarks.sizing import Line, Measured
from collections_app.samples import SAMPLES
from recognition import packs
from recognition.evaluation import index_benchmark

_FACES_A_PERSON = 2
_SMALLEST, _SIZES = 2_000, (50_000, 200_000)  # of galleries that are measured; larger ones are reckoned from these
_ROWS = 2_000
_FLOAT = 4


def measure(faces: int, pack: str, *, seconds: float = 5.0, dialect: str, sizes: Sequence[int] = ()) -> Measured:
    """Measure what a gallery of so many faces needs; `seconds` of each turn of HTTP and of the pipeline."""
    images = sorted(SAMPLES.glob("*.jpg"))
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="faceplane-size-") as folder:
        try:
            alone = index_benchmark.run_in(folder, __name__, "pipeline", pack, seconds, *images)
            rows = index_benchmark.run_in(folder, __name__, "rows", pack, _ROWS)
        finally:
            shutil.rmtree(index_benchmark.open_folder(folder), ignore_errors=True)
    web = http.measure(images, dialect=dialect, connections=[1], seconds=seconds, rounds=1)
    search = next(row for row in web["http"] if row["action"] == "search")
    few, many = sizes or _sizes(faces, packs.get(pack).dimension)
    kind = "scan" if faces > _exact(packs.get(pack).dimension) else "default"
    small, large = (index_benchmark.measure(n, packs.get(pack).dimension, _FACES_A_PERSON, kind) for n in (few, many))

    def line(figure: str, scale: float = 1.0) -> Line:
        return Line.through((few, small[figure] * scale), (many, large[figure] * scale))

    own = large["private_bytes_a_face"]
    return Measured(
        cores=cores,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        pack=pack,
        decode_ms=alone["decode_ms"],
        pipeline_ms=alone["analyse_ms"],
        http_ms=max(0.0, search["cpu_beside_analyse_ms"]),
        search_p95_ms=search["p95_ms"] - web["analyse_cpu_ms"] + alone["analyse_ms"],
        sizes=(few, many),
        index_ms=line("p50_ms"),
        index_p95_ms=line("p95_ms"),
        own_bytes=Line(0.0, own),
        shared_bytes=line("file_mb", 1e6),
        own_limit_bytes=settings.INDEX_MEMORY_BYTES,
        row_bytes=rows["row_bytes"],
        process_bytes=alone["process_bytes"],
        decoding_bytes=settings.DECODING_MEMORY_MB * 1_000_000,
        processes=min(cores, 4) + 1,
    )


def _exact(dimension: int) -> int:
    """Return up to how many faces a gallery is searched exactly."""
    return int(settings.INDEX_EXACT_BYTES // (dimension * _FLOAT))


def _sizes(faces: int, dimension: int) -> tuple[int, int]:
    """Return the two sizes to measure: of the same kind of search as the gallery asked for."""
    few, many = _SIZES
    scale = packs.get(packs.DEFAULT).dimension / dimension
    many = max(_SMALLEST, min(faces, int(many * scale)))
    return max(_SMALLEST // 2, min(int(few * scale), many // 2)), many


def _pipeline(pack: str, seconds: str, *files: str) -> dict[str, float]:
    """Decode the images, and run the pipeline on them, for so many seconds; return the CPU that each took."""
    from recognition import pipeline  # noqa: PLC0415 -- Django is set up only in the child
    from recognition.pipeline import decode  # noqa: PLC0415

    pictures = [Path(file).read_bytes() for file in files]
    for picture in pictures:
        pipeline.analyse(picture, pack=pack, embed=1)
    decoding: list[float] = []
    until = time.monotonic() + float(seconds) / 4
    while time.monotonic() < until:
        for picture in pictures:
            began = time.perf_counter()
            decode.decode(picture)
            decoding.append(time.perf_counter() - began)
    took: list[float] = []
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        for picture in pictures:
            began = time.thread_time()
            pipeline.analyse(picture, pack=pack, embed=1)
            took.append(time.thread_time() - began)
    each = index_benchmark.percentile(decoding, 50) * 1000  # another process decodes, so its CPU is not in `took`
    return {
        "decode_ms": each,
        "analyse_ms": sum(took) / len(took) * 1000 + each,
        "process_bytes": index_benchmark.anonymous_bytes(),
    }


def _rows(pack: str, count: str) -> dict[str, float]:
    """Fill a database with faces of people and return a face's share of its size, indexes and template included."""
    from django.core.management import call_command  # noqa: PLC0415 -- Django is set up only in the child
    from django.db import connection, transaction  # noqa: PLC0415

    from collections_app.models import Face, Person  # noqa: PLC0415
    from collections_app.operations.collections import create_collection  # noqa: PLC0415
    from recognition.index import face_index  # noqa: PLC0415
    from tenants.access import system  # noqa: PLC0415
    from tenants.lifecycle import create_tenant  # noqa: PLC0415
    from tenants.scope import random_id  # noqa: PLC0415

    def size() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
            return int(cursor.fetchone()[0])

    call_command("migrate", verbosity=0)
    tenant = create_tenant("size", "size")
    collection = create_collection(system(tenant, "size"), name="people", pack=pack)
    rows = int(count)
    ids = [random_id() for _ in range(rows)]  # as in use: rows in order would fill their pages better
    dimension, before, own = packs.get(pack).dimension, size(), {"tenant": tenant, "collection": collection}
    vectors = next(index_benchmark.people(rows, dimension, _FACES_A_PERSON))
    with transaction.atomic():
        people = [
            Person(**own, reference=f"employee-{number:08}", name=f"Somebody Else {number}")
            for number in range(rows // _FACES_A_PERSON)
        ]
        Person.unscoped.bulk_create(people)
        first = face_index().add(collection.gallery, dict(zip(ids, vectors, strict=True)))
        Face.unscoped.bulk_create(
            Face(**own, id=ids[number], number=first + number, person=people[number // _FACES_A_PERSON], **_FACE)
            for number in range(rows)
        )
    return {"row_bytes": (size() - before) / rows}


_FACE: dict[str, Any] = {
    "image": "00000000-0000-0000-0000-000000000000",
    "image_width": 1280,
    "image_height": 960,
    **dict.fromkeys(("box_x", "box_y", "box_width", "box_height", "confidence"), 123.4567890123),
    **dict.fromkeys(("yaw", "pitch", "roll", "sharpness", "brightness", "liveness"), 12.34567890123),
    "landmarks": [[123.4567890123, 123.4567890123]] * 5,
    "actor_kind": "key",
    "actor_id": "fp_0000000000000000",
    "via": "",
    "consent": "consent-2025-0000001",
}

if __name__ == "__main__":
    import json

    import django

    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps({"pipeline": _pipeline, "rows": _rows}[step](*arguments)))  # type: ignore[operator]  # noqa: T201 -- the answer to the parent
