"""Untrusted bytes: what is refused, before what is decoded, and how odd images come out."""

import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from recognition.errors import ImageTooLarge, ImageTooSmall, UndecodableImage, UnsupportedFormat
from recognition.pipeline.decode import ImageLimits, decode
from tests.recognition.conftest import Encode

# How to store an upright picture so that its EXIF orientation brings it back (EXIF 2.32).
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def upright(picture: Image.Image) -> np.ndarray:
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)


def bare_png(width: int, height: int) -> bytes:
    """A PNG that is nothing but its claim to be this large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("orientation", [1, *STORED])
def test_every_exif_orientation_comes_out_upright(picture: Image.Image, encoded: Encode, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture.transpose(STORED[orientation]) if orientation in STORED else picture
    assert (decode(encoded(stored, exif=exif)) == upright(picture)).all()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_orientation_is_taken_for_upright(picture: Image.Image, encoded: Encode, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (decode(encoded(picture, exif=exif)) == upright(picture)).all()


def test_cmyk_comes_out_in_its_colours(picture: Image.Image, encoded: Encode) -> None:
    stored = encoded(picture.convert("CMYK"), "JPEG", quality=95)
    assert np.abs(decode(stored).astype(int) - upright(picture)).mean() < 4


def test_sixteen_bits_are_scaled_and_not_clipped(encoded: Encode) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (4, 1))
    gray = decode(encoded(Image.fromarray(ramp)))[0, :, 0]
    assert (gray == np.arange(256)).all()


def test_a_palette_keeps_its_colours(encoded: Encode) -> None:
    stripes = Image.new("RGB", (20, 10), "red")
    stripes.paste("blue", (10, 0, 20, 10))
    pixels = decode(encoded(stripes.convert("P", palette=Image.Palette.ADAPTIVE)))
    assert pixels[5, 2].tolist() == [0, 0, 255]
    assert pixels[5, 17].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_becomes_white(encoded: Encode, mode: str) -> None:
    assert (decode(encoded(Image.new(mode, (8, 8), 0))) == 255).all()


def test_gray_and_one_bit_images_become_colour(encoded: Encode) -> None:
    for mode in ("L", "1"):
        pixels = decode(encoded(Image.new(mode, (6, 4), 1)))
        assert pixels.shape == (4, 6, 3)
        assert pixels.dtype == np.uint8


def test_of_an_animation_the_first_frame_is_taken(encoded: Encode) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    assert decode(encoded(frames[0], save_all=True, append_images=frames[1:]))[0, 0].tolist() == [0, 0, 255]


def test_a_large_image_is_shrunk_on_request(picture: Image.Image, encoded: Encode) -> None:
    large = picture.resize((1020, 1220))
    for stored in (encoded(large), encoded(large, "JPEG")):
        pixels = decode(stored, ImageLimits(shrink_to=244))
        assert pixels.shape == (244, 204, 3)
        assert np.abs(pixels.astype(int) - upright(picture)).mean() < 6


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_image_is_refused(picture: Image.Image, encoded: Encode, kind: str, share: float) -> None:
    whole = encoded(picture, kind)
    with pytest.raises(UndecodableImage):
        decode(whole[: int(len(whole) * share)])


def test_a_wrong_checksum_in_a_png_is_refused(picture: Image.Image, encoded: Encode) -> None:
    stored = bytearray(encoded(picture))
    stored[stored.index(b"IDAT") + 100] ^= 1
    with pytest.raises(UndecodableImage):
        decode(bytes(stored))


@pytest.mark.parametrize("junk", [b"", b"\0" * 100, b"<html>no</html>", b"<svg xmlns='x'/>", b"\xff\xd8\xff"])
def test_what_is_no_image_is_refused(junk: bytes) -> None:
    with pytest.raises(UndecodableImage):
        decode(junk)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF"])
def test_another_format_is_refused_by_its_name(picture: Image.Image, encoded: Encode, kind: str) -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        decode(encoded(picture, kind))
    assert refused.value.format == kind


def test_a_format_that_a_caller_does_not_allow_is_refused(picture: Image.Image, encoded: Encode) -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        decode(encoded(picture, "PNG"), ImageLimits(formats=("JPEG",)))
    assert refused.value.format == "PNG"


@pytest.mark.parametrize("side", [30_000, 2_147_483_647])
def test_a_decompression_bomb_is_refused_from_its_header(side: int) -> None:
    with pytest.raises(ImageTooLarge) as refused:
        decode(bare_png(side, side))
    assert (refused.value.unit, refused.value.actual) == ("pixels", side * side)


def test_a_text_bomb_is_refused(encoded: Encode) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "0" * 50_000_000, zip=True)
    with pytest.raises(UndecodableImage):
        decode(encoded(Image.new("RGB", (8, 8)), pnginfo=text))


@pytest.mark.parametrize(
    ("limits", "error", "facts"),
    [
        (ImageLimits(max_bytes=10), ImageTooLarge, {"limit": 10, "unit": "bytes"}),
        (ImageLimits(max_pixels=99), ImageTooLarge, {"limit": 99, "actual": 200, "unit": "pixels"}),
        (ImageLimits(max_side=19), ImageTooLarge, {"limit": 19, "actual": 20, "unit": "side"}),
        (ImageLimits(min_side=11), ImageTooSmall, {"minimum": 11, "actual": 10}),
    ],
)
def test_limits_are_told_with_what_crossed_them(
    encoded: Encode, limits: ImageLimits, error: type[Exception], facts: dict[str, object]
) -> None:
    with pytest.raises(error) as refused:
        decode(encoded(Image.new("RGB", (20, 10))), limits)
    assert facts.items() <= vars(refused.value).items()


def test_an_image_at_its_limits_passes(encoded: Encode) -> None:
    limits = ImageLimits(max_pixels=200, min_side=10, max_side=20)
    assert decode(encoded(Image.new("RGB", (20, 10))), limits).shape == (10, 20, 3)


def test_the_content_decides_and_no_name(portrait: Callable[[str], bytes]) -> None:
    assert decode(portrait("sunak")).shape == (900, 747, 3)
