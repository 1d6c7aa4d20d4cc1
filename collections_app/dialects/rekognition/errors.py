"""Amazon Rekognition's errors: those of the service model, and those that all services share (R12)."""

from collections.abc import Mapping

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError
from rest_framework import exceptions as drf

from collections_app import errors as collections
from collections_app.dialects.base import Answer, first_problem, translate
from collections_app.dialects.base import reason as why
from recognition import errors as recognition
from tenants import errors as tenants


def _invalid(text: str) -> Answer:
    return Answer(400, "InvalidParameterException", text)


def _denied(text: str) -> Answer:
    return Answer(400, "AccessDeniedException", text)


_REFUSED = _invalid("Request has invalid parameters: {why}")
_NO_FACE = _invalid("There are no faces in the image. Should be at least 1.")  # clients compare this text
_NO_COLLECTION = Answer(400, "ResourceNotFoundException", "The collection id: {name} does not exist")
_NO_USER = Answer(400, "ResourceNotFoundException", "The user id: {person} does not exist")
_NO_FACE_ID = _invalid("The faceId was not found in the collection")
_UNKNOWN = Answer(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
_FORMAT = Answer(400, "InvalidImageFormatException", "Request has invalid image format: {why}")
_S3 = Answer(
    400,
    "InvalidS3ObjectException",
    "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
)
_QUOTA = Answer(400, "ServiceQuotaExceededException", "{why}")
_RATE = Answer(400, "ProvisionedThroughputExceededException", "{why}")
_LATER = Answer(400, "ThrottlingException", "{why}")
_CONSTRAINT = Answer(400, "ValidationException", "1 validation error detected: {why}")
_MALFORMED = Answer(400, "SerializationException", "{why}")
_NO_OPERATION = Answer(404, "UnknownOperationException", "This operation is not offered here.")
_TOKEN = Answer(400, "InvalidPaginationTokenException", "Invalid pagination token")
_INTERNAL = Answer(500, "InternalServerError", "Internal server error")

# Placeholders are filled with the error's attributes.
ANSWERS: Mapping[type[Exception], Answer] = {
    tenants.MissingKey: Answer(400, "MissingAuthenticationTokenException", "Request is missing Authentication Token"),
    tenants.UnknownKey: _UNKNOWN,
    tenants.RevokedKey: _UNKNOWN,
    tenants.ExpiredKey: Answer(400, "ExpiredTokenException", "The security token included in the request is expired"),
    tenants.StaleSignature: Answer(
        400, "InvalidSignatureException", "Signature expired: {at} is more than {window} from the server's time"
    ),
    tenants.AddressRefused: _denied("The key may not be used from {address}"),
    tenants.CaptureNotFound: _REFUSED,
    tenants.CaptureUnusable: _REFUSED,
    tenants.KeyNotFound: _REFUSED,
    tenants.InvitationUnusable: _REFUSED,
    tenants.MemberNotFound: _REFUSED,
    tenants.TenantNotFound: _REFUSED,
    tenants.OwnerNeeded: _REFUSED,
    tenants.TenantSuspended: _denied("The account is suspended"),
    tenants.ScopeMissing: _denied("The key is not authorized to perform this operation: it lacks the scope {scope}"),
    tenants.ReachTooNarrow: _denied("The key is not authorized to perform this operation: it reaches some collections"),
    tenants.QuotaExceeded: _QUOTA,
    tenants.TooManyRequests: _RATE,
    tenants.SealBroken: _INTERNAL,
    tenants.SignatureBroken: _INTERNAL,
    tenants.MasterKeyUnusable: _INTERNAL,
    collections.CollectionNotFound: _NO_COLLECTION,
    collections.CollectionDeleted: _NO_COLLECTION,
    collections.CollectionExists: Answer(
        400, "ResourceAlreadyExistsException", "The collection id: {name} already exists"
    ),
    collections.CollectionFull: _QUOTA,
    collections.FaceNotFound: _NO_FACE_ID,
    collections.PersonNotFound: _NO_USER,
    collections.ProbingRefused: _LATER,
    collections.PersonExists: Answer(400, "ConflictException", "A user with the id: {reference} already exists"),
    collections.DuplicateFace: _REFUSED,  # our policy, as are the next ones
    collections.ConsentRequired: _REFUSED,
    collections.EnrolmentBarred: _REFUSED,
    collections.InvalidRequest: _REFUSED,
    collections.Unavailable: _LATER,
    collections.ImageRefused: _REFUSED,  # see `answer`: its reason decides
    collections.ImageUrlRefused: _S3,
    collections.ImageUrlTimeout: _S3,
    # Raised by operations of the native API only.
    collections.JobNotFound: _REFUSED,
    collections.JobOver: _REFUSED,
    collections.FileChanged: _REFUSED,
    collections.ChallengeUnusable: _REFUSED,
    collections.ReceiptNotFound: _REFUSED,
    collections.SearchNotFound: _REFUSED,
    collections.WebhookNotFound: _REFUSED,
    collections.ImageNotKept: _REFUSED,
    collections.KeyReused: Answer(
        400, "IdempotentParameterMismatchException", "The ClientRequestToken was used with other parameters"
    ),
    collections.KeyInUse: _LATER,
    collections.UnknownCursor: _TOKEN,
    recognition.ImageTooLarge: Answer(400, "ImageTooLargeException", "Image size is {why}"),
    recognition.ImageTooSmall: _REFUSED,
    recognition.UndecodableImage: _FORMAT,
    recognition.UnsupportedFormat: _FORMAT,
    recognition.NoFace: _NO_FACE,
    recognition.Unrecognisable: _NO_FACE,  # R20
    recognition.SeveralFaces: _REFUSED,
    recognition.LowQuality: _NO_FACE,  # the QualityFilter leaves no face
    recognition.SpoofSuspected: _REFUSED,
    recognition.LivenessUnsure: _REFUSED,
    recognition.Busy: _LATER,
    recognition.ModelUnavailable: _INTERNAL,
    recognition.UnknownPack: _INTERNAL,
    recognition.TemplateNotFound: _NO_FACE_ID,
    PolicyError: _REFUSED,
    SuspiciousOperation: _MALFORMED,
    drf.ValidationError: _CONSTRAINT,
    drf.ParseError: _MALFORMED,
    drf.UnsupportedMediaType: _MALFORMED,
    drf.NotAuthenticated: _UNKNOWN,
    drf.AuthenticationFailed: _UNKNOWN,
    drf.PermissionDenied: _denied("Access denied"),
    drf.Throttled: _RATE,
    drf.NotFound: _NO_OPERATION,
    drf.MethodNotAllowed: _NO_OPERATION,
}

# Field errors that break no constraint of the service model, by the error code that the fields of `wire` raise.
FIELDS: Mapping[str, Answer] = {"parameter": _REFUSED, "token": _TOKEN, "base64": _MALFORMED}


def answer(error: Exception) -> Answer | None:
    """Return the error's answer."""
    if isinstance(error, collections.ImageRefused):
        return answer(error.reason)
    if isinstance(error, drf.ValidationError):
        return FIELDS.get(first_problem(error.detail)[2], _CONSTRAINT)
    return translate(error, ANSWERS)


def internal() -> Answer:
    """Return the answer to an unexpected error."""
    return _INTERNAL


def message(answer: Answer, error: Exception) -> str:
    """Fill the answer's text with the error's attributes, and `why` with the platform's reason."""
    return answer.text.format_map({**vars(error), "why": why(error)})
