"""Rejection: how many pictures of a folder would be enrolled, with each quality gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recognition.evaluation.pictures import each, pictures, seen
from recognition.results import DetectedFace, QualityReason

GATES = ("none", "standard", "strict")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Counts of pictures: all, with a face, and by gate those whose largest face would be enrolled."""

    pictures: int
    found: int
    enrolled: Mapping[str, int]
    reasons: Mapping[QualityReason, int]


def enrol_all(folder: Path, pack: str) -> Rejection:
    """Judge the largest face of each picture of a folder; `reasons` count the standard gate's."""
    files = pictures(folder)
    faces = [face for face in each(files, lambda file: _largest(file, pack)) if face]
    refused = [reason for face in faces for reason in face.quality.reasons]
    return Rejection(
        len(files),
        len(faces),
        {
            gate: sum(not face.quality.floor_reasons and not face.quality.failed(gate) for face in faces)
            for gate in GATES
        },
        {reason: refused.count(reason) for reason in QualityReason if reason in refused},
    )


def _largest(file: Path, pack: str) -> DetectedFace | None:
    image = seen(file, pack, embed=1)
    return image.faces[0] if image and image.faces else None
