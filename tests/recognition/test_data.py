"""The published figures, on data that only some machines have (FACEPLANE_TEST_DATA)."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from collections_app.samples import SAMPLES
from recognition.errors import RecognitionError
from recognition.evaluation import detection, liveness
from recognition.evaluation.metrics import equal_error_rate
from recognition.pipeline import analyse

SECONDS = 2.0


def resident() -> int:
    """Megabytes of memory that the process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20


def test_hostile_files_cost_bounded_time_and_memory(data: Path) -> None:
    analyse(next(SAMPLES.glob("*.jpg")).read_bytes(), liveness=1)
    before = resident()
    for file in sorted((data / "robustness").iterdir()):
        started = time.process_time()
        with suppress(RecognitionError):
            analyse(file.read_bytes(), embed=1, liveness=1)
        assert time.process_time() - started < SECONDS, file.name
    assert resident() - before < 200


@pytest.mark.parametrize("name", ["exif_o6_solo1.jpg", "exif_o8_solo1.jpg", "exif_o3_solo1.jpg"])
def test_a_turned_photograph_shows_its_face_upright(data: Path, name: str) -> None:
    (face,) = analyse((data / "robustness" / name).read_bytes(), embed=0).faces
    assert abs(face.pose.roll) < 15


def test_a_mosaic_is_full_of_faces(data: Path) -> None:
    mosaic = (data / "robustness" / "mosaic_300_faces_2400x1800.jpg").read_bytes()
    assert len(analyse(mosaic, embed=0).faces) == 100


def test_faces_in_groups_are_found(data: Path) -> None:
    hits, noses, _ = detection.find_all(data / "groups")
    assert hits / noses >= 0.98


def test_printed_photographs_are_told_from_people(data: Path) -> None:
    seen = liveness.present_all(data / "liveness", "light")
    (attacks,) = seen.attacks.values()
    assert equal_error_rate(liveness.scores(seen.live), liveness.scores(attacks)) <= 0.01
