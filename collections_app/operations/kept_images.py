"""What the collection's policy keeps of an enrolled image: nothing, the part with the enrolled faces, or the whole."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2

from collections_app import storage
from collections_app.examine import Examined
from collections_app.models import Collection

_MARGIN = 0.3  # around the faces, of the longest side of their boxes
_QUALITY = 90  # of the JPEG


@dataclass(frozen=True, slots=True)
class KeptImage:
    """A stored file's name, and the part of the upright image in it: left, top, width, height; empty: nothing."""

    name: str = ""
    frame: tuple[int, ...] = ()


@contextmanager
def kept(collection: Collection, images: Sequence[Examined]) -> Iterator[list[KeptImage]]:
    """Store what the policy keeps of each image; remove all of it again if the block fails."""
    stored: list[KeptImage] = []
    try:
        stored.extend(_keep(collection, image) for image in images)  # if one fails, `stored` has those before it
        yield stored
    except BaseException:
        for one in stored:
            if one.name:
                storage.erase(one.name)
        raise


def _keep(collection: Collection, image: Examined) -> KeptImage:
    if collection.images == Collection.Images.NONE or not image.faces:
        return KeptImage()
    if collection.images == Collection.Images.ORIGINAL:
        whole = (0, 0, image.analysis.width, image.analysis.height)
        return KeptImage(storage.keep(collection, image.id, image.content), whole)
    content, part = _crop(image)
    return KeptImage(storage.keep(collection, image.id, content), part)


def _crop(image: Examined) -> tuple[bytes, tuple[int, ...]]:
    """Return the part of the image with the chosen faces and a margin, as JPEG, and its frame."""
    boxes = [face.box for face in image.faces]
    margin = _MARGIN * max(max(box.width, box.height) for box in boxes)
    left = max(0, int(min(box.x for box in boxes) - margin))
    top = max(0, int(min(box.y for box in boxes) - margin))
    right = min(image.analysis.width, int(max(box.x + box.width for box in boxes) + margin))
    bottom = min(image.analysis.height, int(max(box.y + box.height for box in boxes) + margin))
    pixels = image.analysis.pixels[top:bottom, left:right]
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes(), (left, top, right - left, bottom - top)
