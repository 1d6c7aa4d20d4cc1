"""Two packs compared on a collection's own faces: how they tell people apart, and whose answer would be another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from collections_app import galleries, scoring
from collections_app.models import Collection
from recognition import packs
from recognition.calibration.pairwise import BINS, HIGH, LOW, Ids, separate
from recognition.index import store
from recognition.models import Embedding, Gallery
from recognition.results import Floats

MOST = 5_000  # faces: all pairs of these take one core some seconds for each pack
_BATCH = 500
_FEWEST = 10  # strangers above a threshold, below which their rate is not measured
_LISTED = 100
_NONE = -9.0  # below every cosine
_EDGES = np.linspace(LOW, HIGH, BINS + 1)

Plain: TypeAlias = dict[str, Any]


def policy_by(collection: Collection, gallery: Gallery) -> dict[str, float | None]:
    """Return the policy's thresholds on the scale of another gallery's pack: the same scores, or the same rate."""
    view = galleries.seen_by(collection, gallery)
    if collection.false_match_rate is not None:
        rate = scoring.threshold_at(view, collection.false_match_rate)
        view.similarity_threshold = rate.on(packs.get(view.pack).similarity)
    cosines = {name: getattr(view, name) for name in galleries.THRESHOLDS}
    most = view.similarity_threshold
    return {name: cosine if cosine is None else min(cosine, most) for name, cosine in cosines.items()}


def compare(
    collection: Collection, old: Gallery, new: Gallery, *, rate: float, keep: Callable[[], None] = lambda: None
) -> Plain:
    """Compare both on up to MOST faces that have a template in each; `keep` is called every second or so.

    Each face is also searched for among the others: `changed` are those of whom the packs name different people.
    Returns JSON, with ids as texts.
    """
    both = collection.faces.filter(pk__in=Embedding.objects.of(collection.tenant).filter(gallery=new).values("face_id"))
    people = dict(both.order_by("?").values_list("pk", "person_id")[:MOST])
    kept = [_vectors(gallery, list(people), keep) for gallery in (old, new)]
    faces = sorted(people.keys() & kept[0].keys() & kept[1].keys())
    ids, of = np.array(faces, dtype=np.int64), np.array([people[face] for face in faces], dtype=np.int64)
    views = [galleries.seen_by(collection, gallery) for gallery in (old, new)]
    for view in views:
        view.similarity_threshold = policy_by(collection, view.gallery)["similarity_threshold"] or 1.0
    width = [packs.get(view.pack).dimension for view in views]
    matrices = [
        np.array([vectors[face] for face in faces], dtype=np.float32).reshape(len(faces), size)
        for vectors, size in zip(kept, width, strict=True)
    ]
    sides = [_side(view, (ids, of, matrix), rate, keep) for view, matrix in zip(views, matrices, strict=True)]
    answers = [_answers(view, of, matrix, keep) for view, matrix in zip(views, matrices, strict=True)]
    changed = _changed(ids, of, answers)
    kinds = [one["kind"] for one in changed]
    return {
        "faces": len(faces),
        "people": len({people[face] for face in faces}),
        "rate": rate,
        "low": LOW,
        "high": HIGH,
        "old": sides[0],
        "new": sides[1],
        "changed": changed[:_LISTED],
        "changed_counts": {kind: kinds.count(kind) for kind in ("lost", "gained", "other")},
    }


def _vectors(gallery: Gallery, faces: Sequence[int], keep: Callable[[], None]) -> dict[int, Floats]:
    found: dict[int, Floats] = {}
    for start in range(0, len(faces), _BATCH):
        found |= store.vectors(gallery, faces[start : start + _BATCH])
        keep()
    return found


def _side(view: Collection, rows: tuple[Ids, Ids, Floats], rate: float, keep: Callable[[], None]) -> Plain:
    found = separate(
        *rows,
        duplicate_from=-_NONE,
        mixed_below=_NONE,
        compare=lambda some, others: scoring.cosines(view, some, others, enrolled=True),
        progress=lambda _share: keep(),
    )
    genuine, impostor = np.array(found.genuine), np.array(found.impostor)
    return {
        "pack": view.pack,
        "threshold": view.similarity_threshold,
        "genuine": genuine.tolist(),
        "impostor": impostor.tolist(),
        "tar": _share(genuine, view.similarity_threshold),
        "fmr": _share(impostor, view.similarity_threshold),
        **_at_rate(genuine, impostor, rate),
    }


def _share(counts: np.ndarray, threshold: float) -> float | None:
    """Return the share of pairs at or above a threshold, which lies in a bin: half of that one; None without pairs."""
    if not counts.sum():
        return None
    place = (threshold - LOW) / (HIGH - LOW) * BINS
    at = min(max(int(place), 0), BINS - 1)
    return float((counts[at + 1 :].sum() + counts[at] * (at + 1 - place)) / counts.sum())


def _at_rate(genuine: np.ndarray, impostor: np.ndarray, rate: float) -> Mapping[str, float | None]:
    """Return the lowest threshold that at most this share of strangers reach, and the TAR there.

    None: too few pairs of strangers were compared.
    """
    if impostor.sum() * rate < _FEWEST:
        return {"rate_threshold": None, "rate_tar": None}
    reaching = np.append(impostor[::-1].cumsum()[::-1], 0) / impostor.sum()
    edge = int(np.argmax(reaching <= rate))
    share = float(genuine[edge:].sum() / genuine.sum()) if genuine.sum() else None
    return {"rate_threshold": float(_EDGES[edge]), "rate_tar": share}


def _answers(view: Collection, people: Ids, matrix: Floats, keep: Callable[[], None]) -> list[tuple[int, float]]:
    """Return for each face the row and the cosine of the nearest other one; the row is -1 below the threshold."""
    answers: list[tuple[int, float]] = []
    for start in range(0, len(matrix), _BATCH):
        cosines = scoring.cosines(view, matrix[start : start + _BATCH], matrix, enrolled=True)
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = _NONE
        nearest = cosines.argmax(axis=1)
        best = cosines[rows, nearest]
        answers += zip(
            np.where(best >= view.similarity_threshold, nearest, -1).tolist(), best.round(4).tolist(), strict=True
        )
        keep()
    return answers


def _changed(ids: Ids, people: Ids, answers: Sequence[Sequence[tuple[int, float]]]) -> list[Plain]:
    """Return the faces of which the packs name different people, those that are no longer found first."""
    changed = []
    for row, (before, after) in enumerate(zip(*answers, strict=True)):
        named = [int(people[at]) if at >= 0 else None for at, _ in (before, after)]
        if named[0] == named[1]:
            continue
        own = int(people[row])
        kind = "lost" if named[0] == own else "gained" if named[1] == own else "other"
        told = {side: str(ids[at]) if at >= 0 else None for side, (at, _) in (("old", before), ("new", after))}
        changed.append({"face": str(ids[row]), "kind": kind, **told})
    order = {"lost": 0, "other": 1, "gained": 2}
    return sorted(changed, key=lambda one: (order[one["kind"]], one["face"]))
