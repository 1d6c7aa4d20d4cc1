"""The kept images of faces: decrypted for who may read them, whole or as a thumbnail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import cv2
from django.core import signing
from django.db import transaction

from collections_app import storage
from collections_app.errors import ImageNotKept
from collections_app.image_url import ImageUrl, load
from collections_app.models import Face
from collections_app.operations.collections import Alias
from collections_app.operations.faces import get_face
from collections_app.safe_http import PORTS
from recognition.admission import admit
from recognition.images import DEFAULT_LIMITS, MEDIA_TYPES
from recognition.pipeline.decode import decode
from recognition.pipeline.decoding.formats import format_of
from tenants import audit
from tenants.access import Caller, Scope

_SIDE = 160
_MARGIN = 0.25
_QUALITY = 85
_TOLD = timedelta(hours=1)
_SIGNER = signing.TimestampSigner(salt="pictures.ticket")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file."""

    content: bytes

    @property
    def kind(self) -> str:
        """Its media type; what is kept was decoded once, so its format is one that is read."""
        return MEDIA_TYPES[format_of(self.content)]


def face_picture(caller: Caller, *, collection: str | Alias, face: str) -> Picture:
    """Return what is kept of the image from which a face was enrolled.

    Raises:
        FaceNotFound: the collection holds no such face.
        ImageNotKept: nothing of its image was kept.
    """
    caller.require(Scope.READ)
    found = get_face(caller, collection=collection, face=face)
    content = _kept(caller, found)
    _tell(caller, found)
    return Picture(content)


def show_faces(caller: Caller, *, faces: Sequence[Face]) -> None:
    """Note in one entry that a page shows these faces; its tickets keep their thumbnails from being told one by one."""
    caller.require(Scope.READ)
    with transaction.atomic():
        audit.record(caller, "face.shown", faces=[face.uuid for face in faces])


def ticket(caller: Caller, *, face: Face) -> str:
    """Return what a thumbnail is asked for with on a page that tells of it."""
    caller.require(Scope.READ)
    return _SIGNER.sign_object([caller.id, face.uuid])


def face_thumbnail(caller: Caller, *, collection: str | Alias, face: str, ticket: str) -> Picture:
    """Return a small square JPEG of a face; without the ticket of a page that told of it, the log tells it here.

    Raises:
        FaceNotFound: the collection holds no such face.
        ImageNotKept: nothing of its image was kept.
    """
    caller.require(Scope.READ)
    found = get_face(caller, collection=collection, face=face)
    content = _kept(caller, found)
    if not _is_told(caller, found, ticket):
        _tell(caller, found)
    pixels = decode(content, DEFAULT_LIMITS)
    left, top, width, height = found.stored_frame
    scale_x, scale_y = pixels.shape[1] / width, pixels.shape[0] / height
    side = max(found.box_width * scale_x, found.box_height * scale_y) * (1 + 2 * _MARGIN)
    x = (found.box_x + found.box_width / 2 - left) * scale_x - side / 2
    y = (found.box_y + found.box_height / 2 - top) * scale_y - side / 2
    part = pixels[max(0, int(y)) : int(y + side), max(0, int(x)) : int(x + side)]
    shrink = min(1.0, _SIDE / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return Picture(jpeg.tobytes())


def picture_at(caller: Caller, *, url: str) -> Picture:
    """Fetch an image for whoever is about to try it; nothing is kept.

    Raises:
        ImageUrlRefused, ImageUrlTimeout: the URL is not allowed, or there is nothing at it.
        RecognitionError: there is something at it, and it is no image that could be used.
    """
    caller.require(Scope.SEARCH)
    content = load(ImageUrl(url, PORTS), lane=caller.tenant.pk, max_bytes=DEFAULT_LIMITS.max_bytes)
    with admit(caller.tenant.pk):
        decode(content, DEFAULT_LIMITS)
    return Picture(content)


def _is_told(caller: Caller, face: Face, ticket: str) -> bool:
    try:
        told: bool = _SIGNER.unsign_object(ticket, max_age=_TOLD) == [caller.id, face.uuid]
    except signing.BadSignature:
        return False
    return told


def _tell(caller: Caller, face: Face) -> None:
    with transaction.atomic():
        audit.record(caller, "image.viewed", face, collection=str(face.collection_id))


def _kept(caller: Caller, face: Face) -> bytes:
    if not face.stored_image:
        raise ImageNotKept
    try:
        return storage.read(caller.tenant, face.image, face.stored_image)
    except FileNotFoundError:
        raise ImageNotKept from None
