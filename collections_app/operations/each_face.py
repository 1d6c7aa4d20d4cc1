"""Operations on every face of an image: each is searched, or compared with an enrolled face, on its own."""

import time
from dataclasses import dataclass, replace

from collections_app.errors import FaceNotFound
from collections_app.examine import MOST_FACES, analyse
from collections_app.image_url import ImageUrl
from collections_app.models import Collection, Face
from collections_app.operations.budget import Match, hidden_faces
from collections_app.operations.collections import Alias, find
from collections_app.operations.compare import verify_template
from collections_app.operations.disclosure import disclosure
from collections_app.operations.faces import find_face
from collections_app.operations.search import Query, record_spoof, search_by_template
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.results import EVERY_FACE, Analysis, DetectedFace, Selection, Verdict
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class Recognition:
    """The selected faces of an image, and for each of them the enrolled faces that match it, best first."""

    collection: Collection
    seen: Analysis
    matches: tuple[tuple[Match, ...], ...]


@dataclass(frozen=True, slots=True)
class Likenesses:
    """The selected faces of an image, and the score of each with an enrolled face.

    `face` None: the collection holds no such face. A score is None below the collection's floor, and without a face.
    """

    collection: Collection
    seen: Analysis
    face: Face | None
    scores: tuple[float | None, ...]


def search_each_face(
    caller: Caller,
    *,
    collection: str | Alias,
    image: bytes | ImageUrl,
    limit: int,
    selection: Selection = EVERY_FACE,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Recognition:
    """Find up to `limit` enrolled faces for each selected face of the image; each is a search with its own record.

    A face that cannot be told from others, or that the policy does not take for live, matches nobody.

    Raises:
        NoFace: the selection requires a face, and there is none.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    hidden = hidden_faces(caller)
    started = time.perf_counter()
    collection = find(caller, collection)
    seen = selection.of(
        analyse(
            caller,
            image,
            pack=collection.pack,
            embed=selection.among,
            liveness=MOST_FACES if collection.liveness_on_search else 0,
            limits=limits,
        )
    )
    query = Query(collection, disclosure(caller, collection), limit, started, hidden=hidden)
    return Recognition(collection, seen, tuple(_matches(caller, query, face) for face in seen.faces))


def verify_each_face(
    caller: Caller,
    *,
    collection: str,
    face: str,
    image: bytes | ImageUrl,
    selection: Selection = EVERY_FACE,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Likenesses:
    """Compare each selected face of the image with an enrolled face; an unknown one is no error.

    Raises:
        NoFace: the selection requires a face, and there is none.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    hidden_faces(caller, several=1)  # refuses a caller that probes; disclose() hides the faces
    collection = find(caller, collection)
    enrolled = known_face(collection, face)
    found = analyse(caller, image, pack=collection.pack, embed=selection.among, limits=limits)
    seen = selection.of(found)
    return Likenesses(
        collection, seen, enrolled, tuple(_score(caller, collection, enrolled, one) for one in seen.faces)
    )


def known_face(collection: Collection, face: str) -> Face | None:
    """Return the face with this UUID, if there is one. Not an operation."""
    try:
        return find_face(collection, face)
    except FaceNotFound:
        return None


def _matches(caller: Caller, query: Query, face: DetectedFace) -> tuple[Match, ...]:
    if face.quality.floor_reasons:  # decision R20
        return ()
    verdict = face.liveness.verdict(query.collection.liveness_threshold) if face.liveness else Verdict.LIVE
    if verdict is Verdict.SPOOF and face.liveness:
        record_spoof(caller, query, face.liveness.score)
    if verdict is not Verdict.LIVE:
        return ()
    alive = face.liveness.score if face.liveness else None
    return search_by_template(caller, replace(query, liveness=alive), face.template)[1]


def _score(caller: Caller, collection: Collection, enrolled: Face | None, face: DetectedFace) -> float | None:
    if enrolled is None or face.quality.floor_reasons:
        return None
    return verify_template(caller, collection, enrolled, face.template, disclosure(caller, collection))[0]
