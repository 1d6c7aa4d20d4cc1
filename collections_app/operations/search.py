"""Search: whose face is this, among the faces of a collection?"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
from django.db import transaction

from collections_app.fetch import ImageUrl, load
from collections_app.models import Collection, Face, SearchRecord
from collections_app.operations.collections import Node, find
from collections_app.operations.faces import find_face
from collections_app.operations.probing import watch_searches
from recognition import pipeline
from recognition.errors import NoFace, SeveralFaces, SpoofSuspected
from recognition.index import Neighbour, face_index
from recognition.pipeline.decode import DEFAULT_LIMITS, ImageLimits
from recognition.results import DetectedFace
from recognition.turns import turn
from tenants import audit, events
from tenants.access import Caller, Scope

_RECORDED = 5  # the best candidates are kept with the record, matches or not, so that an auditor sees how near it was
_ALL = -2.0  # under every cosine
_WIDER = 4  # how much further to look, when too few of the nearest count
_PAGE = 1000
_TRIES = 3
_MANY = 100

Threshold: TypeAlias = float | Callable[[str], float] | None
"""What a match must reach: a cosine; or a cosine by the pack's name, from a caller whose scale depends on the pack; or
None, the collection's own."""


@dataclass(frozen=True, slots=True)
class Match:
    """A face, with its person, and its cosine similarity to the probe."""

    face: Face
    cosine: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The faces at or above the threshold, best first; `source` is the probe's face where the probe was an image."""

    collection: Collection
    record: SearchRecord
    matches: tuple[Match, ...]
    source: DetectedFace | None = None
    width: int = 0
    height: int = 0


def search_by_image(
    caller: Caller,
    *,
    collection: str | Node,
    image: bytes | ImageUrl,
    limit: int = _RECORDED,
    threshold: Threshold = None,
    largest: bool = False,
    since: datetime | None = None,
    request_name: str = "",
    limits: ImageLimits = DEFAULT_LIMITS,
) -> SearchResult:
    """Find the faces most similar to the one in the image, or with `largest` to the largest of several.

    Faces enrolled before `since` are no candidates. The image is not kept.

    Raises:
        NoFace, SeveralFaces: the image does not show one face.
        SpoofSuspected: the policy asks for liveness and the face did not pass; the refusal is recorded.
    """
    caller.require(Scope.SEARCH)
    started = time.perf_counter()
    home = find(caller, collection)
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with turn(home.tenant_id):
        seen = pipeline.analyse(content, pack=home.pack, limits=limits, embed=1, liveness=home.liveness_on_search)
    if not seen.faces:
        raise NoFace
    if len(seen.faces) > 1 and not largest:
        raise SeveralFaces(len(seen.faces))
    source = seen.faces[0]
    bar = _bar(home, threshold)
    alive = source.liveness.score if source.liveness else None
    spoof = alive is not None and alive < home.liveness_threshold
    candidates = [] if spoof else _candidates(home, source.template, limit, bar, since)
    record = _record(caller, home, candidates, started, threshold=bar, liveness=alive, request_name=request_name)
    if alive is not None and spoof:
        raise SpoofSuspected(score=alive, threshold=home.liveness_threshold)
    matches = tuple(match for match in candidates[:limit] if match.cosine >= bar)
    return SearchResult(home, record, matches, source, seen.width, seen.height)


def search_by_face(
    caller: Caller, *, collection: str, face: str, limit: int, threshold: Threshold = None
) -> SearchResult:
    """Find the faces most similar to an enrolled one, which is not among them (decision H21)."""
    caller.require(Scope.SEARCH)
    started = time.perf_counter()
    home = find(caller, collection)
    probe = find_face(home, face)
    bar = _bar(home, threshold)
    nearest = _candidates(home, face_index().vector(home.gallery, probe.pk), limit + 1, bar)
    candidates = [match for match in nearest if match.face.pk != probe.pk]
    record = _record(caller, home, candidates, started, threshold=bar, request_name=probe.uuid)
    matches = tuple(match for match in candidates[:limit] if match.cosine >= bar)
    return SearchResult(home, record, matches)


def _bar(home: Collection, threshold: Threshold) -> float:
    """Return the cosine that a match must reach."""
    if threshold is None:
        return home.similarity_threshold
    return threshold(home.pack) if callable(threshold) else threshold


def _candidates(
    home: Collection, probe: np.ndarray, limit: int, bar: float, since: datetime | None = None
) -> list[Match]:
    """Return the best `limit` faces, or those to be recorded; of many, only those who reach the bar are read."""
    recorded = _RECORDED + 1  # the probe itself may be among them
    if limit > _MANY:
        found = _nearest(home, probe, limit, bar, since)
        if len(found) >= recorded:
            return found
        limit = recorded
    return _nearest(home, probe, max(limit, recorded), _ALL, since)


def _nearest(home: Collection, probe: np.ndarray, limit: int, floor: float, since: datetime | None) -> list[Match]:
    """Return the best `limit` faces, enrolled at or after `since`, that the database, asked last, still has here.

    Whoever left while we searched may have been replaced just then, so we look again.
    """
    wanted, again = limit, _TRIES
    while True:
        near = face_index().search(home.gallery, probe, limit=wanted, floor=floor)
        matches, gone = _confirmed(home, near, limit, since)
        if gone and again:
            again -= 1
        elif len(matches) == limit or len(near) < wanted:
            return matches
        else:
            wanted *= _WIDER


def _confirmed(
    home: Collection, near: Sequence[Neighbour], limit: int, since: datetime | None
) -> tuple[list[Match], bool]:
    """Return up to `limit` matches among the neighbours, and whether any of those looked at is gone."""
    rows = Face.objects.of(home.tenant)  # and no more than that, or SQLite reads the whole collection for five ids
    wanted = rows.select_related("person")
    if since is not None:
        wanted = wanted.filter(created_at__gte=since)
    matches: list[Match] = []
    gone = False
    for start in range(0, len(near), _PAGE):
        page = near[start : start + _PAGE]
        ids = [neighbour.face_id for neighbour in page]
        faces = wanted.filter(pk__in=ids).in_bulk()
        there = len(faces) if since is None else rows.filter(pk__in=ids).count()
        gone = gone or there < len(page)
        found = [Match(faces[one.face_id], one.cosine) for one in page if one.face_id in faces]
        matches += [match for match in found if match.face.collection_id == home.pk]
        if len(matches) >= limit:
            break
    return matches[:limit], gone


def _record(
    caller: Caller,
    home: Collection,
    candidates: list[Match],
    started: float,
    *,
    threshold: float,
    liveness: float | None = None,
    request_name: str = "",
) -> SearchRecord:
    outcome = SearchRecord.Outcome.NO_MATCH
    if liveness is not None and liveness < home.liveness_threshold:
        outcome = SearchRecord.Outcome.SPOOF
    elif candidates and candidates[0].cosine >= threshold:
        outcome = SearchRecord.Outcome.MATCH
    with transaction.atomic():
        record = SearchRecord.everywhere.create(
            tenant=home.tenant,
            collection=home,
            request_name=request_name,
            threshold=threshold,
            outcome=outcome,
            best=candidates[0].face.uuid if candidates else "",
            candidates=[[match.face.uuid, round(match.cosine, 6)] for match in candidates[:_RECORDED]],
            liveness=liveness,
            pack=home.pack,
            gallery_size=home.gallery.size,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            actor_kind=caller.kind,
            actor_id=caller.id,
            actor_name=caller.name,
            via=caller.via,
            request_id=caller.request_id,
        )
        if outcome == SearchRecord.Outcome.MATCH:
            best = candidates[0].face
            facts = {"search": record.uuid, "face": best.uuid, "person": str(best.person_id)}
            events.emit(home.tenant, events.Kind.SEARCH_MATCHED, collection=home.name, **facts)
        audit.record(caller, "collection.searched", record, collection=str(home.pk), outcome=outcome)
        watch_searches(caller, record)
    return record
