"""Liveness, measured on labelled presentations with the metrics of ISO/IEC 30107-3."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition import pipeline
from recognition.evaluation.metrics import Scores
from recognition.evaluation.pictures import each, pictures


@dataclass(frozen=True, slots=True)
class Presentations:
    """Liveness scores of bona fide presentations and of attacks by species. In `missed` pictures no face was found."""

    live: Scores
    attacks: dict[str, Scores]
    missed: int


def present_all(folder: Path, pack: str) -> Presentations:
    """Score the pictures in `real/` and `spoof/`; a folder within `spoof/` is one species of attack."""
    species: dict[str, list[Path]] = {}
    for file in pictures(folder / "spoof"):
        species.setdefault(file.parent.name, []).append(file)
    live = _liveness(pictures(folder / "real"), pack)
    attacks = {name: _liveness(files, pack) for name, files in species.items()}
    missed = sum(int(np.isnan(scores).sum()) for scores in (live, *attacks.values()))
    kept = {name: scores[~np.isnan(scores)] for name, scores in attacks.items()}
    return Presentations(live[~np.isnan(live)], kept, missed)


def _liveness(files: Sequence[Path], pack: str) -> Scores:
    """Return the score of the largest face of each picture; NaN without a face."""
    seen = each(files, lambda file: pipeline.analyse(file.read_bytes(), pack=pack, embed=1, liveness=1))
    faces = [image.faces[0] if image.faces else None for image in seen]
    return np.array([face.liveness.score if face and face.liveness else np.nan for face in faces], np.float32)
