"""Detection, measured on annotated group photographs."""

import json
from pathlib import Path

from recognition import pipeline
from recognition.evaluation.pictures import each
from recognition.results import DetectedFace


def find_all(folder: Path) -> tuple[int, int, int]:
    """Detect in the pictures of `annotations.json`; return noses inside a found face, all noses, and faces found."""
    noses = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))["noses_xy"]
    seen = each([folder / name for name in noses], lambda file: pipeline.analyse(file.read_bytes(), embed=0))
    hits = 0
    for marks, image in zip(noses.values(), seen, strict=True):
        hits += sum(any(_holds(face, x, y) for face in image.faces) for x, y in marks)
    return hits, sum(map(len, noses.values())), sum(len(image.faces) for image in seen)


def _holds(face: DetectedFace, x: float, y: float) -> bool:
    box = face.box
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height
