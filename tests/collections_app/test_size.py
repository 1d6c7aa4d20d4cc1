"""What `manage.py size` reckons, and whether a larger gallery is as it says."""

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from collections_app.benchmarks import size
from collections_app.benchmarks.sizing import BUSY, Line, Measured, plan, waiting_ms
from recognition.evaluation import index_benchmark

MEASURED = Measured(
    cores=4,
    memory_bytes=16_000_000_000,
    pack="light",
    decode_ms=4,
    pipeline_ms=36,
    http_ms=14,
    search_p95_ms=80,
    sizes=(50_000, 200_000),
    index_ms=Line(0.5, 9.5e-6),
    index_p95_ms=Line(1, 1e-5),
    own_bytes=Line(0, 63),
    shared_bytes=Line(0, 140),
    own_limit_bytes=512_000_000,
    row_bytes=3_000,
    process_bytes=300_000_000,
    decoding_bytes=800_000_000,
    processes=5,
)


def test_the_arithmetic_of_a_million_faces() -> None:
    needs = plan(MEASURED, 1_000_000, 100)
    assert needs.search_ms == pytest.approx(36 + 14 + 10)
    assert needs.cores == math.ceil(100 * 0.060 / BUSY) == 9
    assert needs.hosts == 3
    assert needs.memory_bytes == pytest.approx((5 * 363e6 + 2 * 140e6 + 800e6) / 0.8)
    assert (needs.database_bytes, needs.index_bytes) == (3e9, 140e6)
    assert needs.p95_ms == pytest.approx(80 + 11 + needs.wait_p95_ms)
    assert plan(MEASURED, 100_000_000, 1).own_bytes == 512_000_000


def test_a_line_neither_falls_nor_begins_below_zero() -> None:
    assert Line.through((10, 3.0), (20, 5.0)) == Line(1.0, 0.2)
    assert Line.through((10, 5.0), (20, 5.0)) == Line.through((10, 6.0), (20, 5.0)) == Line(5.0, 0.0)
    assert Line.through((10, 0.0), (20, 5.0)) == Line(0.0, 0.25)


def test_waiting_is_that_of_a_queue_with_several_servers() -> None:
    """One server at half its load: 95 of 100 wait less than ln(.5 / .05) / (20 - 10) seconds, of Erlang C."""
    assert waiting_ms(1, 10, 50) == pytest.approx(math.log(10) / 10 * 1000)
    assert waiting_ms(8, 10, 50) == 0
    assert waiting_ms(2, 40, 50) == math.inf


def test_numbers_that_are_none_are_refused() -> None:
    for faces, rate in (("none", "1"), ("0", "1"), ("200m", "1"), ("1k", "0"), ("1k", "nan"), ("1k", "x")):
        with pytest.raises(CommandError, match="is no number"):
            call_command("size", f"--faces={faces}", f"--searches-per-second={rate}")


def test_the_database_of_a_larger_gallery_is_as_a_smaller_one_says(tmp_path: Path) -> None:
    """What takes room on disk, which no other work on the machine changes: 8,000 faces from 2,000."""
    found = _measured(tmp_path, "2k")
    real = index_benchmark.run_in(str(tmp_path), size.__name__, "rows", "light", 8_000)
    assert found["measured"]["row_bytes"] == pytest.approx(real["row_bytes"], rel=0.25)
    assert found["plan"]["database_bytes"] == pytest.approx(2_000 * real["row_bytes"], rel=0.25)


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a million faces, and a quiet machine: make soak")
def test_a_measured_million_is_within_a_quarter_of_what_is_said(tmp_path: Path) -> None:
    figures = _measured(tmp_path, "1m")
    real = index_benchmark.measure(1_000_000, 128, 2, "default")
    said = figures["plan"]
    assert said["index_ms"] == pytest.approx(real["p50_ms"], rel=0.25)
    assert said["index_bytes"] == pytest.approx(real["file_mb"] * 1e6, rel=0.25)
    assert said["own_bytes"] == pytest.approx(real["private_bytes_a_face"] * 1e6, rel=0.25)


def _measured(folder: Path, faces: str, *more: str) -> dict[str, Any]:
    file, said = folder / "size.json", io.StringIO()
    words = ["--faces", faces, "--searches-per-second", "5", "--seconds", ".5", "--json", str(file), *more]
    call_command("size", *words, stdout=said)
    assert f"p95       {json.loads(file.read_text())['measured']['search_p95_ms']:.0f} alone" in said.getvalue()
    figures: dict[str, Any] = json.loads(file.read_text())
    return figures
