"""Search and compare embeddings that callers send instead of images.

A caller can choose a vector freely, and some dozens of exact scores of chosen vectors are enough to compute a template
(operations.disclosure). So whatever concerns an enrolled face takes Scope.SCORES, besides floor and budget.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from collections_app.errors import InvalidRequest
from collections_app.models import Collection
from collections_app.operations.budget import Match, hidden_faces
from collections_app.operations.collections import find
from collections_app.operations.compare import verify_template
from collections_app.operations.disclosure import Disclosure, disclosure, of_images
from collections_app.operations.each_face import known_face
from collections_app.operations.search import Query, search_by_template
from recognition import packs
from recognition.packs import earlier
from tenants.access import Caller, Scope

Vector: TypeAlias = Sequence[float]


@dataclass(frozen=True, slots=True)
class VectorSearch:
    """For each vector the enrolled faces that match it, best first."""

    collection: Collection
    matches: tuple[tuple[Match, ...], ...]


def search_by_vectors(caller: Caller, *, collection: str, vectors: Sequence[Vector], limit: int) -> VectorSearch:
    """Find up to `limit` enrolled faces for each vector, at or above the collection's threshold.

    Raises:
        ScopeMissing: the caller lacks Scope.SCORES.
        InvalidRequest: a vector cannot be an embedding of the collection's pack.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    caller.require(Scope.SCORES)
    hidden = hidden_faces(caller)
    collection = find(caller, collection)
    units = _units(vectors, collection.pack)
    started = time.perf_counter()
    query = Query(collection, _terms(caller, collection), limit, started, hidden=hidden)
    return VectorSearch(collection, tuple(search_by_template(caller, query, unit)[1] for unit in units))


def verify_vectors(
    caller: Caller, *, collection: str, face: str, vectors: Sequence[Vector]
) -> tuple[float | None, ...]:
    """Return each vector's score with an enrolled face; None below the floor, and if the face is unknown.

    Raises:
        ScopeMissing: the caller lacks Scope.SCORES.
        InvalidRequest: a vector cannot be an embedding of the collection's pack.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    caller.require(Scope.SCORES)
    hidden_faces(caller, several=1)  # refuses a caller that probes; disclose() hides the faces
    collection = find(caller, collection)
    units, enrolled = _units(vectors, collection.pack), known_face(collection, face)
    if enrolled is None:
        return (None,) * len(units)
    terms = _terms(caller, collection)
    return tuple(verify_template(caller, collection, enrolled, unit, terms)[0] for unit in units)


def compare_vectors(
    caller: Caller, *, source: Vector, targets: Sequence[Vector], pack: str = packs.DEFAULT
) -> tuple[float, ...]:
    """Return the score of each target with the source: no enrolled face is involved, so there is no floor.

    Raises:
        InvalidRequest: a vector cannot be an embedding of the pack.
    """
    caller.require(Scope.SEARCH)
    first, *others = _units([source, *targets], pack)
    terms = of_images(pack)
    return tuple(terms.score(float(first @ other)) or 0.0 for other in others)


def _terms(caller: Caller, collection: Collection) -> Disclosure:
    return replace(disclosure(caller, collection), probe=None)


def _units(vectors: Sequence[Vector], pack: str) -> list[np.ndarray]:
    """Return the vectors, all of the pack's present width or of its earlier one, as unit vectors, float32."""
    known, found = packs.get(pack), {len(vector) for vector in vectors}
    if len(found) > 1 or not found <= earlier.widths(known):
        raise InvalidRequest("embeddings", f"must have {known.dimension} numbers each")
    rows = np.asarray(vectors, np.float64).reshape(len(vectors), *found or [known.dimension])
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(rows, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InvalidRequest("embeddings", "must have finite numbers, not all of them 0")
    return list(earlier.narrowed(known, (rows / lengths[:, None]).astype(np.float32)))
