"""The segments that read every row: what they find, and what they cost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from django.conf import settings

from recognition.index import exact
from recognition.index.scan import Flat, Scan
from tests.index.gallery import people, unit

ALL = -2.0


Kind = TypeVar("Kind", Flat, Scan)


def written(kind: type[Kind], vectors: np.ndarray) -> Kind:
    """Return the searched part of a segment of these rows."""
    content = b"".join(kind.parts(vectors, int))
    return kind(memoryview(content), *vectors.shape)


def galleries() -> list[np.ndarray]:
    """Return rows that are hard to tell apart, or hard to round to bytes."""
    random = np.random.default_rng(1)
    spread = people(random, 400, 5)
    axes = unit(random.standard_normal((1000, 128)) * np.exp(-np.arange(128) / 8))
    twins = unit(spread[:1] + random.standard_normal((1500, 128)) * 1e-4)
    spikes = unit(np.eye(128)[random.integers(0, 128, 700)] + random.standard_normal((700, 128)) * 1e-3)
    return [spread, axes, twins, spikes, people(random, 500, 3, width=640), spread[:3]]


@pytest.mark.parametrize("vectors", galleries(), ids=["people", "few axes", "twins", "spikes", "640-d", "three"])
def test_flat_answers_as_a_full_comparison_does(vectors: np.ndarray) -> None:
    """100 probes per gallery, each with its own limit, floor and removed rows: every answer is the exact one."""
    random, flat = np.random.default_rng(2), written(Flat, vectors)
    for trial in range(100):
        probe = unit(vectors[random.integers(len(vectors))] + random.standard_normal(vectors.shape[1]) * 0.08)
        dead = np.flatnonzero(random.random(len(vectors)) < trial % 3 / 4)
        limit, floor = int(random.choice([1, 16, 32, len(vectors)])), float(random.choice([ALL, 0.0, 0.5]))
        alive = np.delete(vectors @ probe, dead)
        right = np.sort(alive[exact.best(alive, limit, floor)]) if len(alive) else alive
        rows, cosines = flat.search(probe, limit, floor, dead)
        assert not np.isin(rows, dead).any()
        np.testing.assert_allclose(np.sort(cosines), right, atol=1e-6)
        np.testing.assert_allclose(vectors[rows] @ probe, cosines, atol=1e-6)


def test_a_scan_finds_as_many_as_were_asked_for_while_any_live() -> None:
    vectors = people(np.random.default_rng(3), 10_000, 4)
    scan = written(Scan, vectors)
    for alive in (0, 5, 40, 1_000, 39_000):
        dead = np.random.default_rng(alive).permutation(len(vectors))[alive:]
        rows, _ = scan.search(vectors[7], 32, 8, dead)
        assert len(rows) == min(32, alive)
        assert not np.isin(rows, dead).any()


def test_a_larger_limit_reads_more_rows() -> None:
    """Recall does not fall with the limit; 60,000 evenly spread rows are the hardest for a scan."""
    random = np.random.default_rng(5)
    vectors = unit(random.standard_normal((60_000, 128), dtype=np.float32))
    scan = written(Scan, vectors)
    for limit in (32, 122, 1022):
        shares = []
        for probe in unit(random.standard_normal((10, 128))):
            rows, _ = scan.search(probe, limit, 256, np.zeros(0, dtype=np.int64))
            shares.append(len({*rows} & {*np.argsort(vectors @ probe)[-limit:]}) / limit)
        assert np.mean(shares) > 0.95


CHILD = """
import json, mmap, sys
from pathlib import Path
import django
django.setup()
from recognition.index.scan import Scan
from recognition.evaluation.index_benchmark import anonymous_bytes
import numpy as np
rows = int(sys.argv[2])
file = Path(sys.argv[1]).open("rb")
before = anonymous_bytes()
scan = Scan(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), rows, 128)
scan.search(np.ones(128, dtype=np.float32) / 128**0.5, 32, 64, np.zeros(0, dtype=np.int64))
print(json.dumps([(anonymous_bytes() - before) / rows, scan.private_bytes / rows]))
"""


def test_a_scan_costs_another_process_little(tmp_path: Path) -> None:
    """At most 80 private bytes per face at 128-d, counted by the kernel; the rest is the shared file."""
    rows, path = 400_000, tmp_path / "segment"
    vectors = unit(np.random.default_rng(4).standard_normal((rows, 128), dtype=np.float32))
    with path.open("wb") as file:
        file.writelines(Scan.parts(vectors, int))
    command = [sys.executable, "-c", CHILD, str(path), str(rows)]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)
    measured, answered = json.loads(done.stdout)
    assert measured <= 80
    assert answered <= 80
