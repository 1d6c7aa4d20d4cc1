"""The interface of every index engine.

Every engine guarantees: a template that was added is found by the next search in any process, a template that was
removed is never found again, and a search sees one gallery of one tenant and nothing else.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from recognition.models import Gallery


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face, its cosine similarity to the probe, and its template, which the index had in memory to compute that."""

    face_id: int
    cosine: float
    vector: np.ndarray = field(compare=False, repr=False)


class FaceIndex(Protocol):
    """Changes and searches of galleries. Vectors are float32 unit vectors of the gallery's pack."""

    def add(self, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> int:
        """Add templates by face id, in the caller's transaction; return the sequence number of the first.

        Takes the gallery's row lock until the transaction ends.
        """

    def remove(self, gallery: Gallery, face_ids: Collection[int]) -> int:
        """Remove templates by face id, in the caller's transaction; return how many were found.

        Takes the gallery's row lock until the transaction ends.
        """

    def search(
        self, gallery: Gallery, probe: np.ndarray, *, limit: int, floor: float, as_read: bool = False
    ) -> list[Neighbour]:
        """Return the templates of at least `floor` cosine to the probe, best first, at most `limit`.

        Every change that is committed by now is seen; with `as_read`, every change up to the gallery as it was read.
        """

    def vector(self, gallery: Gallery, face_id: int) -> np.ndarray:
        """Return one template.

        Raises:
            TemplateNotFound: the gallery holds no such face.
        """
