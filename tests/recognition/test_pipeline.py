"""Real models on real photographs. Longer than 300 lines: they share the photographs and what is seen in them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from collections_app.samples import SAMPLES
from recognition import packs
from recognition.errors import UndecodableImage, UnknownPack
from recognition.images import ImageLimits
from recognition.pipeline import analyse, orient
from recognition.pipeline.decode import decode
from recognition.pipeline.detect import detect
from recognition.pipeline.embed import embed
from recognition.results import Box, DetectedFace, QualityReason
from recognition.similarity import DEFAULT
from tests.make import half_face
from tests.recognition.conftest import Encode

Portrait = Callable[[str], bytes]
PEOPLE = ("ardern_2018", "ardern_2022", "macron_2014", "macron_2025", "obama", "sunak")


def only(data: bytes, **options: object) -> DetectedFace:
    """The one face of an image."""
    (face,) = analyse(data, **options).faces  # type: ignore[arg-type]
    return face


def template(data: bytes, **options: object) -> np.ndarray:
    vector = only(data, **options).embedding
    assert vector is not None
    return vector


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(wide, 0) * max(high, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def beside(*names: str) -> Image.Image:
    """Portraits side by side, each 320 pixels high."""
    pictures = [ImageOps.contain(Image.open(SAMPLES / f"{name}.jpg"), (9999, 320)) for name in names]
    row = Image.new("RGB", (sum(picture.width for picture in pictures), 320))
    for place, picture in enumerate(pictures):
        row.paste(picture, (sum(before.width for before in pictures[:place]), 0))
    return row


@pytest.mark.parametrize("pack", packs.names())
def test_each_person_is_nearer_to_themselves_than_to_anybody(portrait: Portrait, pack: str) -> None:
    vectors = np.stack([template(portrait(name), pack=pack) for name in PEOPLE])
    cosines = vectors @ vectors.T
    people = np.array([name.split("_")[0] for name in PEOPLE])
    same = (people[:, None] == people) & ~np.eye(len(people), dtype=bool)
    threshold = DEFAULT.on(packs.get(pack).similarity)
    assert cosines[same].min() > threshold > cosines[people[:, None] != people].max()


@pytest.mark.parametrize("pack", packs.names())
def test_a_template_is_a_unit_vector_of_its_packs_space(portrait: Portrait, pack: str) -> None:
    vector = template(portrait("obama"), pack=pack)
    assert vector.dtype == np.float32
    assert vector.shape == (packs.get(pack).dimension,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_joined_cosine_is_the_mean_of_its_embedders_cosines(portrait: Portrait) -> None:
    one, other = (template(portrait(name), pack="accurate") for name in ("macron_2014", "macron_2025"))
    first = packs.get("light").dimension
    parts = [2 * float(one[part] @ other[part]) for part in (slice(first), slice(first, None))]
    assert float(one @ other) == pytest.approx(np.mean(parts), abs=1e-5)
    light = [template(portrait(name)) for name in ("macron_2014", "macron_2025")]
    assert parts[0] == pytest.approx(float(light[0] @ light[1]), abs=1e-4)


def test_the_same_image_gives_the_same_answer(portrait: Portrait) -> None:
    first, second = (only(portrait("sunak"), liveness=1) for _ in range(2))
    assert first.box == second.box
    assert first.pose == second.pose
    assert first.liveness == second.liveness
    assert np.array_equal(first.embedding, second.embedding)  # type: ignore[arg-type]


def test_threads_share_the_models(portrait: Portrait) -> None:
    exclusive = [template(portrait(name)) for name in PEOPLE]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: template(portrait(name)), PEOPLE))
    assert np.array_equal(exclusive, together)


@pytest.mark.parametrize("pack", packs.names())
def test_a_batch_embeds_like_its_faces_one_by_one(pack: str) -> None:
    aligned = [np.asarray(Image.open(SAMPLES / f"{name}.jpg").resize((112, 112))) for name in PEOPLE] * 3
    one_by_one = np.concatenate([embed({112: [face]}, packs.get(pack))[0] for face in aligned])
    assert np.allclose(embed({112: aligned}, packs.get(pack))[0], one_by_one, atol=1e-5)


def test_no_faces_embed_to_no_rows() -> None:
    assert embed({112: []}, packs.get("accurate"))[0].shape == (0, 352)


def test_faces_come_largest_first_and_as_many_as_asked_for_are_embedded(encoded: Encode) -> None:
    group = encoded(beside("obama", "sunak", "ardern_2018"))
    faces = analyse(group, embed=1, liveness=1).faces
    areas = [face.box.width * face.box.height for face in faces]
    assert len(faces) == 3
    assert areas == sorted(areas, reverse=True)
    assert [face.embedding is not None for face in faces] == [True, False, False]
    assert [face.liveness is not None for face in faces] == [True, False, False]
    assert all(face.embedding is None for face in analyse(group, embed=0).faces)
    assert len(analyse(group, embed=0, max_faces=2).faces) == 2


def test_a_small_face_beside_a_large_one_is_found_once(portrait: Portrait, encoded: Encode) -> None:
    scene = Image.new("RGB", (1600, 1000), "gray")
    scene.paste(ImageOps.contain(Image.open(SAMPLES / "sunak.jpg"), (900, 900)), (0, 50))
    scene.paste(ImageOps.contain(Image.open(SAMPLES / "obama.jpg"), (9999, 170)), (1300, 400))
    faces = analyse(encoded(scene), embed=None).faces
    assert len(faces) == 2
    assert float(faces[1].embedding @ template(portrait("obama"))) > 0.5


@pytest.mark.parametrize("colour", ["black", "white"])
def test_an_empty_image_has_no_faces(encoded: Encode, colour: str) -> None:
    seen = analyse(encoded(Image.new("RGB", (640, 480), colour)), liveness=1)
    assert (seen.width, seen.height, seen.faces) == (640, 480, ())


@pytest.mark.parametrize("degrees", range(0, 360, 45))
@pytest.mark.parametrize("name", ["macron_2014", "obama"])
def test_a_turned_portrait_matches_itself_upright(portrait: Portrait, encoded: Encode, name: str, degrees: int) -> None:
    upright = only(portrait(name))
    turned = only(encoded(Image.open(SAMPLES / f"{name}.jpg").convert("RGB").rotate(degrees, expand=True)))
    assert turned.rotated == degrees  # Pillow turned it counter-clockwise
    assert float(turned.template @ upright.template) > 0.8
    assert (turned.pose.roll - upright.pose.roll + degrees + 180) % 360 - 180 == pytest.approx(0, abs=8)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_face_is_described_in_the_image_that_was_sent(
    portrait: Portrait, encoded: Encode, degrees: int
) -> None:
    """Box and landmarks of the upright image, turned like the image, are those of the turned one."""
    picture = Image.open(SAMPLES / "obama.jpg").convert("RGB")
    upright, seen = only(portrait("obama")), analyse(encoded(picture.rotate(degrees, expand=True)))
    assert (seen.width, seen.height) == (picture.size if degrees == 180 else picture.size[::-1])
    (face,) = seen.faces
    turn = 1j ** (degrees // 90)  # counter-clockwise, about the middle; y grows downwards
    middle = complex(picture.width, picture.height) / 2
    places = upright.landmarks @ np.array((1, 1j))
    expected = ((places - middle) * turn.conjugate()) + complex(seen.width, seen.height) / 2
    assert np.abs(face.landmarks @ np.array((1, 1j)) - expected).max() < 0.03 * upright.box.width
    assert face.box.width / face.box.height == pytest.approx(
        upright.box.width / upright.box.height if degrees == 180 else upright.box.height / upright.box.width, rel=0.1
    )


def test_only_a_doubtful_image_is_looked_at_again(
    portrait: Portrait, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Mock(wraps=detect)
    monkeypatch.setattr(orient, "detect", looks)
    for name in PEOPLE:
        assert only(portrait(name), embed=0).rotated == 0
    assert looks.call_count == len(PEOPLE)
    assert analyse(encoded(Image.new("RGB", (640, 480)))).faces == ()
    assert looks.call_count == len(PEOPLE) + 8


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (24, 24)])
def test_an_image_of_any_shape_is_looked_at(encoded: Encode, size: tuple[int, int]) -> None:
    assert analyse(encoded(Image.new("RGB", size)), liveness=1).faces == ()


def test_a_face_lies_where_it_lies_in_the_picture(portrait: Portrait) -> None:
    seen = analyse(portrait("sunak"), embed=0)
    (face,) = seen.faces
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert (seen.height, seen.width) == seen.pixels.shape[:2]
    assert face.landmarks.shape == (5, 2)


def test_a_shrunk_image_is_measured_in_its_own_pixels(portrait: Portrait) -> None:
    full, half = (
        analyse(portrait("sunak"), embed=0),
        analyse(portrait("sunak"), embed=0, limits=ImageLimits(shrink_to=450)),
    )
    assert (half.width, half.height) == (374, 450)
    (one,), (other,) = full.faces, half.faces
    assert overlap(one.box, Box(other.box.x * 2, other.box.y * 2, other.box.width * 2, other.box.height * 2)) > 0.9


def test_a_tight_crop_of_a_face_is_still_a_face(portrait: Portrait, encoded: Encode) -> None:
    seen = analyse(portrait("obama"), embed=0)
    box = seen.faces[0].box
    crop = Image.open(SAMPLES / "obama.jpg").crop(
        (int(box.x), int(box.y), int(box.x + box.width), int(box.y + box.height))
    )
    assert float(template(encoded(crop)) @ template(portrait("obama"))) > 0.7


@pytest.mark.parametrize("name", PEOPLE)
def test_a_mirror_turns_yaw_and_roll_around_and_keeps_pitch(portrait: Portrait, encoded: Encode, name: str) -> None:
    mirrored = ImageOps.mirror(Image.open(SAMPLES / f"{name}.jpg"))
    straight, reverse = only(portrait(name), embed=0).pose, only(encoded(mirrored), embed=0).pose
    assert reverse.yaw == pytest.approx(-straight.yaw, abs=6)
    assert reverse.roll == pytest.approx(-straight.roll, abs=6)
    assert reverse.pitch == pytest.approx(straight.pitch, abs=6)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_roll_is_clockwise_in_the_image(portrait: Portrait, encoded: Encode, degrees: int) -> None:
    turned = Image.open(SAMPLES / "obama.jpg").rotate(-degrees, expand=True)  # Pillow turns the other way
    straight, rolled = only(portrait("obama"), embed=0).pose, only(encoded(turned), embed=0).pose
    assert rolled.roll - straight.roll == pytest.approx(degrees, abs=6)
    assert rolled.yaw == pytest.approx(straight.yaw, abs=8)


def test_portraits_pass_the_standard_gate(portrait: Portrait) -> None:
    for name in PEOPLE:
        quality = only(portrait(name), embed=0).quality
        assert quality.reasons == ()
        assert quality.failed("none") == ()
        assert quality.failed("strict") == quality.strict_reasons


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: image.filter(ImageFilter.GaussianBlur(14)), QualityReason.LOW_SHARPNESS),
        (lambda image: image.resize((image.width // 22, image.height // 22)), QualityReason.SMALL_FACE),
        (lambda image: image.crop((image.width * 47 // 100, 0, image.width, image.height)), QualityReason.CUT_BY_EDGE),
    ],
)
def test_a_spoiled_portrait_fails_for_its_reason(
    encoded: Encode, spoil: Callable[[Image.Image], Image.Image], reason: QualityReason
) -> None:
    face = only(encoded(spoil(Image.open(SAMPLES / "sunak.jpg").convert("RGB"))))
    assert reason in face.quality.strict_reasons


@pytest.mark.parametrize("spoil", [lambda value: value // 25, lambda value: 235 + value // 13], ids=["dark", "pale"])
def test_a_portrait_whose_levels_are_spread_passes_and_matches(
    portrait: Portrait, encoded: Encode, spoil: Callable[[int], int]
) -> None:
    spoiled = encoded(Image.open(SAMPLES / "sunak.jpg").convert("RGB").point(spoil))
    assert only(spoiled).quality.failed("standard") == ()
    assert float(template(spoiled) @ template(portrait("sunak"))) > 0.9


@pytest.mark.parametrize("pack", packs.names())
def test_what_cannot_be_told_from_others_is_below_the_floor(encoded: Encode, portrait: Portrait, pack: str) -> None:
    assert only(portrait("sunak"), pack=pack).quality.floor_reasons == ()
    half = only(half_face(), pack=pack).quality
    assert half.floor_reasons == (QualityReason.UNRECOGNISABLE,)
    assert {*half.floor_reasons} < {*half.failed("standard")}
    assert only(half_face(), pack=pack, embed=0).quality.length is None
    pixels = np.asarray(Image.open(SAMPLES / "sunak.jpg").convert("RGB"))
    moved = Image.fromarray(cv2.blur(pixels, (87, 1)))  # a third of the face's width
    assert only(encoded(moved), pack=pack).quality.floor_reasons == (QualityReason.LOW_SHARPNESS,)


def test_darkness_noise_and_even_blur_are_not_below_the_floor(encoded: Encode) -> None:
    picture = Image.open(SAMPLES / "sunak.jpg").convert("RGB")
    noise = np.random.default_rng(1).normal(0, 20, (picture.height, picture.width, 3))
    noisy = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    for spoiled in (picture.point(lambda value: value // 7), noisy, picture.filter(ImageFilter.GaussianBlur(12))):
        assert only(encoded(spoiled)).quality.floor_reasons == ()


def test_the_person_survives_recompression_rotation_and_gray(portrait: Portrait, encoded: Encode) -> None:
    picture, known = Image.open(SAMPLES / "ardern_2018.jpg"), template(portrait("ardern_2018"))
    for changed in (encoded(picture, "JPEG", quality=30), encoded(picture.rotate(15)), encoded(picture.convert("L"))):
        assert float(template(changed) @ known) > 0.7


def test_live_portraits_look_alive(portrait: Portrait) -> None:
    for name in PEOPLE:
        face = only(portrait(name), liveness=1)
        assert face.liveness is not None
        assert 0.5 < face.liveness.score <= 1


def test_an_unknown_pack_is_told_before_the_image_is_decoded() -> None:
    with pytest.raises(UnknownPack):
        analyse(b"", pack="no such pack")
    with pytest.raises(UndecodableImage):
        analyse(b"")


def test_pixels_are_blue_green_red(encoded: Encode) -> None:
    pixels = decode(encoded(Image.new("RGB", (4, 4), (1, 2, 3))))
    assert pixels[0, 0].tolist() == [3, 2, 1]
    assert cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)[0, 0].tolist() == [1, 2, 3]
