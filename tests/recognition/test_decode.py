"""Untrusted bytes: which images are refused before decoding, and how unusual ones are decoded.

One file although it is longer than 300 lines: small tests, and the bytes that they send.
"""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from recognition.errors import ImageTooLarge, ImageTooSmall, UndecodableImage, UnsupportedFormat
from recognition.images import ImageLimits
from recognition.pipeline.decode import decode
from tests.recognition.conftest import Encode

pillow_heif.register_heif_opener()  # for the tests, which write HEIC

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
    """A PNG that only claims to be this large."""
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_every_format_that_is_read_shows_the_picture(picture: Image.Image, encoded: Encode, kind: str) -> None:
    large = picture.resize((816, 976))
    pixels = decode(encoded(large, kind))
    assert pixels.shape == (976, 816, 3)
    assert np.abs(pixels.astype(int) - upright(large)).mean() < 4


@pytest.mark.parametrize("orientation", [1, *STORED])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "1"])
def test_pixels_are_those_of_the_whole_picture_at_once(
    portrait: Callable[[str], bytes], encoded: Encode, mode: str, orientation: int
) -> None:
    """Decoding in strips, from the copied parts of the container, gives the same pixels as Pillow."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = Image.open(io.BytesIO(portrait("sunak"))).convert(mode)
    if mode in {"RGBA", "LA"}:
        shown.putalpha(Image.linear_gradient("L").resize(shown.size))
    for kind in ("PNG", "JPEG") if mode in {"RGB", "L"} else ("JPEG",) if mode == "CMYK" else ("PNG",):
        stored = encoded(shown, kind, exif=exif)
        plain = ImageOps.exif_transpose(Image.open(io.BytesIO(stored)))
        if plain.has_transparency_data:
            ground = Image.new("RGBA", plain.size, "white")
            plain = Image.alpha_composite(ground, plain.convert("RGBA"))
        difference = decode(stored).astype(int) - upright(plain.convert("RGB"))
        assert np.abs(difference).max() <= (1 if mode in {"RGBA", "LA"} else 0)  # of blending: the last bit's rounding


BRANDS = ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1")


@pytest.mark.parametrize("brand", BRANDS)
def test_every_brand_of_a_family_is_read_alike(picture: Image.Image, encoded: Encode, brand: str) -> None:
    stored = encoded(picture, "HEIF")
    assert decode(stored[:8] + brand.encode() + stored[12:]).shape == (244, 204, 3)


def test_a_film_is_refused_by_its_name() -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        decode(b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100))
    assert refused.value.format == "MP4"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_that_lacks_its_end_marker_is_a_picture(
    picture: Image.Image, encoded: Encode, *, progressive: bool
) -> None:
    for shown in (picture, picture.convert("L"), picture.convert("CMYK")):
        whole = encoded(shown, "JPEG", progressive=progressive)
        assert (decode(whole[:-2]) == decode(whole)).all()


def test_of_a_progressive_jpeg_the_last_refinement_may_be_cut(picture: Image.Image, encoded: Encode) -> None:
    whole = encoded(picture, "JPEG", progressive=True, quality=95)
    refined, coarse = decode(whole), decode(whole[: int(len(whole) * 0.99)])
    assert 0 < np.abs(refined.astype(int) - coarse).mean() < 2


@pytest.mark.parametrize("chunk_kind", [b"iCCP", b"tEXt", b"eXIf"])
def test_a_wrong_checksum_beside_the_pixels_is_worth_no_refusal(
    picture: Image.Image, encoded: Encode, chunk_kind: bytes
) -> None:
    stored = encoded(picture)
    wrong = chunk(chunk_kind, b"anything")[:-1] + b"?"
    assert (decode(stored[:33] + wrong + stored[33:]) == decode(stored)).all()


def test_a_png_without_its_end_is_a_picture(picture: Image.Image, encoded: Encode) -> None:
    stored = encoded(picture)
    assert (decode(stored[:-12]) == decode(stored)).all()


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
    with pytest.raises(UndecodableImage) as refused:
        decode(whole[: int(len(whole) * share)])
    assert refused.value.reason == "the file is cut off"


def test_a_wrong_checksum_in_a_png_is_refused(picture: Image.Image, encoded: Encode) -> None:
    stored = bytearray(encoded(picture))
    stored[stored.index(b"IDAT") + 100] ^= 1
    with pytest.raises(UndecodableImage):
        decode(bytes(stored))


@pytest.mark.parametrize(
    ("junk", "reason"),
    [
        (b"", "the file is empty"),
        (b"\0" * 100, "the file is in no known image format"),
        (b"<html>no</html>", "the file is in no known image format"),
        (b"<svg xmlns='x'/>", "the file is in no known image format"),
        (b"\xff\xd8\xff", "the file is cut off"),
        (b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0", "the JPEG is damaged: a scan comes before the frame"),
        (b"\x89PNG\r\n\x1a\n", "the file is cut off"),
        (b"RIFF\xff\0\0\0WEBPVP8 ", "the file is cut off"),
        (b"RIFF\4\0\0\0WEBP", "the WEBP is damaged: there is no picture inside"),
        (b"\0\0\0\x10ftypavif\0\0\0\0", "the AVIF is damaged: no picture's size is told"),
        (b"\0\0\0\x10ftypheic\0\0\0\0\0\0\0\x20meta", "the file is cut off"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(junk: bytes, reason: str) -> None:
    with pytest.raises(UndecodableImage) as refused:
        decode(junk)
    assert refused.value.reason == reason


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_bmp_is_decoded_where_it_is_allowed(picture: Image.Image, encoded: Encode, mode: str) -> None:
    allowed = ImageLimits(formats=("BMP",))
    sent = picture.convert(mode)
    expected = np.asarray(sent.convert("RGB"))[:, :, ::-1]
    bmp = encoded(sent, "BMP")
    assert np.array_equal(decode(bmp, allowed), expected)
    with pytest.raises(UndecodableImage) as refused:
        decode(bmp[:-1], allowed)
    assert refused.value.reason == "the file is cut off"
    for place, value in ((28, 7), (30, 1), (14, 12)):  # bits, compression, the header's size
        with pytest.raises(UndecodableImage):
            decode(bmp[:place] + bytes([value]) + bmp[place + 1 :], allowed)
    with pytest.raises(ImageTooLarge):
        decode(bmp[:18] + b"\xff\xff\xff\x7f" + bmp[22:], allowed)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_another_format_is_refused_by_its_name(picture: Image.Image, encoded: Encode, kind: str) -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        decode(encoded(picture, kind))
    assert refused.value.format == kind
    assert refused.value.allowed == ("JPEG", "PNG", "WEBP", "AVIF", "HEIC")


def test_a_format_that_a_caller_does_not_allow_is_refused(picture: Image.Image, encoded: Encode) -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        decode(encoded(picture, "PNG"), ImageLimits(formats=("JPEG",)))
    assert refused.value.format == "PNG"
    assert refused.value.allowed == ("JPEG",)


@pytest.mark.parametrize("side", [30_000, 2_147_483_647])
def test_a_decompression_bomb_is_refused_from_its_header(side: int) -> None:
    with pytest.raises(ImageTooLarge) as refused:
        decode(bare_png(side, side))
    assert (refused.value.unit, refused.value.actual) == ("pixels", side * side)


def test_a_text_bomb_is_not_even_unpacked(encoded: Encode) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "0" * 50_000_000, zip=True)
    assert decode(encoded(Image.new("RGB", (8, 8)), pnginfo=text)).shape == (8, 8, 3)


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


CASES = {
    "bad_iccp_crc.png": (785, 682, 3),
    "brand_heix.heic": (785, 682, 3),
    "chrome.avif": (785, 682, 3),
    "cut_1pct.jpg": "the file is cut off",
    "empty.jpg": "the file is empty",
    "frigate.webp": (785, 682, 3),
    "iphone.heic": (785, 682, 3),
    "no_eoi_progressive.jpg": (785, 682, 3),
    "panorama.jpg": (2400, 12000, 3),
    "scans_1000.jpg": "scans",
}


@pytest.mark.parametrize("name", CASES)
def test_cases_from_public_bug_reports(data: Path, name: str) -> None:
    body = (data / "cases" / name).read_bytes()
    try:
        found: object = decode(body).shape
    except UndecodableImage as error:
        found = error.reason
    except ImageTooLarge as error:
        found = error.unit
    assert found == CASES[name]
