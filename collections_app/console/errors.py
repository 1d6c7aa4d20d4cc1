"""The console's table of errors: a status and a sentence for each."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from collections_app import errors as collections
from collections_app.console.labels import ADVICE, REASONS
from recognition import errors as recognition
from tenants import errors as tenants

IMAGES = {"source": gettext_lazy("first image"), "target": gettext_lazy("second image")}
UNITS = {
    "bytes": gettext_lazy("bytes"),
    "pixels": gettext_lazy("pixels"),
    "side": gettext_lazy("pixels along its longer side"),
    "scans": gettext_lazy("scans"),
    "samples in all scans": gettext_lazy("samples in all scans"),
    "markers": gettext_lazy("markers"),
    "chunks": gettext_lazy("chunks"),
    "boxes": gettext_lazy("boxes"),
    "items": gettext_lazy("items"),
    "unpacked bytes": gettext_lazy("unpacked bytes"),
}
UNDECODABLE = {
    "the file is empty": gettext_lazy("The file is empty."),
    "the file is cut off": gettext_lazy("The file is cut off: a part of the image is missing."),
}

FAMILIES = (collections.CollectionsError, recognition.RecognitionError, tenants.TenantsError, ValidationError)

# (status, the sentence)
ANSWERS: Mapping[type[Exception], tuple[int, Callable[[Any], str]]] = {
    tenants.ScopeMissing: (403, lambda _e: _("Your role does not allow this.")),
    tenants.QuotaExceeded: (409, lambda e: _("The quota of this tenant is used up: %(limit)d.") % {"limit": e.limit}),
    tenants.TooManyRequests: (429, lambda _e: _("Too many requests; wait a moment and try again.")),
    tenants.TenantSuspended: (403, lambda _e: _("This tenant is suspended.")),
    tenants.SealBroken: (500, lambda _e: _("Stored data cannot be decrypted. Ask the operator.")),
    tenants.MasterKeyUnusable: (500, lambda _e: _("Stored data cannot be decrypted. Ask the operator.")),
    tenants.KeyNotFound: (404, lambda _e: _("There is no such key.")),
    tenants.MemberNotFound: (404, lambda _e: _("There is no such member.")),
    tenants.InvitationUnusable: (404, lambda _e: _("There is no such invitation.")),
    tenants.OwnerNeeded: (403, lambda _e: _("Only an owner can do this, and one owner must remain.")),
    tenants.TenantsError: (403, lambda _e: _("This is not possible.")),
    collections.CollectionNotFound: (404, lambda _e: _("There is no such collection.")),
    collections.CollectionDeleted: (404, lambda _e: _("This collection was deleted.")),
    collections.CollectionExists: (
        409,
        lambda e: _("There is already a collection named “%(name)s”.") % {"name": e.name},
    ),
    collections.CollectionFull: (
        409,
        lambda e: _("The collection is full: it holds %(limit)d faces.") % {"limit": e.limit},
    ),
    collections.FaceNotFound: (404, lambda _e: _("There is no such face in this collection.")),
    collections.PersonNotFound: (404, lambda _e: _("There is no such person in this collection.")),
    collections.PersonExists: (409, lambda _e: _("The collection already has a person with this reference.")),
    collections.DuplicateFace: (
        409,
        lambda _e: _("This face is already enrolled under another person."),
    ),
    collections.ProbingRefused: (429, lambda _e: _("Too many searches for one face. Ask an administrator.")),
    collections.InvalidRequest: (400, lambda e: f"{e.field}: {e.problem}"),
    collections.ImageUrlRefused: (
        400,
        lambda _e: _("This address cannot be fetched. It must be a public address that begins with http or https."),
    ),
    collections.ImageUrlTimeout: (400, lambda _e: _("The server at this address took too long.")),
    collections.ImageRefused: (422, lambda e: f"{IMAGES.get(e.which, e.which)}: {explain(e.reason)[1]}"),
    collections.ConsentRequired: (422, lambda _e: _("This collection requires a consent reference.")),
    collections.EnrolmentBarred: (409, lambda _e: _("This person is on the collection's do-not-enrol list.")),
    collections.JobNotFound: (404, lambda _e: _("There is no such job.")),
    collections.JobOver: (409, lambda _e: _("The job's state does not allow this.")),
    collections.FileChanged: (409, lambda _e: _("The file has changed. Load the page again and start over.")),
    collections.ReceiptNotFound: (404, lambda _e: _("There is no such receipt.")),
    collections.SearchNotFound: (404, lambda _e: _("There is no such search.")),
    collections.WebhookNotFound: (404, lambda _e: _("There is no such webhook.")),
    collections.ImageNotKept: (404, lambda _e: _("No image was kept.")),
    collections.Unavailable: (503, lambda _e: _("Part of the service is not responding. Try again in a moment.")),
    collections.CollectionsError: (400, lambda _e: _("This is not possible.")),
    recognition.NoFace: (422, lambda _e: _("There is no face in the image.")),
    recognition.SeveralFaces: (
        422,
        lambda e: (
            ngettext(
                "%(count)d face in the image.", "%(count)d faces in the image. Use an image with one face.", e.count
            )
            % {"count": e.count}
        ),
    ),
    recognition.LowQuality: (
        422,
        lambda e: (
            _("The quality gate refused the face: %(reasons)s.")
            % {"reasons": ", ".join(str(REASONS.get(reason, reason)) for reason in e.reasons)}
        ),
    ),
    recognition.Unrecognisable: (
        422,
        lambda e: (
            _("The face cannot be told from others: %(reasons)s.")
            % {"reasons": ", ".join(str(REASONS.get(reason, reason)) for reason in e.reasons)}
        ),
    ),
    recognition.SpoofSuspected: (
        422,
        lambda e: (
            _("This looks like a picture of a face: liveness %(score).2f, at least %(threshold).2f is required.")
            % {"score": e.score, "threshold": e.threshold}
        ),
    ),
    recognition.LivenessUnsure: (
        422,
        lambda e: (
            _("Too little around the face is shown to tell whether it is live: %(advice)s.")
            % {"advice": ADVICE[e.advice]}
        ),
    ),
    recognition.ImageTooLarge: (
        413,
        lambda e: (
            _("The image is too large: %(actual)d %(unit)s, at most %(limit)d are allowed.")
            % {"actual": e.actual, "unit": UNITS[e.unit], "limit": e.limit}
        ),
    ),
    recognition.ImageTooSmall: (
        422,
        lambda e: (
            _("The image is too small: its shorter side has %(actual)d pixels, at least %(minimum)d are needed.")
            % {"actual": e.actual, "minimum": e.minimum}
        ),
    ),
    recognition.UndecodableImage: (
        422,
        lambda e: str(UNDECODABLE.get(e.reason) or _("This file is not an image, or is damaged.")),
    ),
    recognition.UnsupportedFormat: (
        422,
        lambda e: (
            _("Images in %(format)s are not accepted. Accepted formats: %(allowed)s.")
            % {"format": e.format, "allowed": ", ".join(e.allowed)}
        ),
    ),
    recognition.Busy: (503, lambda _e: _("Too many images are being processed. Try again in a moment.")),
    recognition.ModelUnavailable: (503, lambda _e: _("The recognition models are not installed. Ask the operator.")),
    recognition.RecognitionError: (422, lambda _e: _("The image cannot be used.")),
    ValidationError: (400, lambda e: " ".join(e.messages)),
}


def explain(error: Exception) -> tuple[int, str]:
    """Return the status and the sentence of an error of FAMILIES."""
    status, sentence = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    return status, sentence(error)
