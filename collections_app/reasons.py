"""The reason of a refusal as an English sentence, made from the error's facts: for logs and contracts' free text.

It contains no value that a caller sent, such as a name or a reference: others than the caller read the logs.
"""

from collections.abc import Mapping
from string import Formatter

from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as PolicyError

from collections_app import errors as collections
from recognition import errors as recognition
from tenants import errors as tenants

_WORDS = {"side": "pixels along its longer side", "calls_per_day": "calls a day"}

# Filled with the attributes of the error.
REASONS: Mapping[type[Exception], str] = {
    tenants.MissingKey: "no key was sent",
    tenants.UnknownKey: "the key is unknown or its secret is wrong",
    tenants.RevokedKey: "the key was revoked",
    tenants.ExpiredKey: "the key has expired",
    tenants.AddressRefused: "the key may not be used from {address}",
    tenants.StaleSignature: "the request was signed too long ago, or the client's clock is wrong",
    tenants.CaptureNotFound: "there is no such capture",
    tenants.CaptureUnusable: "the capture token cannot be used: {reason}",
    tenants.KeyNotFound: "there is no such key",
    tenants.InvitationUnusable: "there is no such invitation",
    tenants.TenantNotFound: "there is no such tenant",
    tenants.MemberNotFound: "there is no such member",
    tenants.OwnerNeeded: "only an owner may do this, and one has to stay",
    tenants.TenantSuspended: "the tenant is suspended",
    tenants.ScopeMissing: "the key lacks the scope {scope}",
    tenants.ReachTooNarrow: "the key reaches some collections only, and this concerns the whole tenant",
    tenants.QuotaExceeded: "a quota of the tenant is used up: at most {limit} {quota}",
    tenants.TooManyRequests: "too many requests: try again in {retry_after} s",
    tenants.SealBroken: "what is stored cannot be decrypted",
    tenants.SignatureBroken: "the document was changed, or was not signed here",
    tenants.MasterKeyUnusable: "what is stored cannot be decrypted",
    collections.CollectionNotFound: "there is no such collection",
    collections.CollectionDeleted: "the collection was deleted",
    collections.CollectionExists: "a collection of this name is there already",
    collections.CollectionFull: "the collection is full: it may hold {limit} faces",
    collections.FaceNotFound: "the collection holds no such face",
    collections.PersonNotFound: "the collection holds no such person",
    collections.PersonExists: "another person of the collection has this reference",
    collections.DuplicateFace: "the face is in the collection under another person",
    collections.InvalidRequest: "{field}: {problem}",
    collections.Unavailable: "the {part} does not answer",
    collections.ImageUrlRefused: "there is no image to be had at the URL: {reason}",
    collections.ImageUrlTimeout: "the image's server took too long",
    collections.ConsentRequired: "the collection asks for a reference to the person's consent",
    collections.EnrolmentBarred: "the person's reference is on the collection's do-not-enrol list",
    collections.ProbingRefused: "the key was told too much of one enrolled face",
    collections.ChallengeUnusable: "the challenge cannot be answered: {reason}",
    collections.JobNotFound: "there is no such job",
    collections.JobOver: "the job is {state}, which does not allow this",
    collections.FileChanged: "the file has {size} bytes so far: continue there",
    collections.ReceiptNotFound: "there is no such receipt",
    collections.SearchNotFound: "there is no such search",
    collections.WebhookNotFound: "there is no such webhook",
    collections.ImageNotKept: "nothing of the face's image was kept",
    collections.KeyReused: "the Idempotency-Key came before with another request",
    collections.KeyInUse: "the request with this Idempotency-Key is still being worked on",
    collections.UnknownCursor: "the cursor is not one that this list gave out",
    recognition.ImageTooLarge: "too large: {actual} {unit}, at most {limit} are allowed",
    recognition.ImageTooSmall: "the image is too small: its shorter side has {actual} pixels, at least {minimum} are "
    "needed",
    recognition.UndecodableImage: "the image cannot be decoded: {reason}",
    recognition.UnsupportedFormat: "the format {format} is not supported; allowed are {allowed}",
    recognition.NoFace: "the image shows no face",
    recognition.SeveralFaces: "the image shows {count} faces; one is asked for",
    recognition.LowQuality: "the face does not show well enough: {reasons}{measured}",
    recognition.Unrecognisable: "the face cannot be told from others: {reasons}",
    recognition.SpoofSuspected: "the face does not look live",
    recognition.LivenessUnsure: "it cannot be told whether the face is live: {advice}",
    recognition.Busy: "too many images at once: try again in {retry_after} s",
    recognition.ModelUnavailable: "the model {model} is not ready",
    recognition.UnknownPack: "there is no such model pack",
    recognition.TemplateNotFound: "the collection holds no such face",
    SuspiciousOperation: "the request has more fields than are read",
}


def reason(error: Exception) -> str:
    """Return the sentence; empty for an unexpected error."""
    if isinstance(error, collections.ImageRefused):
        which = str(error.which)
        return f"image {int(which) + 1 if which.isdecimal() else which}: {reason(error.reason)}"
    if isinstance(error, PolicyError):
        return "; ".join(error.messages)
    text = next((REASONS[kind] for kind in type(error).__mro__ if kind in REASONS), "")
    return text.format_map({name: _plain(getattr(error, name)) for _, name, _, _ in Formatter().parse(text) if name})


def _plain(fact: object) -> str:
    """Return an attribute of an error as text."""
    if isinstance(fact, tuple):
        return ", ".join(map(str, fact))
    return str(round(fact)) if isinstance(fact, float) else _WORDS.get(str(fact), str(fact))
