"""A film for Chromium's fake camera, made of a portrait: it looks straight, turns to both sides, and comes closer."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from recognition.results import Pixels
from tests.motion import nearer, straight, turned

WIDTH, HEIGHT, FRAMES_A_SECOND = 640, 480, 10
_TURN = 38  # degrees
_SECONDS: Sequence[tuple[str, float]] = (("straight", 3), ("left", 2), ("right", 2), ("closer", 2))


def write(name: str, file: Path, shown: Sequence[str] = ("straight", "left", "right", "closer")) -> Path:
    """Write a film of a portrait, which Chromium repeats, in the raw format that it reads (YUV4MPEG2); return it."""
    with file.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_A_SECOND}:1 Ip A1:1 C420jpeg\n".encode())
        for part, seconds in _SECONDS:
            if part in shown:
                planes = cv2.cvtColor(_views(name)[part], cv2.COLOR_RGB2YUV_I420).tobytes()
                out.write((b"FRAME\n" + planes) * round(seconds * FRAMES_A_SECOND))
    return file


@cache
def _views(name: str) -> Mapping[str, Pixels]:
    whole = _framed(straight(name))
    return {
        "straight": whole,
        "left": turned(whole, _TURN),
        "right": turned(whole, -_TURN),
        "closer": nearer(whole, 1.5),
    }


def _framed(pixels: Pixels) -> Pixels:
    """Return the portrait in the middle of a landscape picture, its edges continued to both sides."""
    left = (WIDTH - pixels.shape[1]) // 2
    wide = cv2.copyMakeBorder(pixels, 0, 0, left, WIDTH - pixels.shape[1] - left, cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.uint8)
