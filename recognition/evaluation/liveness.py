"""Liveness, measured on labelled presentations with the metrics of ISO/IEC 30107-3."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition import packs, pipeline
from recognition.evaluation.metrics import Scores, area_under_curve, equal_error_rate, share_shown
from recognition.evaluation.pictures import each, pictures
from recognition.pipeline import decode
from recognition.pipeline.orient import view
from recognition.results import Box, Liveness, Pixels, Verdict


@dataclass(frozen=True, slots=True)
class Presentations:
    """Liveness of bona fide presentations and of attacks by species. In `missed` pictures no face was found."""

    live: tuple[Liveness, ...]
    attacks: dict[str, tuple[Liveness, ...]]
    missed: int


def species_of(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures in `real/` (under "") and in `spoof/`, where a folder is one species of attack."""
    species: dict[str, list[Path]] = {"": pictures(folder / "real")}
    for file in pictures(folder / "spoof"):
        species.setdefault(file.parent.name, []).append(file)
    return species


def present_all(folder: Path, pack: str, margin: float | None = None) -> Presentations:
    """Judge the pictures in `real/` and `spoof/`; with a margin, cut down to it around the largest face."""
    found = {name: _liveness(files, pack, margin) for name, files in species_of(folder).items()}
    missed = sum(one is None for group in found.values() for one in group)
    kept = {name: tuple(one for one in group if one) for name, group in found.items()}
    return Presentations(kept.pop(""), kept, missed)


def lines(found: Presentations, threshold: float) -> Iterator[str]:
    """Yield the report: BPCER, and APCER by species, with 95 % intervals; "unsure" counts as refused."""
    live = scores(found.live)
    attacks = np.concatenate([scores(group) for group in found.attacks.values()])
    yield f"{len(live)} bona fide, {len(attacks)} attacks, {found.missed} pictures without a face"
    yield f"AUC {area_under_curve(live, attacks):.4f}   EER {equal_error_rate(live, attacks):.4f}"
    yield f"at threshold {threshold}, with 95 % intervals:"
    yield _line("BPCER", found.live, threshold, wrong=(Verdict.SPOOF, Verdict.UNSURE))
    for name, group in found.attacks.items():
        yield _line("APCER", group, threshold, wrong=(Verdict.LIVE,)) + f"  {name}"


def scores(group: Sequence[Liveness]) -> Scores:
    """Return the scores."""
    return np.array([one.score for one in group], np.float32)


def cut(pixels: Pixels, box: Box, margin: float) -> Pixels:
    """Return the part of the image within a margin around the box, as a share of its width and height."""
    height, width = pixels.shape[:2]
    left, top = max(0, int(box.x - margin * box.width)), max(0, int(box.y - margin * box.height))
    right = min(width, int(box.x + (1 + margin) * box.width) + 1)
    bottom = min(height, int(box.y + (1 + margin) * box.height) + 1)
    return pixels[top:bottom, left:right].copy()


def _line(rate: str, group: Sequence[Liveness], threshold: float, *, wrong: Sequence[Verdict]) -> str:
    verdicts = [one.verdict(threshold) for one in group]
    count, unsure = sum(verdict in wrong for verdict in verdicts), verdicts.count(Verdict.UNSURE)
    return f"{rate} {share_shown(count, len(group))}  ({count} of {len(group)}; unsure {unsure})"


def _liveness(files: Sequence[Path], pack: str, margin: float | None) -> list[Liveness | None]:
    """Return the liveness of the largest face of each picture; None without a face."""

    def of(file: Path) -> Liveness | None:
        data = file.read_bytes()
        if margin is not None:
            pixels = decode.decode(data)
            found = view(pixels, packs.get(pack).detector, 1).found
            if not found:
                return None
            data = cv2.imencode(".png", cut(pixels, found[0][0], margin))[1].tobytes()
        faces = pipeline.analyse(data, pack=pack, embed=0, liveness=1).faces
        return faces[0].liveness if faces else None

    return each(files, of)
