"""manage.py evaluate verification|liveness|detection|orientation|quality|rejection|cohorts|… DIR: accuracy."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recognition import packs
from recognition.calibration.normalisation import FORMS
from recognition.evaluation import (
    cohorts,
    cohorts_report,
    detection,
    fusion,
    liveness,
    orientation,
    quality,
    quality_learning,
    rejection,
    verification,
)
from recognition.evaluation.metrics import area_under_curve, equal_error_rate, share_interval, true_accept_rates
from recognition.evaluation.pictures import pictures

_RATES = (1e-2, 1e-3, 1e-4, 1e-5)


class Command(BaseCommand):
    """Measure accuracy."""

    help = "Measure accuracy on labelled photographs."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the measure, the folder, the pack and what some measures take besides."""
        parser.add_argument("what", choices=self._measures())
        parser.add_argument("folder", type=Path, help="of pictures; cohorts also takes a file of templates")
        parser.add_argument("--pack", choices=packs.names(), default=packs.DEFAULT)
        parser.add_argument("--most", type=int, default=150, help="pictures or people, evenly chosen")
        parser.add_argument("--others", type=Path, help="learn-quality: a folder of pictures of what is not human")
        parser.add_argument("--threshold", type=float, help="of liveness, 0 to 1; the threshold of the pack by default")
        parser.add_argument("--margin", type=float, help="cut the pictures of liveness down to this share of the face")
        cohorts_report.add_arguments(parser)

    def handle(self, *, what: str, folder: Path, **options: Any) -> None:
        """Measure and print."""
        _require_pictures(what, folder)
        self._measures()[what](folder=folder, **options)

    def _measures(self) -> Mapping[str, Callable[..., None]]:
        return {
            "verification": self._verification,
            "liveness": self._liveness,
            "detection": self._detection,
            "orientation": self._orientation,
            "quality": self._quality,
            "rejection": self._rejection,
            "calibrate": self._calibrate,
            "learn-quality": self._learn_quality,
            "cohorts": self._cohorts,
            "fusion": self._fusion,
        }

    def _write(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _verification(self, *, folder: Path, pack: str, **_: Any) -> None:
        found = verification.compare_all(folder, pack)
        mean, deviation = verification.accuracy(found.pairs)
        genuine, impostor = found.genuine, found.impostor
        self.stdout.write(
            f"pack {pack}: {found.photographs} photographs, {found.missed} without a face, "
            f"{len(genuine):,} genuine and {len(impostor):,} impostor comparisons\n"
            f"accuracy {mean:.4f} ± {deviation:.4f} over {len(found.pairs)} folds of the protocol\n"
            f"AUC {area_under_curve(genuine, impostor):.5f}   "
            f"EER {equal_error_rate(genuine, impostor):.4f}"
        )
        for rate, accepted in zip(_RATES, true_accept_rates(genuine, impostor, _RATES), strict=True):
            self.stdout.write(f"TAR at FMR {rate:.0e}: {accepted:.4f}")

    def _liveness(self, *, folder: Path, pack: str, threshold: float | None, margin: float | None, **_: Any) -> None:
        least = packs.get(pack).liveness_threshold if threshold is None else threshold
        self._write(liveness.lines(liveness.present_all(folder, pack, margin), least))

    def _fusion(self, *, folder: Path, pack: str, **_: Any) -> None:
        self._write(fusion.lines(fusion.look(folder, pack)))

    def _cohorts(self, *, folder: Path, pack: str, **options: Any) -> None:
        given = (options["names"], options["reference"], options["collection"])
        self._write(cohorts_report.lines(folder, pack, *given, forms=options["forms"]))

    def _orientation(self, *, folder: Path, pack: str, most: int, **_: Any) -> None:
        rows, portraits = orientation.turn_all(folder, pack, most)
        self.stdout.write(f"pack {pack}: {portraits} portraits\ndegrees  found  matched  boxes elsewhere")
        for row in rows:
            self.stdout.write(f"{row.angle:>7}  {row.found:.3f}  {row.matched:7.3f}  {row.elsewhere:15.3f}")

    def _quality(self, *, folder: Path, pack: str, most: int, **_: Any) -> None:
        report = quality.spoil_all(folder, pack, most)
        self.stdout.write(f"pack {pack}: {report.pictures} portraits of different people")
        self.stdout.write(
            f"{'':24}  found  floor  standard  strict  matched  "
            "missed of accepted, expected  strangers at the default threshold"
        )
        for name, way in report.ways.items():
            self.stdout.write(
                f"{name:24}  {way.found:5.3f}  {way.floor:5.3f}  {way.standard:8.3f}  {way.strict:6.3f}  "
                f"{way.matched:7.3f}  {way.missed:6.3f}, {way.expected:.3f}  {way.strangers:.4f}"
            )
        shares = ", ".join(f"{share:.0%}" for share in quality.DISCARDED)
        self.stdout.write(f"missed among the usable after discarding {shares}:")
        for name, curve in report.discard.items():
            self.stdout.write(f"by {name:10}  " + "  ".join(f"{missed:.4f}" for missed in curve))

    def _detection(self, *, folder: Path, **_: Any) -> None:
        hits, noses, faces = detection.find_all(folder)
        self.stdout.write(f"recall {hits / noses:.4f} ({hits} of {noses} annotated faces; {faces} found)")

    def _rejection(self, *, folder: Path, pack: str, **_: Any) -> None:
        found = rejection.enrol_all(folder, pack)
        self.stdout.write(f"pack {pack}: {found.pictures} pictures, {found.found} with a face")
        for gate, count in found.enrolled.items():
            low, high = share_interval(count, found.pictures)
            share = count / max(1, found.pictures)
            self.stdout.write(f"enrolled, gate {gate:8}  {count:5}  {share:.4f} ({low:.4f} to {high:.4f})")
        for reason, count in found.reasons.items():
            self.stdout.write(f"refused by standard for {reason:15}  {count:5}")

    def _learn_quality(self, *, folder: Path, others: Path | None, pack: str, most: int, **_: Any) -> None:
        """Learn the expected miss and write it into the manifest; its levels and the floor stay."""
        learnt = quality_learning.learn(folder, others, pack, most)
        self.stdout.write(f"{learnt.faces} faces of {learnt.people} people, {learnt.others} of what is not human")
        values = {
            "length": f"{learnt.length:.2f}",
            "embedded": str(list(learnt.embedded)),
            "seen": str(list(learnt.seen)),
        }
        self._write_manifest(f"packs.{pack}.quality", values)

    def _calibrate(self, *, folder: Path, pack: str, **_: Any) -> None:
        """Measure the anchors of the pack's scale, plain and normalised, and write them into the manifest."""
        population = cohorts.Reference(next(cohorts.read(folder, pack)))
        values = {
            "cosines": _listed(population.plain_anchors()),
            "normalised": _listed(population.anchors(FORMS["mean"])),
            "mean": f'"{b64encode(population.mean.astype("<f2").tobytes()).decode()}"',
        }
        self._write_manifest(f"packs.{pack}", values)

    def _write_manifest(self, table: str, values: Mapping[str, str]) -> None:
        """Replace these values in a table of the manifest, and print them."""
        manifest = packs.MANIFEST.read_text(encoding="utf-8")
        for name, value in values.items():
            line = re.compile(rf"(\[{re.escape(table)}\]\n(?:.+\n)*?{name} = ).*")
            manifest = line.sub(rf"\g<1>{value}", manifest)
        packs.MANIFEST.write_text(manifest, encoding="utf-8")
        for name, value in values.items():
            self.stdout.write(f"{name} = {value}")


def _listed(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.3f}' for value in values)}]"


def _require_pictures(what: str, folder: Path) -> None:
    if not pictures(folder) and not (what == "cohorts" and folder.is_file()):
        message = f"{folder}: not a folder with pictures"
        raise CommandError(message)
