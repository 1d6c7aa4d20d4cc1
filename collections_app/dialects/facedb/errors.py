"""NEXTK's error codes (contract 2.1). HTTP status 200 (decision N5), or 401 without a valid key (decision N6)."""

from collections.abc import Mapping

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, reason, translate
from recognition import errors as recognition
from tenants import errors as tenants

_BAD_PATH = Answer(200, 10, "API_URI_PATH_ERROR")
_BAD_REQUEST = Answer(200, 11, "API_REQUEST_DATA_FORMAT_ERROR")  # decision N4
_NOT_SUPPORTED = Answer(200, 12, "NOT_SUPPORT_FUNCTION")
_UNKNOWN_LICENSE = Answer(401, 20, "INVALID_LICENSE")
_INVALID_LICENSE = Answer(200, 20, "INVALID_LICENSE")
_EXPIRED_LICENSE = Answer(200, 21, "EXPIRED_LICENSE")
_USED_UP = Answer(200, 25, "CHANNEL_LICENSE_EXCEEDED")  # the only code for exceeded limits
_NO_CREATION = Answer(200, 100, "FAIL_CREATE_COMPUTING_NODE")
_TIMEOUT = Answer(200, 502, "REQUEST_TIMEOUT")
_NO_NODE = Answer(200, 503, "NOT_FOUND_COMPUTING_NODE")
_NO_DETECTOR = Answer(200, 507, "FACE_DETECTOR_NOT_SET")  # decision N3


class Unsupported(Exception):
    """The contract's function is not offered here."""


ANSWERS: Mapping[type[Exception], Answer] = {
    tenants.MissingKey: _UNKNOWN_LICENSE,
    tenants.UnknownKey: _UNKNOWN_LICENSE,
    tenants.StaleSignature: _UNKNOWN_LICENSE,
    tenants.RevokedKey: _UNKNOWN_LICENSE,
    tenants.ExpiredKey: _EXPIRED_LICENSE,
    tenants.AddressRefused: _INVALID_LICENSE,
    tenants.CaptureNotFound: _BAD_REQUEST,
    tenants.CaptureUnusable: _BAD_REQUEST,
    tenants.KeyNotFound: _BAD_REQUEST,
    tenants.InvitationUnusable: _BAD_REQUEST,
    tenants.MemberNotFound: _BAD_REQUEST,
    tenants.TenantNotFound: _BAD_REQUEST,
    tenants.OwnerNeeded: _BAD_REQUEST,
    tenants.TenantSuspended: _INVALID_LICENSE,
    tenants.ScopeMissing: _NOT_SUPPORTED,
    tenants.ReachTooNarrow: _NOT_SUPPORTED,
    tenants.QuotaExceeded: _USED_UP,
    tenants.TooManyRequests: _TIMEOUT,
    tenants.SealBroken: _TIMEOUT,
    tenants.SignatureBroken: _TIMEOUT,
    tenants.MasterKeyUnusable: _TIMEOUT,
    collections.CollectionNotFound: _NO_NODE,
    collections.CollectionDeleted: _NO_NODE,
    collections.CollectionExists: _NO_CREATION,
    collections.CollectionFull: _USED_UP,
    collections.FaceNotFound: _BAD_REQUEST,
    collections.PersonNotFound: _BAD_REQUEST,
    collections.ProbingRefused: _TIMEOUT,
    collections.DuplicateFace: _BAD_REQUEST,
    collections.InvalidRequest: _BAD_REQUEST,
    collections.Unavailable: _TIMEOUT,
    collections.ImageRefused: _BAD_REQUEST,
    collections.ImageUrlRefused: _BAD_REQUEST,
    collections.ImageUrlTimeout: _TIMEOUT,
    collections.ConsentRequired: _BAD_REQUEST,
    collections.EnrolmentBarred: _BAD_REQUEST,
    # Raised by operations of the native API only.
    collections.JobNotFound: _BAD_REQUEST,
    collections.JobOver: _BAD_REQUEST,
    collections.FileChanged: _BAD_REQUEST,
    collections.ChallengeUnusable: _BAD_REQUEST,
    collections.ReceiptNotFound: _BAD_REQUEST,
    collections.SearchNotFound: _BAD_REQUEST,
    collections.WebhookNotFound: _BAD_REQUEST,
    collections.ImageNotKept: _BAD_REQUEST,
    collections.PersonExists: _BAD_REQUEST,
    collections.KeyReused: _BAD_REQUEST,
    collections.KeyInUse: _BAD_REQUEST,
    collections.UnknownCursor: _BAD_REQUEST,
    recognition.ImageTooLarge: _BAD_REQUEST,
    recognition.ImageTooSmall: _BAD_REQUEST,
    recognition.UndecodableImage: _BAD_REQUEST,
    recognition.UnsupportedFormat: _BAD_REQUEST,
    recognition.NoFace: _BAD_REQUEST,
    recognition.Unrecognisable: _BAD_REQUEST,  # decision R20
    recognition.SeveralFaces: _BAD_REQUEST,
    recognition.LowQuality: _BAD_REQUEST,
    recognition.SpoofSuspected: _BAD_REQUEST,
    recognition.LivenessUnsure: _BAD_REQUEST,
    recognition.Busy: _TIMEOUT,
    recognition.ModelUnavailable: _NO_DETECTOR,
    recognition.UnknownPack: _NO_DETECTOR,
    recognition.TemplateNotFound: _BAD_REQUEST,
    PolicyError: _BAD_REQUEST,
    SuspiciousOperation: _BAD_REQUEST,
    drf.ValidationError: _BAD_REQUEST,
    drf.ParseError: _BAD_REQUEST,
    drf.UnsupportedMediaType: _BAD_REQUEST,
    drf.NotAuthenticated: _UNKNOWN_LICENSE,
    drf.AuthenticationFailed: _UNKNOWN_LICENSE,
    drf.PermissionDenied: _NOT_SUPPORTED,
    drf.Throttled: _TIMEOUT,
    drf.NotFound: _BAD_PATH,
    drf.MethodNotAllowed: _NOT_SUPPORTED,
    Unsupported: _NOT_SUPPORTED,
}

# The vendor's C# client numbers these codes higher by two than its documents; profile "client" (decision N3).
CLIENT_CODES: Mapping[int | str, int] = {507: 509}

# The text after the name of code 11 (decision N4), in the contract's terms.
DETAILS: Mapping[type[Exception], str] = {
    collections.PersonNotFound: "uuId: nobody has it",
    collections.DuplicateFace: "the face is registered under another uuId",
    collections.EnrolmentBarred: "uuId: is not to be registered in this node",
    collections.ConsentRequired: "the node asks for a reference to consent",
}


def answer(error: Exception, profile: str = "") -> Answer | None:
    """Return the error's answer with the profile's code."""
    found = translate(error, ANSWERS)
    if found and profile == "client":
        return Answer(found.status, CLIENT_CODES.get(found.code, found.code), found.text)
    return found


def internal() -> Answer:
    """Return the answer to an unexpected error."""
    return _TIMEOUT


def message(answer: Answer, error: Exception) -> str:
    """Return the code's name (decision N11), for code 11 followed by what is wrong with the request."""
    detail = _detail(error) if answer.code == _BAD_REQUEST.code else ""
    return f"{answer.text}: {detail}" if detail else answer.text


def _detail(error: Exception) -> str:
    if isinstance(error, collections.ImageRefused):
        return f"faceImages[{error.which}]: {_detail(error.reason)}"
    return translate(error, DETAILS) or reason(error)
