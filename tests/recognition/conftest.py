"""Photographs, odd images made from them, and data that only some machines have."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from collections_app.samples import SAMPLES

Encode = Callable[..., bytes]


@pytest.fixture
def portrait() -> Callable[[str], bytes]:
    """Read a test photograph by its name."""
    return lambda name: (SAMPLES / f"{name}.jpg").read_bytes()


@pytest.fixture
def picture() -> Image.Image:
    """A small photograph with one face, (204, 244), red-green-blue."""
    return Image.open(SAMPLES / "macron_2014.jpg").convert("RGB")


@pytest.fixture
def encoded() -> Encode:
    """Encode a Pillow image."""

    def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture
def data() -> Path:
    """The folder of evaluation data, which is not part of the project."""
    if not os.environ.get("FACEPLANE_TEST_DATA"):
        pytest.skip("FACEPLANE_TEST_DATA names no folder")
    return Path(os.environ["FACEPLANE_TEST_DATA"])
