"""The commands that measure accuracy, on a few photographs."""

import io
from pathlib import Path

from django.core.management import call_command

from collections_app.samples import SAMPLES


def _evaluate(what: str, folder: Path, **options: object) -> str:
    out = io.StringIO()
    call_command("evaluate", what, str(folder), stdout=out, **options)
    return out.getvalue()


def test_quality_shows_what_is_refused_and_what_is_missed() -> None:
    head, _, *rows = _evaluate("quality", SAMPLES, most=3).splitlines()
    assert head == "pack light: 3 portraits of different people"
    whole = next(row for row in rows if row.startswith("as it is")).removeprefix("as it is").split()
    assert whole[:5] == ["1.000", "0.000", "0.000", whole[3], "1.000"]
    upper = next(row for row in rows if row.startswith("upper half")).removeprefix("upper half").split()
    assert upper[:3] == ["1.000", "1.000", "1.000"]
    assert [row.split()[1] for row in rows if row.startswith("by ")] == [
        "expected",
        "length",
        "sharpness",
        "confidence",
    ]


def test_a_portrait_is_found_and_matched_at_every_angle() -> None:
    head, _, *rows = _evaluate("orientation", SAMPLES, most=2).splitlines()
    assert head.startswith("pack light: 2 portraits")
    assert [row.split()[0] for row in rows] == [str(angle) for angle in range(0, 360, 15)]
    assert all(row.split()[1:] == ["1.000", "1.000", "0.000"] for row in rows)
