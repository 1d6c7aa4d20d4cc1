"""Images that a request gives by URL.

A thread waits while a slow server answers. So FETCH_SLOTS images are fetched at once on a host, at most half of them
for one tenant; as many more wait up to a second for a slot, and further requests are refused as Busy.
"""

from dataclasses import dataclass

from django.conf import settings

from collections_app import safe_http
from collections_app.errors import ImageUrlRefused, ImageUrlTimeout
from recognition.admission import AdmissionQueue, host_file, one_queue
from recognition.errors import ImageTooLarge
from recognition.images import FORMATS, MEDIA_TYPES

_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """Where an image is, and the ports that the caller's contract allows for it."""

    url: str
    ports: frozenset[int]


def load(image: bytes | ImageUrl, *, lane: int, max_bytes: int) -> bytes:
    """Return an image's bytes, fetching them if it is given by URL; a lane is a tenant, as in recognition.admission.

    Raises:
        ImageUrlRefused: the URL is malformed or not allowed, or no usable answer comes from it.
        ImageUrlTimeout: the server took too long.
        recognition.errors.ImageTooLarge: it is larger than `max_bytes`; reading stopped there.
        recognition.errors.Busy: too many images are being fetched.
    """
    if isinstance(image, bytes):
        return image
    accept = ", ".join(MEDIA_TYPES[name] for name in FORMATS)
    with _fetching().admit(lane):
        try:
            return safe_http.get(image.url, accept=accept, ports=image.ports, max_bytes=max_bytes)
        except safe_http.UrlRefused as error:
            raise ImageUrlRefused(error.reason) from error
        except safe_http.UrlTimeout as error:
            raise ImageUrlTimeout from error
        except safe_http.BodyTooLarge as error:
            raise ImageTooLarge(error.limit, error.received, "bytes") from error


@one_queue
def _fetching() -> AdmissionQueue:
    slots = settings.FETCH_SLOTS
    bounds = {"slots": slots, "own": max(1, slots // 2), "queue": slots}
    return AdmissionQueue(host_file("fetch"), seconds=_WAIT_SECONDS, **bounds)
