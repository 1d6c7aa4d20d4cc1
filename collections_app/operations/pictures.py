"""The kept images of faces, decrypted, whole or as a thumbnail; each view is logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import cv2
from django.core import signing
from django.db import transaction

from collections_app import storage
from collections_app.errors import ImageNotKept
from collections_app.examine import KEPT_LIMITS
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

_SIDE = 160  # of a thumbnail, in pixels
_MARGIN = 0.25  # around the face, of its longer side, on each side
_QUALITY = 85  # of the JPEG
_VALID_FOR = timedelta(hours=1)  # of a ticket
_SIGNER = signing.TimestampSigner(salt="pictures.ticket")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file."""

    content: bytes

    @property
    def kind(self) -> str:
        """Its media type; kept images were decoded before, so the format is known."""
        return MEDIA_TYPES[format_of(self.content)]


def face_picture(caller: Caller, *, collection: str | Alias, face: str) -> Picture:
    """Return what is kept of the image that a face was enrolled from.

    Raises:
        FaceNotFound: the collection holds no such face.
        ImageNotKept: nothing of its image was kept.
    """
    caller.require(Scope.READ)
    found, content = _kept(caller, collection, face)
    _log_view(caller, found)
    return Picture(content)


def show_faces(caller: Caller, *, faces: Sequence[Face]) -> None:
    """Log one entry for the page that shows these faces; with its tickets their thumbnails are not logged again."""
    caller.require(Scope.READ)
    with transaction.atomic():
        audit.record(caller, "face.shown", faces=[face.uuid for face in faces])


def ticket(caller: Caller, *, face: Face) -> str:
    """Return the ticket with which a page that logged the face asks for its thumbnail."""
    caller.require(Scope.READ)
    return _SIGNER.sign_object([caller.id, face.uuid])


def face_thumbnail(caller: Caller, *, collection: str | Alias, face: str, ticket: str) -> Picture:
    """Return a small square JPEG of a face; without the ticket of a page that logged it, the view is logged here.

    Raises:
        FaceNotFound: the collection holds no such face.
        ImageNotKept: nothing of its image was kept.
    """
    caller.require(Scope.READ)
    found, content = _kept(caller, collection, face)
    if not _is_logged(caller, found, ticket):
        _log_view(caller, found)
    pixels = decode(content, KEPT_LIMITS)
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
    """Fetch an image for a trial; nothing is kept.

    Raises:
        ImageUrlRefused, ImageUrlTimeout: the URL is not allowed, or no usable answer comes from it.
        RecognitionError: what is there is no image that can be used.
    """
    caller.require(Scope.SEARCH)
    content = load(ImageUrl(url, PORTS), lane=caller.tenant.pk, max_bytes=DEFAULT_LIMITS.max_bytes)
    with admit(caller.tenant.pk):
        decode(content, DEFAULT_LIMITS)
    return Picture(content)


def _is_logged(caller: Caller, face: Face, ticket: str) -> bool:
    try:
        return bool(_SIGNER.unsign_object(ticket, max_age=_VALID_FOR) == [caller.id, face.uuid])
    except signing.BadSignature:
        return False


def _log_view(caller: Caller, face: Face) -> None:
    with transaction.atomic():
        audit.record(caller, "image.viewed", face, collection=str(face.collection_id))


def _kept(caller: Caller, collection: str | Alias, face: str) -> tuple[Face, bytes]:
    """Return a face and its kept image."""
    found = get_face(caller, collection=collection, face=face)
    if not found.stored_image:
        raise ImageNotKept
    try:
        return found, storage.read(caller.tenant, found.image, found.stored_image)
    except FileNotFoundError:
        raise ImageNotKept from None
