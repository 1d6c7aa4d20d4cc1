"""manage.py benchmark pipeline: how fast, per stage and against two yardsticks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from recognition import packs, pipeline_benchmark


class Command(BaseCommand):
    """Measure speed."""

    help = "Measure speed; ratios are between ways that took turns in one run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask what to measure, and on what."""
        what = parser.add_subparsers(dest="what", required=True)
        pipeline = what.add_parser("pipeline", help="from encoded image to template")
        pipeline.add_argument("--images", type=Path, default=settings.BASE_DIR / "tests" / "images", help="a folder")
        pipeline.add_argument("--pack", choices=packs.names(), default=packs.DEFAULT)
        pipeline.add_argument("--rounds", type=int, default=5)
        pipeline.add_argument("--json", type=Path, help="write the figures to this file")

    def handle(self, *, what: str, **options: Any) -> None:
        """Measure, print, and write."""
        figures = {"pipeline": self._pipeline}[what](**options)
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1), encoding="utf-8")

    def _pipeline(self, *, images: Path, pack: str, rounds: int, **_: Any) -> dict[str, Any]:
        files = [file.read_bytes() for file in sorted(images.rglob("*.jpg"))]
        stages = pipeline_benchmark.stages(files, packs.get(pack), rounds)
        times = pipeline_benchmark.compare(files, packs.get(pack), rounds)
        medians = {way: float(np.median(seconds)) for way, seconds in times.items()}
        figures: dict[str, Any] = {
            "pack": pack,
            "images": len(files),
            "stages_ms": {stage: np.percentile(took, (50, 95)).round(2).tolist() for stage, took in stages.items()},
            "images_per_second": round(len(files) / medians["analyse"], 2),
            "bare_over_analyse": round(medians["bare"] / medians["analyse"], 3),
            "analyse_over_plain": round(medians["analyse"] / medians["plain"], 3),
        }
        self.stdout.write(f"{len(files)} images, pack {pack}, one thread\n{'stage':<12}{'p50 ms':>9}{'p95 ms':>9}")
        for stage, (half, most) in figures["stages_ms"].items():
            self.stdout.write(f"{stage:<12}{half:>9.2f}{most:>9.2f}")
        self.stdout.write(
            f"{figures['images_per_second']} images/s with liveness\n"
            f"bare loop over the same sessions / analyse: {figures['bare_over_analyse']}\n"
            f"analyse / plain way (640 x 640 detection, models as published): {figures['analyse_over_plain']}"
        )
        return figures
