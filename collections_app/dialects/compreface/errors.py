"""CompreFace's error table: {message, code}, where the code is the vendor's number.

The vendor has no code for a limit, a scope or a policy: 26, its code for a value that cannot be, and 0, its code for
everything else, stand for them, with our reason as the message (decision C9).
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, first_problem, translate
from collections_app.dialects.base import reason as why
from recognition import errors as recognition
from tenants import errors as tenants

IMAGES = frozenset({"file", "source_image", "target_image"})  # the fields that hold images

_UNDEFINED = Answer(400, 0, "Something went wrong, please try again")
_INVALID = Answer(400, 26, "{why}")
_NO_FACE = Answer(400, 28, "No face is found in the given image")
_NO_SERVICE = Answer(404, 10, "{service} service with this API key not found: {why}")
_NO_IMAGE = Answer(404, 44, "Image {face} not found")
_NO_SUBJECT = Answer(404, 42, "Subject {person} not found")
_NOT_OFFERED = Answer(404, 0, "{why}")
_FAILED = Answer(500, 41, "Error during processing the image")
_LATER = Answer(503, 41, "{why}")
_TOO_MANY = Answer(429, 0, "{why}")
_NO_PATH = Answer(404, 0, "No message available")

# Placeholders are filled with the error's attributes; `why` is the platform's reason.
ANSWERS: Mapping[type[Exception], Answer] = {
    tenants.MissingKey: Answer(400, 20, "Missing header: x-api-key"),
    tenants.UnknownKey: _NO_SERVICE,
    tenants.RevokedKey: _NO_SERVICE,
    tenants.ExpiredKey: _NO_SERVICE,
    tenants.AddressRefused: _NO_SERVICE,
    tenants.StaleSignature: _NO_SERVICE,  # never happens: clients do not sign
    tenants.CaptureNotFound: _NOT_OFFERED,
    tenants.CaptureUnusable: _NOT_OFFERED,
    tenants.KeyNotFound: _NOT_OFFERED,
    tenants.InvitationUnusable: _NOT_OFFERED,
    tenants.MemberNotFound: _NOT_OFFERED,
    tenants.TenantNotFound: _NOT_OFFERED,
    tenants.OwnerNeeded: _NOT_OFFERED,
    tenants.TenantSuspended: _NO_SERVICE,
    tenants.ScopeMissing: _NO_SERVICE,
    tenants.ReachTooNarrow: _NO_SERVICE,
    tenants.QuotaExceeded: _INVALID,
    tenants.TooManyRequests: _TOO_MANY,
    tenants.SealBroken: _FAILED,
    tenants.SignatureBroken: _FAILED,
    tenants.MasterKeyUnusable: _FAILED,
    collections.CollectionNotFound: _NO_SERVICE,
    collections.CollectionDeleted: _NO_SERVICE,
    collections.CollectionExists: _INVALID,
    collections.CollectionFull: _INVALID,
    collections.FaceNotFound: _NO_IMAGE,
    collections.PersonNotFound: _NO_SUBJECT,
    collections.PersonExists: Answer(400, 43, "Subject already exists"),
    collections.ProbingRefused: _TOO_MANY,
    collections.DuplicateFace: _INVALID,
    collections.InvalidRequest: _INVALID,
    collections.Unavailable: _LATER,
    collections.ImageRefused: _UNDEFINED,  # answered as its reason
    collections.ImageUrlRefused: _UNDEFINED,  # never happens: there is no URL input
    collections.ImageUrlTimeout: _UNDEFINED,
    collections.ConsentRequired: _INVALID,
    collections.EnrolmentBarred: _INVALID,
    # Raised by operations of the native API only.
    collections.JobNotFound: _NOT_OFFERED,
    collections.JobOver: _NOT_OFFERED,
    collections.FileChanged: _NOT_OFFERED,
    collections.ChallengeUnusable: _NOT_OFFERED,
    collections.ReceiptNotFound: _NOT_OFFERED,
    collections.SearchNotFound: _NOT_OFFERED,
    collections.WebhookNotFound: _NOT_OFFERED,
    collections.ImageNotKept: _NOT_OFFERED,
    collections.KeyReused: _NOT_OFFERED,
    collections.KeyInUse: _NOT_OFFERED,
    collections.UnknownCursor: _NOT_OFFERED,
    recognition.ImageTooLarge: _UNDEFINED,
    recognition.ImageTooSmall: _NO_FACE,
    recognition.UndecodableImage: _NO_FACE,
    recognition.UnsupportedFormat: Answer(400, 21, "File [{format}] has an unavailable extension"),
    recognition.NoFace: _NO_FACE,
    recognition.Unrecognisable: _NO_FACE,  # decision R20
    recognition.SeveralFaces: Answer(400, 31, "More than one face in the source image"),
    recognition.LowQuality: _NO_FACE,
    recognition.SpoofSuspected: _NO_FACE,
    recognition.LivenessUnsure: _NO_FACE,
    recognition.Busy: _LATER,
    recognition.ModelUnavailable: _FAILED,
    recognition.UnknownPack: _FAILED,
    recognition.TemplateNotFound: _NO_IMAGE,
    PolicyError: _INVALID,
    SuspiciousOperation: _UNDEFINED,
    drf.ParseError: _UNDEFINED,
    drf.UnsupportedMediaType: Answer(415, 0, "{why}"),
    drf.NotAuthenticated: Answer(400, 20, "Missing header: x-api-key"),
    drf.AuthenticationFailed: _NO_SERVICE,
    drf.PermissionDenied: _NO_SERVICE,
    drf.Throttled: _TOO_MANY,
    drf.NotFound: _NO_PATH,
    drf.MethodNotAllowed: _NO_PATH,
}

_EMPTY = Answer(400, 5, "Field {field} cannot be empty")
_NO_PARAMETER = Answer(400, 33, "Required parameter {field} is missing")
_NO_PART = Answer(400, 34, "Required part {field} is missing")
_NO_BASE64 = Answer(400, 21, "Provided value is not Base64")
_VALUE = Answer(400, 26, "{problem}")
FIELDS = (_NO_PARAMETER, _NO_PART, _EMPTY, _VALUE, _NO_BASE64, _NO_FACE, _UNDEFINED)  # of several, the first answers

# By the error codes of the fields in `wire`; any other is _UNDEFINED, as for a number that is none.
_BY_CODE: Mapping[str, Answer] = {
    "required": _NO_PARAMETER,
    "null": _NO_PARAMETER,
    "empty": _EMPTY,
    "blank": _VALUE,
    "min_value": _VALUE,
    "size": _VALUE,
    "characters": _VALUE,
    "unusable": _VALUE,
    "share": _NO_FACE,
}
_OF_IMAGE: Mapping[str, Answer] = {"invalid": _NO_BASE64, "empty": _NO_FACE}


def answer(error: Exception, *, form: bool) -> Answer | None:
    """Return the error's answer; `form`: the request was a multipart form, whose images are parts."""
    if isinstance(error, collections.ImageRefused):
        return answer(error.reason, form=form)
    if isinstance(error, drf.ValidationError):
        return _of_fields(error.detail, form=form)
    return translate(error, ANSWERS)


def internal() -> Answer:
    """Return the answer to an unexpected error."""
    return _FAILED


def message(answer: Answer, error: Exception, service: str) -> str:
    """Fill the answer's text with the error's attributes, the platform's reason and the name of the service."""
    inner = error.reason if isinstance(error, collections.ImageRefused) else error
    return answer.text.format_map({**vars(inner), "why": why(error), "service": service.capitalize()})


def _of_fields(wrong: Any, *, form: bool) -> Answer:
    """Return the answer to wrong fields, with its text filled."""
    answers = [_of_field(field, *first_problem(detail)[1:], form=form) for field, detail in wrong.items()]
    chosen, field, problem = min(answers, key=lambda one: FIELDS.index(one[0]))
    text = chosen.text.format(field=field, problem=problem).replace("{", "{{").replace("}", "}}")
    return Answer(chosen.status, chosen.code, text)


def _of_field(field: str, problem: str, code: str, *, form: bool) -> tuple[Answer, str, str]:
    if field in IMAGES:
        missing = _NO_PART if form else _EMPTY
        return missing if code in {"required", "null"} else _OF_IMAGE.get(code, _UNDEFINED), field, ""
    return _BY_CODE.get(code, _UNDEFINED), field, problem
