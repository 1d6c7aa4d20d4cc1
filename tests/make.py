"""Test images: portraits, odd images, and their encodings."""

import base64
import io

import numpy as np
from PIL import Image

from collections_app.samples import SAMPLES


def portrait(name: str) -> bytes:
    """Return a portrait of collections_app/samples by its name without ending."""
    return (SAMPLES / f"{name}.jpg").read_bytes()


def blank(width: int = 320, height: int = 240, kind: str = "JPEG") -> bytes:
    """Return an image without a face."""
    return encoded(np.full((height, width, 3), 128, dtype=np.uint8), kind)


def half_face() -> bytes:
    """Return the upper half of a face: the detector takes it for a face, and it matches those of others."""
    picture = np.asarray(Image.open(io.BytesIO(portrait("obama"))).convert("RGB"))
    return encoded(picture[:330], "PNG")


def filling() -> bytes:
    """Return a face that fills its image: whether it is live cannot be told."""
    picture = Image.open(io.BytesIO(portrait("obama"))).convert("RGB")
    return encoded(np.asarray(picture)[170:491, 220:465], "PNG")


def side_by_side(*names: str) -> bytes:
    """Return one image of several portraits, each 480 pixels high."""
    pictures = [Image.open(io.BytesIO(portrait(name))).convert("RGB") for name in names]
    scaled = [picture.resize((picture.width * 480 // picture.height, 480)) for picture in pictures]
    return encoded(np.hstack([np.asarray(picture) for picture in scaled]), "JPEG")


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """Return (H, W, 3) uint8 RGB pixels as a file of the kind."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, quality=92)
    return out.getvalue()


def base64_of(image: bytes) -> str:
    """Return the bytes as base64 text."""
    return base64.b64encode(image).decode()


def flipped(content: bytes | memoryview) -> bytes:
    """Return the bytes with one bit of the last one changed."""
    *before, last = bytes(content)
    return bytes([*before, last ^ 1])
