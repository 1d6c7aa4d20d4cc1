"""manage.py benchmark pipeline | index | console | http | import: measure speed and recall, against baselines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from collections_app.benchmarks import console as console_benchmark
from collections_app.benchmarks import http as http_benchmark
from collections_app.benchmarks import imports as import_benchmark
from collections_app.dialects import DIALECTS
from collections_app.samples import SAMPLES
from recognition import packs
from recognition.evaluation import index_benchmark, pipeline_benchmark
from recognition.packs import providers, sessions


class Command(BaseCommand):
    """Measure speed."""

    help = "Measure speed. Ratios compare methods that alternated in one run; p50 and p95 are nearest ranks."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to measure, and with which data."""
        what = parser.add_subparsers(dest="what", required=True)
        pipeline = what.add_parser("pipeline", help="from encoded image to template")
        pipeline.add_argument("--images", type=Path, default=SAMPLES, help="a folder")
        pipeline.add_argument("--pack", choices=packs.names(), default=packs.DEFAULT)
        pipeline.add_argument("--rounds", type=int, default=5)
        pipeline.add_argument("--provider", help="as in ONNX_PROVIDERS, for this run; default: the setting")
        index = what.add_parser("index", help="search among synthetic templates, beside NumPy")
        index.add_argument("--sizes", default="10k,100k", help="as in 10k,100k,1m")
        index.add_argument(
            "--dim", type=int, choices=[packs.get(name).dimension for name in packs.names()], default=128
        )
        index.add_argument("--kinds", nargs="+", choices=index_benchmark.KINDS, default=["default"])
        index.add_argument("--faces", nargs="+", type=int, default=index_benchmark.FACES, help="of each person")
        index.add_argument("--server", default="", help="postgresql://USER@HOST:PORT, for the kind pgvector")
        index.add_argument("--plot", type=Path, help="draw p95 against size to this SVG file (needs pygal)")
        console = what.add_parser("console", help="the console's lists and filters in one large collection")
        console.add_argument("--faces", default="100k", help="as in 10k, 100k, 1m")
        console.add_argument("--rounds", type=int, default=40, help="of each list")
        http = what.add_parser("http", help="searches and enrolments over HTTP, beside the pipeline alone")
        http.add_argument("--images", type=Path, default=SAMPLES, help="a folder of portraits")
        http.add_argument("--database", default="", help="postgresql://USER@HOST:PORT; default: SQLite")
        http.add_argument("--dialect", choices=[dialect.name for dialect in DIALECTS], default=DIALECTS[-1].name)
        http.add_argument("--connections", default="1,4,16,64", help="as in 1,4,16,64")
        http.add_argument("--seconds", type=float, default=5, help="of each turn")
        http.add_argument("--rounds", type=int, default=3)
        http.add_argument("--processes", default="0", help="of the server, as in 1,2,4; 0: as it starts by default")
        for name in ("faces", "collections", "entries"):
            http.add_argument(f"--{name}", default="0", help=f"another tenant with so many more {name}, as in 10k, 1m")
        imported = what.add_parser("import", help="a bulk import, beside the pipeline alone")
        imported.add_argument("--images", type=Path, default=SAMPLES, help="a folder of portraits")
        imported.add_argument("--database", default="", help="postgresql://USER@HOST:PORT; default: SQLite")
        imported.add_argument("--seconds", type=float, default=10, help="of each turn")
        imported.add_argument("--rounds", type=int, default=5)
        for way in (pipeline, index, console, http, imported):
            way.add_argument("--json", type=Path, help="write the figures to this file")

    def handle(self, *, what: str, **options: Any) -> None:
        """Measure, print, and write the JSON file."""
        ways: dict[str, Callable[..., Any]] = {
            "pipeline": self._pipeline,
            "index": self._index,
            "console": self._console,
            "http": self._http,
            "import": self._import,
        }
        figures = ways[what](**options)
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1), encoding="utf-8")

    def _pipeline(self, *, images: Path, pack: str, rounds: int, provider: str | None, **_: Any) -> dict[str, Any]:
        if provider:
            settings.ONNX_PROVIDERS = [provider]
        try:
            providers.require()
            ran = sessions.where(pack)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        files = [file.read_bytes() for file in sorted(images.rglob("*.jpg"))]
        stages = pipeline_benchmark.stages(files, packs.get(pack), rounds)
        times = pipeline_benchmark.compare(files, packs.get(pack), rounds)
        medians = {way: float(np.median(seconds)) for way, seconds in times.items()}
        figures: dict[str, Any] = {
            "pack": pack,
            "providers": ran,
            "images": len(files),
            "stages_ms": {
                stage: [round(index_benchmark.percentile(took, share), 2) for share in (50, 95)]
                for stage, took in stages.items()
            },
            "images_per_second": round(len(files) / medians["analyse"], 2),
            "bare_over_analyse": round(medians["bare"] / medians["analyse"], 3),
            "analyse_over_plain": round(medians["analyse"] / medians["plain"], 3),
        }
        self.stdout.write("\n".join(f"{model} runs on {', '.join(names)}" for model, names in ran.items()))
        self.stdout.write(f"{len(files)} images, pack {pack}, one thread\n{'stage':<12}{'p50 ms':>9}{'p95 ms':>9}")
        for stage, (half, most) in figures["stages_ms"].items():
            self.stdout.write(f"{stage:<12}{half:>9.2f}{most:>9.2f}")
        self.stdout.write(
            f"{figures['images_per_second']} images/s with liveness\n"
            f"bare loop over the same sessions / analyse: {figures['bare_over_analyse']}\n"
            f"analyse / plain way (640 x 640 detection, models as published): {figures['analyse_over_plain']}"
        )
        return figures

    def _index(
        self, *, sizes: str, dim: int, faces: list[int], kinds: list[str], server: str, plot: Path | None, **_: Any
    ) -> list[dict[str, Any]]:
        columns = {
            "p50 ms": "p50_ms",
            "p95 ms": "p95_ms",
            "calibrated p50": "calibrated_p50_ms",
            "rank 1": "rank1",
            "recall@10": "recall10",
            "build s": "build_s",
            "file MB": "file_mb",
            "own B/face": "private_bytes_a_face",
            "first open s": "open_first_s",
            "next open s": "open_next_s",
        }
        self.stdout.write("".join(f"{name:>15}" for name in ("faces", "a person", "kind", *columns)))
        measured = []
        for size in map(index_benchmark.number, sizes.split(",")):
            for each in faces:
                for kind in kinds:
                    row = index_benchmark.measure(size, dim, each, kind, server=server)
                    for name, figures in ((row["kind"], row), *row["baselines"].items()):
                        cells = (size, each, name, *(figures.get(column, "") for column in columns.values()))
                        self.stdout.write("".join(f"{cell!s:>15}" for cell in cells))
                    measured.append(row)
        if plot:
            plot.write_bytes(index_benchmark.plotted(measured))
        return measured

    def _console(self, *, faces: str, rounds: int, **_: Any) -> list[dict[str, Any]]:
        measured = console_benchmark.measure(index_benchmark.number(faces), rounds)
        self.stdout.write(f"{'page':<10}{'asked':<28}{'p50 ms':>9}{'p95 ms':>9}")
        for row in measured:
            self.stdout.write(f"{row['page']:<10}{row['asked']:<28}{row['p50_ms']:>9}{row['p95_ms']:>9}")
        return measured

    def _http(
        self, *, images: Path, database: str, dialect: str, connections: str, seconds: float, rounds: int, **more: Any
    ) -> dict[str, Any]:
        """Over 40 lines, which are one table."""
        columns = {
            "processes": "processes",
            "connections": "connections",
            "a second": "a_second",
            "/ analyse": "over_analyse",
            "/ bare": "over_bare",
            "p50 ms": "p50_ms",
            "p95 ms": "p95_ms",
            "p99 ms": "p99_ms",
            "p99 / p50": "p99_over_p50",
            "CPU ms": "cpu_ms",
            "- analyse": "cpu_beside_analyse_ms",
            "reads": "reads",
            "writes": "writes",
            "refused": "refused",
        }
        files = [file.resolve() for file in sorted(images.rglob("*.jpg"))]
        numbers, processes = (list(map(int, text.split(","))) for text in (connections, more["processes"]))
        figures = http_benchmark.measure(
            files,
            dialect=dialect,
            connections=numbers,
            seconds=seconds,
            rounds=rounds,
            server=database,
            processes=processes,
            growth={name: index_benchmark.number(more[name]) for name in ("faces", "collections", "entries")},
        )
        alone = figures["images_per_second"]
        self.stdout.write(
            f"{figures['images']} images, {dialect}, {'PostgreSQL' if database else 'SQLite'}; "
            "images/s of one process a core: "
            f"analyse {alone['analyse']} ({figures['analyse_cpu_ms']} ms of CPU each), bare loop {alone['bare']}\n"
            + "".join(f"{name:>12}" for name in ("", *columns))
        )
        for row in figures["http"]:
            cells = (row["action"], *(row[column] for column in columns.values()))
            self.stdout.write("".join(f"{cell!s:>12}" for cell in cells))
        told = {f"while {max(numbers)} connections search, {name}": row for name, row in figures["while_full"].items()}
        told |= {f"another tenant's search, {name}": row for name, row in figures["other_tenant"].items()}
        for name, row in told.items():
            self.stdout.write(f"{name}: {row['requests']} requests, p50 {row['p50_ms']} ms, p95 {row['p95_ms']} ms")
        return figures

    def _import(self, *, images: Path, database: str, seconds: float, rounds: int, **_: Any) -> dict[str, Any]:
        files = [file.resolve() for file in sorted(images.rglob("*.jpg"))]
        figures = import_benchmark.measure(files, seconds=seconds, rounds=rounds, server=database)
        self.stdout.write(
            f"{figures['images']} images, {'PostgreSQL' if database else 'SQLite'}, one process a core\n"
            f"analyse alone {figures['analyse_a_second']} images/s, import {figures['import_a_second']}\n"
            f"import / analyse: {figures['import_over_analyse']} (median of the turns)\n"
            f"MB of the largest worker, turn by turn: {figures['memory_mb']}"
        )
        return figures
