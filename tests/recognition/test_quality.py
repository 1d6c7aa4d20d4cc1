"""One number says what a face is worth, and a second opinion whether it is one of a human."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.management import call_command

from collections_app.samples import SAMPLES
from recognition import packs
from recognition.pipeline import analyse
from recognition.pipeline.align import align
from recognition.pipeline.decode import decode
from recognition.pipeline.detect import _suffices
from recognition.pipeline.orient import view
from recognition.pipeline.quality import judge
from recognition.pipeline.second_opinion import Opinion, ask
from recognition.results import Box, DetectedFace, Quality, QualityReason
from tests.make import encoded, portrait

LIGHT = packs.get("light")


@pytest.fixture(scope="module")
def face() -> DetectedFace:
    (found,) = analyse(portrait("sunak")).faces
    return found


def judged(face: DetectedFace, *, length: float | None = None, opinion: Opinion | None = None) -> Quality:
    """Judge the portrait as if its vector had this length, and the second model this opinion."""
    pixels = decode(portrait("sunak"))
    aligned = align(pixels, face.landmarks)
    size = pixels.shape[1::-1]
    return judge(
        aligned, face.box, face.confidence, face.pose, size, model=LIGHT.quality, length=length, opinion=opinion
    )


def test_the_shorter_the_vector_the_more_misses_are_expected(face: DetectedFace) -> None:
    misses = [judged(face, length=length).expected_miss or 0 for length in (14, 12, 11, 10, 9)]
    assert misses == sorted(misses)
    assert misses[0] < 0.02
    assert misses[-1] > 0.2
    assert judged(face, length=9).reasons == (QualityReason.UNRECOGNISABLE,)
    assert face.quality.length is not None
    assert judged(face, length=face.quality.length).expected_miss == face.quality.expected_miss


def test_without_a_vector_and_without_a_model_nothing_is_said_of_it(face: DetectedFace) -> None:
    assert 0 < (judged(face).expected_miss or 0) < 0.1
    aligned = align(decode(portrait("sunak")), face.landmarks)
    unknown = judge(aligned, face.box, 0.5, face.pose, (9999, 9999), model=None, length=0.1)
    assert (unknown.expected_miss, unknown.strict_reasons, unknown.floor_reasons) == (None, (), ())


def test_what_the_second_model_does_not_take_for_a_human_is_below_the_floor(face: DetectedFace) -> None:
    surely_not = judged(face, length=10.3, opinion=Opinion(0.1, 0.2))
    assert surely_not.floor_reasons == (QualityReason.NOT_HUMAN,)
    hardly = judged(face, length=10.3, opinion=Opinion(0.4, 0.2))
    assert (hardly.floor_reasons, hardly.reasons) == ((), (QualityReason.NOT_HUMAN,))
    assert judged(face, length=13.0, opinion=Opinion(0.85, 0.1)).strict_reasons == ()


@pytest.mark.parametrize("scale", [1, 4])
def test_the_second_model_knows_a_portrait_and_where_its_landmarks_are(face: DetectedFace, scale: int) -> None:
    assert LIGHT.second_opinion is not None
    pixels, box = decode(portrait("sunak"))[::scale, ::scale], face.box
    smaller = Box(box.x / scale, box.y / scale, box.width / scale, box.height / scale)
    asked = ask(
        np.ascontiguousarray(pixels), smaller, (face.landmarks / scale).astype(np.float32), LIGHT.second_opinion
    )
    assert asked.confidence > 0.7
    assert asked.disagreement < 0.2
    elsewhere = replace(smaller, x=0, y=0, width=box.width / scale / 3, height=box.height / scale / 3)
    assert (
        ask(
            np.ascontiguousarray(pixels), elsewhere, (face.landmarks / scale).astype(np.float32), LIGHT.second_opinion
        ).confidence
        < 0.3
    )


def test_a_pack_s_weights_are_learnt_into_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("macron_2014", "macron_2025"):
        target = tmp_path / "pictures" / "macron" / f"{name}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(portrait(name))
    manifest = tmp_path / "packs.toml"
    manifest.write_text(packs.MANIFEST.read_text())
    monkeypatch.setattr(packs, "MANIFEST", manifest)
    out = io.StringIO()
    call_command("evaluate", "learn-quality", str(tmp_path / "pictures"), others=SAMPLES.parent / "none", stdout=out)
    packs.read_again()
    learnt = packs.get("light").quality
    packs.read_again()
    assert LIGHT.quality is not None
    assert learnt is not None
    assert "of 1 people, 0 of what is not human" in out.getvalue()
    assert (learnt.floor, learnt.standard) == (LIGHT.quality.floor, LIGHT.quality.standard)
    assert learnt.length != LIGHT.quality.length
    assert len(learnt.embedded) == len(LIGHT.quality.embedded) == len(learnt.seen)


def test_a_dark_portrait_is_seen_with_its_levels_spread(face: DetectedFace) -> None:
    dark = (decode(portrait("sunak")) * 0.03).astype(np.uint8)
    (found,) = analyse(encoded(dark[..., ::-1], "PNG")).faces
    assert found.confidence > 0.9
    assert float(found.template @ face.template) > 0.7


@pytest.mark.parametrize("name", ["ardern_2018", "ardern_2022"])
def test_a_portrait_that_light_has_burnt_to_white_is_found(name: str) -> None:
    """The detector alone does not find it, and an empty white page has no face."""
    pixels = np.clip(decode(portrait(name)) * 6.0, 0, 255).astype(np.uint8)
    assert LIGHT.second_opinion is not None
    assert view(pixels, LIGHT.detector, 5).found == []
    (face,) = analyse(encoded(pixels[..., ::-1], "PNG")).faces
    assert QualityReason.TOO_BRIGHT in face.quality.failed("standard")
    assert analyse(encoded(np.full((200, 200, 3), 255, np.uint8), "PNG")).faces == ()


@pytest.mark.parametrize("side", [16, 24])
def test_a_small_face_is_found(face: DetectedFace, side: int) -> None:
    scale = side / face.box.side
    small = cv2.resize(decode(portrait("sunak")), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (found,) = analyse(encoded(small[..., ::-1], "PNG")).faces
    assert float(found.template @ face.template) > 0.427


def test_a_small_face_in_a_large_image_is_found(face: DetectedFace) -> None:
    scale = 20 / face.box.side
    small = cv2.resize(decode(portrait("sunak")), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    scene = np.full((900, 1280, 3), 100, np.uint8)
    scene[600 : 600 + len(small), 900 : 900 + small.shape[1]] = small
    (found,) = analyse(encoded(scene[..., ::-1], "PNG")).faces
    assert abs(found.box.x - 900 - face.box.x * scale) < 5
    assert float(found.template @ face.template) > 0.427


def test_a_look_suffices_only_without_doubt_about_a_face_as_large() -> None:
    def look(*boxes: tuple[float, float]) -> bool:
        """Return whether it suffices to see faces, apart from each other, with these sides and confidences."""
        places = [(500.0 * at, 0.0, side, side, sure) for at, (side, sure) in enumerate(boxes)]
        return _suffices(np.array(places, np.float32))

    assert look((100, 0.92))
    assert not look((100, 0.6))
    assert not look((100, 0.92), (100, 0.2))
    assert look((100, 0.92), (50, 0.2))
    assert not look((100, 0.92), (20, 0.4))
    assert not look((100, 0.92), (300, 0.2))


def test_a_face_at_the_edge_that_is_the_largest_is_found(data: Path) -> None:
    faces = analyse((data / "cases" / "selfie_edge.jpg").read_bytes(), embed=0).faces
    assert len(faces) >= 6
    assert faces[0].box.height > 300


def test_dogs_are_not_enrolled(data: Path) -> None:
    for name in ("dog_a.jpg", "dog_b.jpg"):
        for found in analyse((data / "cases" / name).read_bytes()).faces:
            assert QualityReason.NOT_HUMAN in found.quality.reasons
