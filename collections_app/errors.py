"""The errors of the operations. They carry facts; statuses and wording belong to the dialects."""


class CollectionsError(Exception):
    """The base class of this app's errors."""


class CollectionNotFound(CollectionsError):
    """The caller has no such collection within reach."""

    def __init__(self, name: str) -> None:
        """Keep the name that was asked for."""
        super().__init__(name)
        self.name = name


class CollectionDeleted(CollectionsError):
    """The collection was deleted."""

    def __init__(self, name: str) -> None:
        """Keep the name that was asked for."""
        super().__init__(name)
        self.name = name


class CollectionExists(CollectionsError):
    """Another collection has the name."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        super().__init__(name)
        self.name = name


class CollectionFull(CollectionsError):
    """The collection has reached its face limit."""

    def __init__(self, limit: int) -> None:
        """Keep the limit."""
        super().__init__(limit)
        self.limit = limit


class ChallengeUnusable(CollectionsError):
    """The liveness challenge cannot be answered."""

    def __init__(self, reason: str) -> None:
        """Keep the reason as an English clause, such as "it has expired"."""
        super().__init__(reason)
        self.reason = reason


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


class PersonExists(CollectionsError):
    """Another person of the collection has the reference."""

    def __init__(self, reference: str) -> None:
        """Keep the reference."""
        super().__init__(reference)
        self.reference = reference


class DuplicateFace(CollectionsError):
    """The face is already in the collection, under another person."""

    def __init__(self, face: str, cosine: float) -> None:
        """Keep the enrolled face's UUID and the cosine, which is charged but never shown (operations.budget)."""
        super().__init__(face, cosine)
        self.face = face
        self.cosine = cosine


class ProbingRefused(CollectionsError):
    """The caller has reached the limit of one enrolled face (operations.budget)."""

    def __init__(self, retry_after: float) -> None:
        """Keep the seconds to wait."""
        super().__init__(retry_after)
        self.retry_after = retry_after


class InvalidRequest(CollectionsError):
    """A field of the request is missing, of the wrong type or out of bounds."""

    def __init__(self, field: str, problem: str) -> None:
        """Keep the field, and what is wrong with it in words."""
        super().__init__(field, problem)
        self.field = field
        self.problem = problem


class Unavailable(CollectionsError):
    """The database or the file storage does not answer at present."""

    def __init__(self, part: str, retry_after: float = 2.0) -> None:
        """Keep the part, and the seconds to wait."""
        super().__init__(part, retry_after)
        self.part = part
        self.retry_after = retry_after


class ImageUrlRefused(CollectionsError):
    """The image's URL is malformed or not allowed, or no usable answer comes from it."""

    def __init__(self, reason: str) -> None:
        """Keep why."""
        super().__init__(reason)
        self.reason = reason


class ImageUrlTimeout(CollectionsError):
    """The image's server took too long."""


class ImageRefused(CollectionsError):
    """One of several images of a request cannot be used."""

    def __init__(self, which: str, reason: Exception) -> None:
        """Keep the image's index in the request or its role, and the error that it raised."""
        super().__init__(which, reason)
        self.which = which
        self.reason = reason


class ConsentRequired(CollectionsError):
    """The collection's policy requires a reference to the person's consent, and the request has none."""


class EnrolmentBarred(CollectionsError):
    """The person's reference is on the collection's do-not-enrol list."""


class ReceiptNotFound(CollectionsError):
    """The caller has no such receipt within reach."""


class JobNotFound(CollectionsError):
    """The caller has no such job within reach."""


class JobOver(CollectionsError):
    """The job's state does not allow this."""

    def __init__(self, state: str) -> None:
        """Keep the state."""
        super().__init__(state)
        self.state = state


class FileChanged(CollectionsError):
    """A part of a job's file does not continue what is there."""

    def __init__(self, size: int) -> None:
        """Keep how many bytes are there."""
        super().__init__(size)
        self.size = size


class SearchNotFound(CollectionsError):
    """The caller has no such search within reach."""


class WebhookNotFound(CollectionsError):
    """The tenant has no such webhook."""


class ImageNotKept(CollectionsError):
    """Nothing of the face's image was kept."""


class KeyReused(CollectionsError):
    """The Idempotency-Key was used before with another request."""


class KeyInUse(CollectionsError):
    """The first request with this Idempotency-Key has no answer yet."""

    retry_after = 1.0


class UnknownCursor(CollectionsError):
    """The cursor is not one that the list returned."""
