"""What can be wrong with what is asked for. Facts only: statuses and wording belong to the dialects."""


class CollectionsError(Exception):
    """Root of this app's errors."""


class CollectionNotFound(CollectionsError):
    """The caller has no such collection within reach."""

    def __init__(self, name: str) -> None:
        """Keep the name that was asked for."""
        super().__init__(name)
        self.name = name


class CollectionDeleted(CollectionsError):
    """The collection was there and is deleted."""

    def __init__(self, name: str) -> None:
        """Keep the name that was asked for."""
        super().__init__(name)
        self.name = name


class CollectionExists(CollectionsError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        """Keep the name that is taken."""
        super().__init__(name)
        self.name = name


class CollectionFull(CollectionsError):
    """The collection holds as many faces as it may."""

    def __init__(self, limit: int) -> None:
        """Keep how many those are."""
        super().__init__(limit)
        self.limit = limit


class FaceNotFound(CollectionsError):
    """The collection holds no such face."""

    def __init__(self, face: str) -> None:
        """Keep the id that was asked for."""
        super().__init__(face)
        self.face = face


class PersonNotFound(CollectionsError):
    """The collection holds no such person."""

    def __init__(self, person: str) -> None:
        """Keep the id that was asked for."""
        super().__init__(person)
        self.person = person


class DuplicateFace(CollectionsError):
    """The face already is in the collection, under another person."""

    def __init__(self, face: str, cosine: float) -> None:
        """Keep which face it is, and how similar."""
        super().__init__(face, cosine)
        self.face = face
        self.cosine = cosine


class InvalidRequest(CollectionsError):
    """A field of the request is missing, of the wrong type or out of its bounds."""

    def __init__(self, field: str, problem: str) -> None:
        """Keep which field, and what is wrong with it in plain words."""
        super().__init__(field, problem)
        self.field = field
        self.problem = problem


class Unavailable(CollectionsError):
    """A part that the platform stands on does not answer at present: the database, the file storage."""

    def __init__(self, part: str, retry_after: float = 2.0) -> None:
        """Keep which part, and the seconds to wait."""
        super().__init__(part, retry_after)
        self.part = part
        self.retry_after = retry_after


class ImageUrlRefused(CollectionsError):
    """The image's URL cannot be fetched: malformed, not allowed, or answered with something else than an image."""

    def __init__(self, reason: str) -> None:
        """Keep why."""
        super().__init__(reason)
        self.reason = reason


class ImageUrlTimeout(CollectionsError):
    """The image's server took too long."""


class ImageRefused(CollectionsError):
    """One of the several images of a request cannot be used."""

    def __init__(self, which: str, reason: Exception) -> None:
        """Keep which image, in the request's order or by its role, and the error that it raised."""
        super().__init__(which, reason)
        self.which = which
        self.reason = reason


class ConsentRequired(CollectionsError):
    """The collection's policy asks for a reference to the person's consent, and none was given."""


class EnrolmentBarred(CollectionsError):
    """The person's reference is on the collection's do-not-enrol list."""


class ReceiptNotFound(CollectionsError):
    """The caller has no such receipt within reach."""


class JobNotFound(CollectionsError):
    """The caller has no such job within reach."""


class SearchNotFound(CollectionsError):
    """The log holds no such search within reach."""


class WebhookNotFound(CollectionsError):
    """The tenant has no such webhook."""


class ImageNotKept(CollectionsError):
    """Nothing of the face's image was kept."""


class KeyReused(CollectionsError):
    """The Idempotency-Key came before with another request."""


class KeyInUse(CollectionsError):
    """The request with this Idempotency-Key is still being worked on."""

    retry_after = 1.0


class UnknownCursor(CollectionsError):
    """The cursor is not one that a list gave out."""
