"""NHN Face Recognition's codes: every answer is HTTP 200, and the envelope's header says how it went.

The contract was written twice. The pre-release guide shares -40000 and -45000 among many messages; what the vendor runs
today gives each a code of its own. The messages are the same: a client that reads them works with both (decision H1).
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

Profile: TypeAlias = Literal["prerelease", "current"]
ByProfile: TypeAlias = Mapping[Profile, Answer]

_IMAGE_CODE = -45000


def _answers(prerelease: int, current: int, text: str, current_text: str = "") -> ByProfile:
    return {"prerelease": Answer(200, prerelease, text), "current": Answer(200, current, current_text or text)}


_INVALID = _answers(-40000, -40000, "InvalidParam")
_BAD_GROUP_ID = _answers(-40000, -40010, "InvalidGroupID")
_NO_GROUP = _answers(-40000, -40030, "NotFoundGroupError")
_BAD_TOKEN = _answers(-40000, -40040, "InvalidTokenError")
_NO_FACE_ID = _answers(-40000, -40050, "NotFoundFaceIDError")
_QUOTA = _answers(-40000, -40070, "InvalidParam", "ServiceQuotaExceededException")  # the pre-release guide has no quota
_NO_ACCESS = _answers(-41000, -41000, "UnauthorizedAppKey")  # the one code for whatever is wrong with a key (H3)
_TOO_LARGE = _answers(_IMAGE_CODE, -45020, "ImageTooLargeException")
_NO_BASE64 = _answers(_IMAGE_CODE, -45030, "InvalidImageFormatException", "InvalidImageBytesException")  # H18
_FORMAT = _answers(_IMAGE_CODE, -45040, "InvalidImageFormatException")
_URL = _answers(_IMAGE_CODE, -45050, "InvalidImageURLException")
_TIMEOUT = _answers(_IMAGE_CODE, -45060, "ImageTimeoutError")
_INTERNAL = _answers(-50000, -50000, "InternalServerError")

ANSWERS: Mapping[type[Exception], ByProfile] = {
    tenants.MissingKey: _NO_ACCESS,
    tenants.UnknownKey: _NO_ACCESS,
    tenants.RevokedKey: _NO_ACCESS,
    tenants.ExpiredKey: _NO_ACCESS,
    tenants.AddressRefused: _NO_ACCESS,
    tenants.KeyNotFound: _INVALID,
    tenants.InvitationUnusable: _INVALID,
    tenants.MemberNotFound: _INVALID,
    tenants.OwnerNeeded: _INVALID,
    tenants.TenantSuspended: _NO_ACCESS,
    tenants.ScopeMissing: _NO_ACCESS,
    tenants.ReachTooNarrow: _NO_ACCESS,
    tenants.QuotaExceeded: _QUOTA,
    tenants.TooManyRequests: _INTERNAL,  # no code says "later"; this is the one that clients try again after
    tenants.SealBroken: _INTERNAL,
    tenants.SignatureBroken: _INTERNAL,
    tenants.MasterKeyUnusable: _INTERNAL,
    collections.CollectionNotFound: _NO_GROUP,
    collections.CollectionDeleted: _NO_GROUP,
    collections.CollectionExists: _answers(-40000, -40020, "DuplicatedGroupID"),
    collections.CollectionFull: _QUOTA,  # all faces or none are stored, so 40070, partial success, never comes
    collections.FaceNotFound: _NO_FACE_ID,
    collections.PersonNotFound: _NO_FACE_ID,
    collections.DuplicateFace: _INVALID,  # a policy of ours; the contract has no word for it
    collections.InvalidRequest: _INVALID,
    collections.Unavailable: _INTERNAL,  # as TooManyRequests
    collections.ImageRefused: _FORMAT,  # answered by its reason, below
    collections.ImageUrlRefused: _URL,
    collections.ImageUrlTimeout: _TIMEOUT,
    collections.ConsentRequired: _INVALID,
    collections.EnrolmentBarred: _INVALID,
    # What only the native API asks for.
    collections.JobNotFound: _INVALID,
    collections.ReceiptNotFound: _INVALID,
    collections.SearchNotFound: _INVALID,
    collections.WebhookNotFound: _INVALID,
    collections.ImageNotKept: _INVALID,
    collections.KeyReused: _INVALID,
    collections.KeyInUse: _INVALID,
    collections.UnknownCursor: _INVALID,
    recognition.ImageTooLarge: _TOO_LARGE,
    recognition.ImageTooSmall: _INVALID,  # H20
    recognition.UndecodableImage: _FORMAT,
    recognition.UnsupportedFormat: _FORMAT,
    recognition.NoFace: _INVALID,  # H17
    recognition.SeveralFaces: _INVALID,
    recognition.LowQuality: _INVALID,  # a policy of ours, as is the next
    recognition.SpoofSuspected: _INVALID,
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
    drf.NotFound: _INVALID,  # no code says that there is no such path or method
    drf.MethodNotAllowed: _INVALID,
}

# What a wrong field is called where that is not InvalidParam, by the code that the fields of wire give it.
FIELDS: Mapping[str, ByProfile] = {
    "group_id": _BAD_GROUP_ID,  # H10
    "token": _BAD_TOKEN,  # H13
    "base64": _NO_BASE64,  # H18
}


def profile(word: str | None) -> Profile:
    """Return the generation of the contract that the tenant's setting names; the pre-release one unless "current"."""
    return "current" if word == "current" else "prerelease"


def answer(error: Exception, profile: Profile) -> Answer | None:
    """Return the error's answer in that generation of the contract."""
    if isinstance(error, collections.ImageRefused):
        refused = answer(error.reason, profile)
        return refused and _of_image(refused, error.which)
    if isinstance(error, drf.ValidationError):
        return _of_fields(error, profile)
    found = translate(error, ANSWERS)
    return found[profile] if found else None


def internal(profile: Profile) -> Answer:
    """Return the answer to what nobody foresaw."""
    return _INTERNAL[profile]


def _of_fields(error: drf.ValidationError, profile: Profile) -> Answer:
    """Answer InvalidParam unless every wrong field is wrong in the same way, and that way has a name."""
    wrong = list(_wrong(error.get_codes()))
    codes = {code for _, code in wrong}
    known = FIELDS.get(codes.pop()) if len(codes) == 1 else None
    if known is None:
        return _INVALID[profile]
    return _of_image(known[profile], wrong[0][0].removesuffix("Image"))


def _wrong(codes: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Walk the codes of a ValidationError; give each with the name of its outermost field."""
    if isinstance(codes, Mapping):
        for name, inner in codes.items():
            yield from _wrong(inner, field or str(name))
    elif isinstance(codes, list):
        for inner in codes:
            yield from _wrong(inner, field)
    else:
        yield field, codes


def _of_image(refused: Answer, which: str) -> Answer:
    """Say which of two images it is, where the pre-release guide does: "Image…Exception:Source" (decision H8)."""
    if refused.code != _IMAGE_CODE or which not in {"source", "target"}:
        return refused
    return replace(refused, text=f"Image{refused.text}:{which.capitalize()}")
