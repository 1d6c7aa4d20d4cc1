"""AccuAuth's error table: each status word has one HTTP status; `reason` has the details."""

from collections.abc import Mapping

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, translate
from collections_app.dialects.base import reason as why
from recognition import errors as recognition
from tenants import errors as tenants


def _invalid(reason: str) -> Answer:
    return Answer(400, "INVALID_ARGUMENT", reason)


_UNAUTHORIZED = Answer(401, "UNAUTHORIZED", "access is denied")
_RATE = Answer(403, "RATE_LIMIT_EXCEEDED", "API request frequency exceeds the limit")  # not 429 (decision F9)
_NO_SET = _invalid("db not exist")  # decision F3
_DOWNLOAD = Answer(400, "DOWNLOAD_ERROR", "image download failed")  # never happens: there is no URL input (decision F6)
_NO_API = Answer(404, "NOT_FOUND", "requested API cannot be found")
_INTERNAL = Answer(500, "INTERNAL_ERROR", "internal server error")
_LATER = Answer(500, "INTERNAL_ERROR", "the service is busy, try again")  # the table has no 503

# Placeholders are filled with the error's attributes. Decisions F3, F4, F5 and F9.
ANSWERS: Mapping[type[Exception], Answer] = {
    tenants.MissingKey: _UNAUTHORIZED,
    tenants.UnknownKey: _UNAUTHORIZED,
    tenants.StaleSignature: _UNAUTHORIZED,
    tenants.RevokedKey: _UNAUTHORIZED,
    tenants.ExpiredKey: Answer(401, "KEY_EXPIRED", "your API ID has expired"),
    tenants.AddressRefused: Answer(403, "NO_PERMISSION", "the API ID may not be used from {address}"),
    tenants.CaptureNotFound: _invalid("unsupported operation"),
    tenants.CaptureUnusable: _invalid("unsupported operation"),
    tenants.KeyNotFound: _invalid("key not exist"),
    tenants.InvitationUnusable: _invalid("invitation not exist"),
    tenants.MemberNotFound: _invalid("member not exist"),
    tenants.TenantNotFound: _invalid("tenant not exist"),
    tenants.OwnerNeeded: _invalid("owner needed"),
    tenants.TenantSuspended: Answer(403, "NO_PERMISSION", "the account is suspended"),
    tenants.ScopeMissing: Answer(403, "NO_PERMISSION", "the API ID lacks the permission {scope}"),
    tenants.ReachTooNarrow: Answer(403, "NO_PERMISSION", "the API ID reaches some sets only"),
    tenants.QuotaExceeded: Answer(403, "OUT_OF_QUOTA", "quota exceeded: at most {limit} {quota}"),
    tenants.TooManyRequests: _RATE,
    tenants.SealBroken: _INTERNAL,
    tenants.SignatureBroken: _INTERNAL,
    tenants.MasterKeyUnusable: _INTERNAL,
    collections.CollectionNotFound: _NO_SET,
    collections.CollectionDeleted: _NO_SET,
    collections.CollectionExists: _invalid("face db {name} already exist"),
    collections.CollectionFull: Answer(403, "OUT_OF_QUOTA", "face db is full: it holds {limit} faces"),
    collections.FaceNotFound: _invalid("face not exist"),
    collections.PersonNotFound: _invalid("person not exist"),
    collections.ProbingRefused: _RATE,
    collections.DuplicateFace: _invalid("face already exist"),
    collections.InvalidRequest: _invalid("{field}: {problem}"),
    collections.Unavailable: _LATER,
    collections.ImageRefused: _invalid("{why}"),
    collections.ImageUrlRefused: _DOWNLOAD,
    collections.ImageUrlTimeout: _DOWNLOAD,
    collections.ConsentRequired: _invalid("consent is required"),
    collections.EnrolmentBarred: _invalid("person must not be added to face db"),
    # Raised by operations of the native API only.
    collections.JobNotFound: _invalid("unsupported operation"),
    collections.JobOver: _invalid("unsupported operation"),
    collections.FileChanged: _invalid("unsupported operation"),
    collections.ChallengeUnusable: _invalid("unsupported operation"),
    collections.ReceiptNotFound: _invalid("unsupported operation"),
    collections.SearchNotFound: _invalid("unsupported operation"),
    collections.WebhookNotFound: _invalid("unsupported operation"),
    collections.ImageNotKept: _invalid("unsupported operation"),
    collections.PersonExists: _invalid("person already exist"),
    collections.KeyReused: _invalid("unsupported operation"),
    collections.KeyInUse: _invalid("unsupported operation"),
    collections.UnknownCursor: _invalid("unsupported operation"),
    recognition.ImageTooLarge: _invalid("image is {why}"),
    recognition.ImageTooSmall: _invalid("{why}"),
    recognition.UndecodableImage: _invalid("{why}"),
    recognition.UnsupportedFormat: _invalid("{why}"),
    recognition.NoFace: _invalid("no face detected"),
    recognition.Unrecognisable: _invalid("no face detected"),  # decision R20
    recognition.SeveralFaces: _invalid("{count} faces detected"),
    recognition.LowQuality: _invalid("{why}"),
    recognition.SpoofSuspected: _invalid("liveness check failed"),
    recognition.LivenessUnsure: _invalid("liveness check is unsure: {advice}"),
    recognition.Busy: _LATER,
    recognition.ModelUnavailable: _INTERNAL,
    recognition.UnknownPack: _INTERNAL,
    recognition.TemplateNotFound: _invalid("face not exist"),
    PolicyError: _invalid("{why}"),
    SuspiciousOperation: _invalid("malformed request: {why}"),
    drf.ValidationError: _invalid("{why}"),
    drf.ParseError: _invalid("malformed request: {why}"),
    drf.UnsupportedMediaType: _invalid("{why}"),
    drf.NotAuthenticated: _UNAUTHORIZED,
    drf.AuthenticationFailed: _UNAUTHORIZED,
    drf.PermissionDenied: Answer(403, "NO_PERMISSION", "you are not authorized to use this API"),
    drf.Throttled: _RATE,
    drf.NotFound: _NO_API,
    drf.MethodNotAllowed: _NO_API,  # the table has no 405
}


def answer(error: Exception) -> Answer | None:
    """Return the error's answer."""
    return translate(error, ANSWERS)


def internal() -> Answer:
    """Return the answer to an unexpected error."""
    return _INTERNAL


def reason(answer: Answer, error: Exception) -> str:
    """Fill the answer's text with the error's attributes, and `why` with the platform's reason."""
    return answer.text.format_map({**vars(error), "why": why(error)})
