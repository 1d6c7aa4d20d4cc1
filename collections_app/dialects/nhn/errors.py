"""NHN Face Recognition's codes: every response is HTTP 200, and the envelope's header has the result.

There are three generations of the contract. The pre-release guide uses -40000 and -45000 for many messages; v1.0 in
production has a code for each. The messages are the same, so a client that reads them works with both (H1). v2.0 has
another code for a wrong key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, translate
from recognition import errors as recognition
from tenants import errors as tenants

Generation: TypeAlias = Literal["prerelease", "current", "v2.0"]
ByGeneration: TypeAlias = Mapping[Generation, Answer]

_IMAGE_CODE = -45000


def _answers(prerelease: int, current: int, text: str, current_text: str = "") -> ByGeneration:
    today = Answer(200, current, current_text or text)
    return {"prerelease": Answer(200, prerelease, text), "current": today, "v2.0": today}


_INVALID = _answers(-40000, -40000, "InvalidParam")
_BAD_GROUP_ID = _answers(-40000, -40010, "InvalidGroupID")
_NO_GROUP = _answers(-40000, -40030, "NotFoundGroupError")
_BAD_TOKEN = _answers(-40000, -40040, "InvalidTokenError")
_NO_FACE_ID = _answers(-40000, -40050, "NotFoundFaceIDError")
_QUOTA = _answers(-40000, -40070, "InvalidParam", "ServiceQuotaExceededException")  # no quota in the pre-release guide
_NO_ACCESS = {  # the only code for a wrong key (H3)
    **_answers(-41000, -41000, "UnauthorizedAppKey"),
    "v2.0": Answer(200, -41005, "UnauthorizedAppKeyOrSecretKey"),
}
_TOO_LARGE = _answers(_IMAGE_CODE, -45020, "ImageTooLargeException")
_NO_BASE64 = _answers(_IMAGE_CODE, -45030, "InvalidImageFormatException", "InvalidImageBytesException")  # H18
_FORMAT = _answers(_IMAGE_CODE, -45040, "InvalidImageFormatException")
_URL = _answers(_IMAGE_CODE, -45050, "InvalidImageURLException")
_NO_FILE = _answers(_IMAGE_CODE, -45080, "InvalidImageFileException")
_TIMEOUT = _answers(_IMAGE_CODE, -45060, "ImageTimeoutError")
_INTERNAL = _answers(-50000, -50000, "InternalServerError")

ANSWERS: Mapping[type[Exception], ByGeneration] = {
    tenants.MissingKey: _NO_ACCESS,
    tenants.UnknownKey: _NO_ACCESS,
    tenants.StaleSignature: _NO_ACCESS,
    tenants.RevokedKey: _NO_ACCESS,
    tenants.ExpiredKey: _NO_ACCESS,
    tenants.AddressRefused: _NO_ACCESS,
    tenants.CaptureNotFound: _INVALID,
    tenants.CaptureUnusable: _INVALID,
    tenants.KeyNotFound: _INVALID,
    tenants.InvitationUnusable: _INVALID,
    tenants.MemberNotFound: _INVALID,
    tenants.TenantNotFound: _INVALID,
    tenants.OwnerNeeded: _INVALID,
    tenants.TenantSuspended: _NO_ACCESS,
    tenants.ScopeMissing: _NO_ACCESS,
    tenants.ReachTooNarrow: _NO_ACCESS,
    tenants.QuotaExceeded: _QUOTA,
    tenants.TooManyRequests: _INTERNAL,  # no code means "later"; clients retry after this one
    tenants.SealBroken: _INTERNAL,
    tenants.SignatureBroken: _INTERNAL,
    tenants.MasterKeyUnusable: _INTERNAL,
    collections.CollectionNotFound: _NO_GROUP,
    collections.CollectionDeleted: _NO_GROUP,
    collections.CollectionExists: _answers(-40000, -40020, "DuplicatedGroupID"),
    collections.CollectionFull: _QUOTA,  # no face was stored; if some were, wire.base.PARTIAL is the answer
    collections.FaceNotFound: _NO_FACE_ID,
    collections.PersonNotFound: _NO_FACE_ID,
    collections.ProbingRefused: _INTERNAL,  # as TooManyRequests
    collections.DuplicateFace: _INVALID,  # our policy; the contract has no code for it
    collections.InvalidRequest: _INVALID,
    collections.Unavailable: _INTERNAL,  # as TooManyRequests
    collections.ImageRefused: _FORMAT,  # see `answer`: its reason decides
    collections.ImageUrlRefused: _URL,
    collections.ImageUrlTimeout: _TIMEOUT,
    collections.ConsentRequired: _INVALID,
    collections.EnrolmentBarred: _INVALID,
    # Raised by operations of the native API only.
    collections.JobNotFound: _INVALID,
    collections.JobOver: _INVALID,
    collections.FileChanged: _INVALID,
    collections.ChallengeUnusable: _INVALID,
    collections.ReceiptNotFound: _INVALID,
    collections.SearchNotFound: _INVALID,
    collections.WebhookNotFound: _INVALID,
    collections.ImageNotKept: _INVALID,
    collections.PersonExists: _INVALID,
    collections.KeyReused: _INVALID,
    collections.KeyInUse: _INVALID,
    collections.UnknownCursor: _INVALID,
    recognition.ImageTooLarge: _TOO_LARGE,
    recognition.ImageTooSmall: _INVALID,  # H20
    recognition.UndecodableImage: _FORMAT,
    recognition.UnsupportedFormat: _FORMAT,
    recognition.NoFace: _INVALID,  # H17
    recognition.Unrecognisable: _INVALID,  # decision R20
    recognition.SeveralFaces: _INVALID,
    recognition.LowQuality: _INVALID,  # our policy, as is the next
    recognition.SpoofSuspected: _INVALID,
    recognition.LivenessUnsure: _INVALID,
    recognition.Busy: _INTERNAL,  # as TooManyRequests
    recognition.ModelUnavailable: _INTERNAL,
    recognition.UnknownPack: _INTERNAL,
    recognition.TemplateNotFound: _NO_FACE_ID,
    PolicyError: _INVALID,
    SuspiciousOperation: _INVALID,
    drf.ValidationError: _INVALID,
    drf.ParseError: _INVALID,
    drf.UnsupportedMediaType: _INVALID,
    drf.NotAuthenticated: _NO_ACCESS,
    drf.AuthenticationFailed: _NO_ACCESS,
    drf.PermissionDenied: _NO_ACCESS,
    drf.Throttled: _INTERNAL,
    drf.NotFound: _INVALID,  # no code means "unknown path or method"
    drf.MethodNotAllowed: _INVALID,
}

# Field errors that are not InvalidParam, by the error code that the fields of `wire` raise.
FIELDS: Mapping[str, ByGeneration] = {
    "group_id": _BAD_GROUP_ID,  # H10
    "token": _BAD_TOKEN,  # H13
    "base64": _NO_BASE64,  # H18
    "file": _NO_FILE,  # H29
}

# The answer to an aligned crop of another size (contract 3.5).
CROP = _answers(_IMAGE_CODE, -45070, "InvalidImageSizeException")


def of_profile(profile: str) -> Generation:
    """Return the generation of v1.0 that a tenant's profile of this dialect selects."""
    return "prerelease" if profile == "prerelease" else "current"


def answer(error: Exception, generation: Generation) -> Answer | None:
    """Return the error's answer in that generation of the contract."""
    if isinstance(error, collections.ImageRefused):
        refused = answer(error.reason, generation)
        return refused and _of_image(refused, error.which)
    if isinstance(error, drf.ValidationError):
        return _of_fields(error, generation)
    found = translate(error, ANSWERS)
    return found[generation] if found else None


def internal(generation: Generation) -> Answer:
    """Return the answer to an unexpected error."""
    return _INTERNAL[generation]


def _of_fields(error: drf.ValidationError, generation: Generation) -> Answer:
    """Return InvalidParam unless all wrong fields have the same error code and FIELDS knows it."""
    wrong = list(_wrong(error.get_codes()))
    codes = {code for _, code in wrong}
    known = FIELDS.get(codes.pop()) if len(codes) == 1 else None
    if known is None:
        return _INVALID[generation]
    return _of_image(known[generation], wrong[0][0].removesuffix("Image"))


def _wrong(codes: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield the codes of a ValidationError, each with the name of its outermost field."""
    if isinstance(codes, Mapping):
        for name, inner in codes.items():
            yield from _wrong(inner, field or str(name))
    elif isinstance(codes, list):
        for inner in codes:
            yield from _wrong(inner, field)
    else:
        yield field, codes


def _of_image(refused: Answer, which: str) -> Answer:
    """Name which of two images it is, as the pre-release guide does: "Image…Exception:Source" (decision H8)."""
    if refused.code != _IMAGE_CODE or which not in {"source", "target"}:
        return refused
    return replace(refused, text=f"Image{refused.text}:{which.capitalize()}")
