"""manage.py size --faces N --searches-per-second R [--pack P]: measure this machine, and say what a gallery needs."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from collections_app.benchmarks import size
from collections_app.benchmarks.sizing import BUSY, ROOM, Measured, Plan, plan
from collections_app.dialects import DIALECTS
from recognition import packs
from recognition.evaluation.index_benchmark import number

_MOST_FACES = 100_000_000
_GB = 1e9


def _faces(word: str) -> int:
    try:
        faces = number(word)
    except ValueError:
        faces = 0
    if not 0 < faces <= _MOST_FACES:
        message = f"{word!r} is no number of faces from 1 to {_MOST_FACES:,}, such as 50k or 1m"
        raise ArgumentTypeError(message)
    return faces


def _sizes(word: str) -> tuple[int, int]:
    few, _, many = word.partition(",")
    if not _faces(few) < _faces(many):
        message = f"{word!r} are not a smaller and a larger number of faces"
        raise ArgumentTypeError(message)
    return _faces(few), _faces(many)


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        message = f"{word!r} is no number of searches a second above 0"
        raise ArgumentTypeError(message)
    return rate


class Command(BaseCommand):
    """Size an installation."""

    help = "Measure this machine for a minute, and say what cores, memory, disk and hosts a gallery needs, and why."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the gallery and its load."""
        parser.add_argument("--faces", type=_faces, required=True, help="as in 50k or 1m")
        parser.add_argument("--searches-per-second", type=_rate, required=True, dest="rate")
        parser.add_argument("--pack", choices=packs.names(), default=packs.DEFAULT)
        parser.add_argument("--seconds", type=float, default=5, help="of each turn of pipeline and web server")
        parser.add_argument("--sizes", type=_sizes, default=(), help="of the galleries to measure, as in 50k,200k")
        parser.add_argument("--json", type=Path, help="write the figures to this file")

    def handle(self, *, faces: int, rate: float, pack: str, **options: Any) -> None:
        """Measure, reckon and print."""
        found = size.measure(faces, pack, seconds=options["seconds"], sizes=options["sizes"], dialect=DIALECTS[-1].name)
        needs = plan(found, faces, rate)
        self.stdout.write("\n".join(_told(found, needs, faces, rate)))
        if options["json"]:
            both = {"faces": faces, "searches_per_second": rate, "measured": asdict(found), "plan": asdict(needs)}
            options["json"].write_text(json.dumps(both, indent=1), encoding="utf-8")


def _told(found: Measured, needs: Plan, faces: int, rate: float) -> list[str]:
    """Return the figures with the arithmetic."""
    (few, many), line = found.sizes, found.index_ms
    own, shared, process = (_mb(n) for n in (needs.own_bytes, needs.shared_bytes, found.process_bytes))
    memory = f"{found.processes} processes x ({process} + {own} of the index) + 2 x {shared} of open segments"
    alone, index = found.search_p95_ms, found.index_p95_ms.of(faces)
    parts = f"{found.pipeline_ms:.1f} + {found.http_ms:.1f} + {needs.index_ms:.1f}"
    return [
        f"Measured here: {found.cores} cores, {_mb(found.memory_bytes)}, pack {found.pack}",
        f"  decode    {found.decode_ms:8.1f} ms of an image",
        f"  pipeline  {found.pipeline_ms:8.1f} ms of CPU, decoding included",
        f"  HTTP      {found.http_ms:8.1f} ms of CPU: request, database, search log, audit log",
        f"  index     {line.of(few):8.2f} ms at {few:,} faces, {line.of(many):.2f} ms at {many:,}",
        f"  database  {found.row_bytes:8,.0f} bytes of a face with its person and template",
        "",
        f"For {faces:,} faces and {rate:g} searches a second:",
        f"  index     {line.at:.2f} + {line.each * 1e6:.2f} x {faces / 1e6:g} million = {needs.index_ms:.1f} ms",
        f"  a search  {parts} = {needs.search_ms:.1f} ms of CPU",
        f"  cores     {rate:g} x {needs.search_ms:.1f} ms / {BUSY:g} busy: {needs.cores}",
        f"  hosts     {needs.cores} cores / {needs.cores_a_host} like here: {needs.hosts}",
        f"  memory    ({memory} + {_mb(found.decoding_bytes)} for decoding) / {ROOM:g}: {_mb(needs.memory_bytes)} each",
        f"  disk      {_mb(needs.database_bytes)} of database + {_mb(needs.index_bytes)} of index, without images",
        f"  p95       {alone:.0f} alone + {index:.0f} index + {needs.wait_p95_ms:.0f} waiting = {needs.p95_ms:.0f} ms",
    ]


def _mb(count: float) -> str:
    return f"{count / _GB:,.1f} GB" if count >= _GB else f"{count / 1e6:,.0f} MB"
