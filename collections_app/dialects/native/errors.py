"""The native API's errors: problem details (RFC 9457), each with a stable code."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, translate
from recognition import errors as recognition
from tenants import errors as tenants

_UNKNOWN_KEY = Answer(401, "unknown_key", "The key is unknown, or its secret is wrong.")
_NOT_ALLOWED = Answer(403, "not_allowed", "The key lacks the permission.")
_INVALID = Answer(422, "invalid_request", "A field is missing or invalid.")
_BROKEN = Answer(500, "internal_error", "An unexpected error occurred. It was logged.")

ANSWERS: Mapping[type[Exception], Answer] = {
    tenants.MissingKey: Answer(401, "missing_key", "Send your key in x-api-key, or as a bearer token."),
    tenants.UnknownKey: _UNKNOWN_KEY,
    tenants.StaleSignature: _UNKNOWN_KEY,
    tenants.RevokedKey: Answer(401, "revoked_key", "The key was revoked."),
    tenants.ExpiredKey: Answer(401, "expired_key", "The key has expired."),
    tenants.AddressRefused: Answer(403, "address_refused", "The key may not be used from this address."),
    tenants.CaptureNotFound: Answer(404, "capture_not_found", "There is no such capture."),
    tenants.CaptureUnusable: Answer(
        403, "capture_unusable", "The capture token was used, has expired, or is not for this."
    ),
    tenants.KeyNotFound: Answer(404, "key_not_found", "There is no such key."),
    tenants.InvitationUnusable: Answer(
        404, "invitation_unusable", "The invitation does not exist or is no longer open."
    ),
    tenants.TenantNotFound: Answer(404, "tenant_not_found", "There is no such tenant."),
    tenants.MemberNotFound: Answer(404, "member_not_found", "There is no such member."),
    tenants.OwnerNeeded: Answer(
        403, "owner_needed", "Only an owner can appoint or remove owners, and one must remain."
    ),
    tenants.TenantSuspended: Answer(403, "tenant_suspended", "The tenant is suspended."),
    tenants.ScopeMissing: _NOT_ALLOWED,
    tenants.ReachTooNarrow: Answer(
        403, "reach_too_narrow", "The key can access some collections only; this concerns the whole tenant."
    ),
    tenants.QuotaExceeded: Answer(403, "quota_exceeded", "A quota of the tenant is used up."),
    tenants.TooManyRequests: Answer(429, "too_many_requests", "The limit of requests is reached. Try again later."),
    tenants.SealBroken: _BROKEN,
    tenants.MasterKeyUnusable: _BROKEN,
    tenants.SignatureBroken: Answer(422, "signature_broken", "The document was changed, or was not signed here."),
    collections.CollectionNotFound: Answer(404, "collection_not_found", "There is no such collection."),
    collections.CollectionDeleted: Answer(404, "collection_deleted", "The collection was deleted."),
    collections.CollectionExists: Answer(409, "collection_exists", "A collection of this name already exists."),
    collections.CollectionFull: Answer(409, "collection_full", "The collection is full."),
    collections.FaceNotFound: Answer(404, "face_not_found", "There is no such face."),
    collections.PersonNotFound: Answer(404, "person_not_found", "There is no such person."),
    collections.JobNotFound: Answer(404, "job_not_found", "There is no such job."),
    collections.JobOver: Answer(409, "job_over", "The job's state does not allow this."),
    collections.FileChanged: Answer(409, "file_changed", "The part does not continue what the job has received."),
    collections.ChallengeUnusable: Answer(
        409, "challenge_unusable", "The challenge is unknown, was answered before, or has expired."
    ),
    collections.ReceiptNotFound: Answer(404, "receipt_not_found", "There is no such receipt."),
    collections.SearchNotFound: Answer(404, "search_not_found", "There is no such search."),
    collections.WebhookNotFound: Answer(404, "webhook_not_found", "There is no such webhook."),
    collections.ImageNotKept: Answer(404, "image_not_kept", "The face's image was not kept."),
    collections.DuplicateFace: Answer(
        409, "duplicate_face", "The collection already has this face under another person."
    ),
    collections.ProbingRefused: Answer(429, "probing_refused", "The key has asked about one face too often."),
    collections.ConsentRequired: Answer(422, "consent_required", "The collection requires a reference to consent."),
    collections.EnrolmentBarred: Answer(409, "do_not_enrol", "The person is on the collection's do-not-enrol list."),
    collections.PersonExists: _INVALID,
    collections.KeyReused: Answer(422, "idempotency_key_reused", "The key was already used for a different request."),
    collections.KeyInUse: Answer(
        409, "idempotency_key_in_use", "The first request with this key is still in progress."
    ),
    collections.UnknownCursor: Answer(422, "unknown_cursor", "The cursor is not valid for this list."),
    collections.Unavailable: Answer(503, "unavailable", "A part of the service is unavailable. Try again."),
    collections.InvalidRequest: _INVALID,
    collections.ImageUrlRefused: Answer(422, "image_url_refused", "The image cannot be fetched from the URL."),
    collections.ImageUrlTimeout: Answer(422, "image_url_timeout", "The image's server took too long."),
    collections.ImageRefused: Answer(422, "image_refused", "One of the images cannot be used."),
    recognition.ImageTooLarge: Answer(413, "image_too_large", "The image or the request is too large."),
    recognition.ImageTooSmall: Answer(422, "image_too_small", "The image is too small."),
    recognition.UndecodableImage: Answer(422, "undecodable_image", "The image is damaged, or not an image."),
    recognition.UnsupportedFormat: Answer(415, "unsupported_format", "Send an image in a format that is allowed."),
    recognition.NoFace: Answer(422, "no_face", "The image shows no face."),
    recognition.Unrecognisable: Answer(422, "no_face", "The image shows no face."),  # decision R20; `reasons` say more
    recognition.SeveralFaces: Answer(422, "several_faces", "The image shows several faces."),
    recognition.LowQuality: Answer(422, "low_quality", "The face does not meet the collection's policy."),
    recognition.SpoofSuspected: Answer(
        422, "spoof_suspected", "The face looks like a picture of a face, not a live person."
    ),
    recognition.LivenessUnsure: Answer(
        422, "liveness_unsure", "The image shows too little around the face to tell whether it is live."
    ),
    recognition.Busy: Answer(503, "busy", "Too many images at once. Try again."),
    recognition.ModelUnavailable: Answer(503, "model_unavailable", "The models are not ready."),
    recognition.UnknownPack: Answer(422, "unknown_pack", "There is no such model pack."),
    recognition.TemplateNotFound: Answer(404, "face_not_found", "There is no such face."),
    PolicyError: _INVALID,
    SuspiciousOperation: _INVALID,  # such as too many fields in a form or a query
    drf.NotAuthenticated: Answer(401, "missing_key", "Send your key in x-api-key, or as a bearer token."),
    drf.AuthenticationFailed: _UNKNOWN_KEY,
    drf.PermissionDenied: _NOT_ALLOWED,
    drf.ValidationError: _INVALID,
    drf.ParseError: Answer(400, "malformed_body", "The body cannot be read."),
    drf.UnsupportedMediaType: Answer(415, "unsupported_media_type", "Send application/json or multipart/form-data."),
    drf.Throttled: Answer(429, "too_many_requests", "The limit of requests is reached. Try again later."),
    drf.NotFound: Answer(404, "not_found", "The address is unknown."),
    drf.MethodNotAllowed: Answer(405, "method_not_allowed", "The address does not support the method."),
}

# The attributes of an error that its problem document contains.
FACTS: Mapping[type[Exception], tuple[str, ...]] = {
    tenants.ScopeMissing: ("scope",),
    tenants.QuotaExceeded: ("quota", "limit"),
    collections.CollectionFull: ("limit",),
    collections.DuplicateFace: ("face",),
    collections.JobOver: ("state",),
    collections.FileChanged: ("size",),
    collections.ImageUrlRefused: ("reason",),
    collections.ChallengeUnusable: ("reason",),
    tenants.CaptureUnusable: ("reason",),
    recognition.ImageTooLarge: ("limit", "actual", "unit"),
    recognition.ImageTooSmall: ("minimum", "actual"),
    recognition.UndecodableImage: ("reason",),
    recognition.UnsupportedFormat: ("format", "allowed"),
    recognition.SeveralFaces: ("count",),
    recognition.LowQuality: ("reasons",),
    recognition.Unrecognisable: ("reasons",),
    recognition.LivenessUnsure: ("advice",),
}

Group: TypeAlias = tuple[type[Exception], ...]

# The errors that operations may raise, by what they do; each operation's description lists its own.
EVERYWHERE: Group = (
    tenants.MissingKey,
    tenants.UnknownKey,
    tenants.RevokedKey,
    tenants.ExpiredKey,
    tenants.AddressRefused,
    tenants.TenantSuspended,
    tenants.ScopeMissing,
    tenants.QuotaExceeded,
    tenants.TooManyRequests,
    tenants.SealBroken,
    collections.Unavailable,
    collections.InvalidRequest,
    recognition.ImageTooLarge,
)
WHOLE_TENANT: Group = (tenants.ReachTooNarrow,)
QUERY: Group = (collections.UnknownCursor,)
BODY: Group = (drf.ParseError, drf.UnsupportedMediaType)
IMAGE: Group = (
    collections.ImageUrlRefused,
    collections.ImageUrlTimeout,
    recognition.ImageTooSmall,
    recognition.UndecodableImage,
    recognition.UnsupportedFormat,
    recognition.NoFace,
    recognition.Busy,
    recognition.ModelUnavailable,
)
ONE_FACE: Group = (*IMAGE, recognition.SeveralFaces, recognition.SpoofSuspected, recognition.LivenessUnsure)
ENROLMENT: Group = (
    *ONE_FACE,
    recognition.LowQuality,
    collections.CollectionFull,
    collections.DuplicateFace,
    collections.ProbingRefused,
    collections.ConsentRequired,
    collections.EnrolmentBarred,
    collections.KeyReused,
    collections.KeyInUse,
)
# By the operation's path parameter.
NAMED: Mapping[str, Group] = {
    "collection": (drf.NotFound, collections.CollectionNotFound, collections.CollectionDeleted),
    "person": (collections.PersonNotFound,),
    "reference": (collections.PersonNotFound,),
    "face": (collections.FaceNotFound,),
    "key": (drf.NotFound, tenants.KeyNotFound),
    "job": (drf.NotFound, collections.JobNotFound),
    "receipt": (drf.NotFound, collections.ReceiptNotFound),
    "search": (drf.NotFound, collections.SearchNotFound),
    "webhook": (drf.NotFound, collections.WebhookNotFound),
    "delivery": (collections.WebhookNotFound,),
    "bucket": (drf.NotFound,),
    "capture": (drf.NotFound,),
    "tenant": (drf.NotFound, tenants.TenantNotFound),
    "invitation": (tenants.InvitationUnusable,),
}


def possible(*groups: Group) -> list[Answer]:
    """Return the answers of an operation that may raise any of these errors."""
    return [ANSWERS[error] for group in (EVERYWHERE, *groups) for error in group]


def answer(error: Exception) -> Answer | None:
    """Return the error's answer."""
    return translate(error, ANSWERS)


def internal() -> Answer:
    """Return the answer to an unexpected error."""
    return _BROKEN


def facts(error: Exception) -> dict[str, Any]:
    """Return the members that the problem document adds to its title; only facts about the request itself."""
    if isinstance(error, collections.ImageRefused):
        inner = answer(error.reason)
        return facts(error.reason) | {"image": error.which, "reason": inner.code if inner else _BROKEN.code}
    wrong = _wrong(error)
    if wrong:
        return {"errors": wrong}
    return {name: getattr(error, name) for name in translate(error, FACTS) or ()}


def _wrong(error: Exception) -> Any:
    """Return the wrong fields with their messages, if the error has any."""
    if isinstance(error, collections.InvalidRequest):
        return {error.field: [error.problem]}
    if isinstance(error, PolicyError):
        return error.message_dict
    if isinstance(error, drf.ValidationError):
        return error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}  # a body of null
    return None
