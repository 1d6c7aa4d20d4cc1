"""Argos Face ID's codes: 6010-6017 add, 6018-6023 delete, 6024-6029 list, 6030-6038 search, 6039-6040 access."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, translate
from recognition import errors as recognition
from tenants import errors as tenants

Endpoint: TypeAlias = Literal["add", "delete", "list", "search"]


def _each(status: int, **texts: tuple[int, str]) -> dict[str, Answer]:
    return {endpoint: Answer(status, *answer) for endpoint, answer in texts.items()}


def _all(status: int, code: int, text: str) -> dict[str, Answer]:
    return dict.fromkeys(("add", "delete", "list", "search", ""), Answer(status, code, text))


_FAIL = {
    "add": (6012, "Fail to add face."),
    "delete": (6023, "Fail to delete face."),
    "list": (6029, "Fail to get Face list"),
    "search": (6038, "Fail to search face"),
}
_UNSPECIFIED = _each(400, **_FAIL)
_BROKEN = _each(500, **_FAIL) | {"": Answer(500, 500, "Internal server error.")}
_LATER = _each(503, **_FAIL) | {"": Answer(503, 503, "Service unavailable.")}
_NO_ACCESS = _all(403, 6040, "Access Denied: API Key is unavailable.")
_NO_COLLECTION = _each(
    400,
    add=(6013, "Cannot find collection info."),
    delete=(6021, "Cannot find face data"),  # the contract has no "unknown collection" here (decision A12)
    list=(6027, "Cannot find collection info."),
    search=(6033, "Cannot find collection info."),
)
_DELETED = _each(
    400,
    add=(6014, "This collection is unavailable"),
    delete=(6020, "This collection is unavailable."),
    list=(6028, "This collection is unavailable."),
    search=(6034, "This collection is unavailable."),
)
_SPOOF = _each(
    400, add=(6015, "Failed to validate liveness of face"), search=(6035, "Failed to validate liveness of face")
)
_TOO_LARGE = _UNSPECIFIED | _each(
    400, add=(6016, "Image size is too large."), search=(6036, "Image size is too large.")
)
_NO_IMAGE = _UNSPECIFIED | _each(
    400, add=(6017, "Not supported image format."), search=(6037, "Not supported image format.")
)

# By error, then by endpoint; "" is an unknown path or method.
ANSWERS: Mapping[type[Exception], Mapping[str, Answer]] = {
    tenants.MissingKey: _all(403, 6039, "API Key is required."),
    tenants.UnknownKey: _NO_ACCESS,
    tenants.StaleSignature: _NO_ACCESS,
    tenants.RevokedKey: _NO_ACCESS,
    tenants.ExpiredKey: _NO_ACCESS,
    tenants.AddressRefused: _NO_ACCESS,
    tenants.CaptureNotFound: _UNSPECIFIED,
    tenants.CaptureUnusable: _UNSPECIFIED,
    tenants.KeyNotFound: _UNSPECIFIED,
    tenants.InvitationUnusable: _UNSPECIFIED,
    tenants.MemberNotFound: _UNSPECIFIED,
    tenants.TenantNotFound: _UNSPECIFIED,
    tenants.OwnerNeeded: _UNSPECIFIED,
    tenants.TenantSuspended: _NO_ACCESS,
    tenants.ScopeMissing: _NO_ACCESS,
    tenants.ReachTooNarrow: _NO_ACCESS,
    tenants.QuotaExceeded: _UNSPECIFIED,
    tenants.TooManyRequests: _UNSPECIFIED,
    tenants.SealBroken: _BROKEN,
    tenants.SignatureBroken: _BROKEN,
    tenants.MasterKeyUnusable: _BROKEN,
    collections.CollectionNotFound: _NO_COLLECTION,
    collections.CollectionDeleted: _DELETED,
    collections.CollectionExists: _UNSPECIFIED,
    collections.CollectionFull: _UNSPECIFIED,
    collections.FaceNotFound: _UNSPECIFIED | _each(400, delete=(6022, "The face Id is not exist.")),
    collections.PersonNotFound: _UNSPECIFIED,
    collections.ProbingRefused: _UNSPECIFIED,
    collections.DuplicateFace: _UNSPECIFIED,
    collections.InvalidRequest: _UNSPECIFIED,
    collections.Unavailable: _LATER,
    collections.ImageRefused: _UNSPECIFIED,
    collections.ImageUrlRefused: _UNSPECIFIED,
    collections.ImageUrlTimeout: _UNSPECIFIED,
    collections.ConsentRequired: _UNSPECIFIED,
    collections.EnrolmentBarred: _UNSPECIFIED,
    # Raised by operations of the native API only.
    collections.JobNotFound: _UNSPECIFIED,
    collections.JobOver: _UNSPECIFIED,
    collections.FileChanged: _UNSPECIFIED,
    collections.ChallengeUnusable: _UNSPECIFIED,
    collections.ReceiptNotFound: _UNSPECIFIED,
    collections.SearchNotFound: _UNSPECIFIED,
    collections.WebhookNotFound: _UNSPECIFIED,
    collections.ImageNotKept: _UNSPECIFIED,
    collections.PersonExists: _UNSPECIFIED,
    collections.KeyReused: _UNSPECIFIED,
    collections.KeyInUse: _UNSPECIFIED,
    collections.UnknownCursor: _UNSPECIFIED,
    recognition.ImageTooLarge: _TOO_LARGE,
    recognition.ImageTooSmall: _NO_IMAGE,
    recognition.UndecodableImage: _NO_IMAGE,
    recognition.UnsupportedFormat: _NO_IMAGE,
    recognition.NoFace: _UNSPECIFIED,
    recognition.Unrecognisable: _UNSPECIFIED,  # decision R20
    recognition.SeveralFaces: _UNSPECIFIED,
    recognition.LowQuality: _UNSPECIFIED,
    recognition.SpoofSuspected: _UNSPECIFIED | _SPOOF,
    recognition.LivenessUnsure: _UNSPECIFIED | _SPOOF,  # it was not validated; X-Reason says what to do
    recognition.Busy: _LATER,
    recognition.ModelUnavailable: _BROKEN,
    recognition.UnknownPack: _BROKEN,
    recognition.TemplateNotFound: _UNSPECIFIED,
    PolicyError: _UNSPECIFIED,
    SuspiciousOperation: _UNSPECIFIED | {"": Answer(400, 400, "Bad request.")},
    drf.NotAuthenticated: _all(403, 6039, "API Key is required."),
    drf.AuthenticationFailed: _NO_ACCESS,
    drf.PermissionDenied: _NO_ACCESS,
    drf.ParseError: _UNSPECIFIED,
    drf.UnsupportedMediaType: _UNSPECIFIED,
    drf.Throttled: _UNSPECIFIED,
    drf.NotFound: _all(404, 404, "Not found."),
    drf.MethodNotAllowed: _all(405, 405, "Method not allowed."),
}

_UNUSABLE = frozenset({"max_length", "unusable"})  # a text's error codes
# Each missing or wrong field has its own code (decisions A2, A5, A6, A13, A14).
FIELDS: Mapping[str, Mapping[str, Answer]] = {
    "add": {
        "collectionId": Answer(400, 6010, "CollectionId is required"),
        "faceImage": Answer(400, 6011, "WorkspaceId is required."),
    },
    "delete": {
        "collectionId": Answer(400, 6018, "CollectionId is required."),
        "faceId": Answer(400, 6019, "FaceId is required."),
    },
    "list": {
        "collectionId": Answer(400, 6024, "CollectionId is required."),
        "term": Answer(400, 6025, "The term length must be longer than 5"),
        "page": Answer(400, 6026, "Page number is required."),
    },
    "search": {
        "collectionId": Answer(400, 6030, "CollectionId is required."),
        "requestName": Answer(400, 6031, "RequestName is required."),
        "faceImage": Answer(400, 6032, "Invalid face image."),
    },
}


def answer(error: Exception, endpoint: Endpoint | None) -> Answer | None:
    """Return the endpoint's answer; of several wrong fields, the lowest code wins (decision A18).

    A name that is too long or holds control characters is there: its answer is not that it is required.
    """
    if isinstance(error, drf.ValidationError) and endpoint:
        codes: Any = error.get_codes() if isinstance(error.detail, dict) else {}
        wrong = [field for field, found in codes.items() if _UNUSABLE.isdisjoint(found)]
        known = [FIELDS[endpoint][field] for field in wrong if field in FIELDS[endpoint]]
        return min(known, key=lambda found: int(found.code), default=_UNSPECIFIED[endpoint])
    found = translate(error, ANSWERS)
    return found.get(endpoint or "") if found else None


def internal(endpoint: Endpoint | None) -> Answer:
    """Return the endpoint's unspecified error with status 500."""
    return _BROKEN[endpoint or ""]
