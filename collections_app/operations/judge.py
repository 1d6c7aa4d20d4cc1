"""What members say of matches, and what that says of a collection's error rates."""

import math
from dataclasses import dataclass

from django.db import transaction

from collections_app.errors import FaceNotFound, SearchNotFound
from collections_app.models import Collection, Face, JudgedMatch, SearchRecord
from tenants import audit
from tenants.access import Caller, Scope

_SURE = 1.96  # standard deviations of a 95 % interval


@dataclass(frozen=True, slots=True)
class Judged:
    """The judged matches of a collection: how many were right and wrong, and how many of each reach the threshold now.

    `wrong_share` is the share that was wrong, with its 95 % interval (Wilson, 1927); None without judged matches.
    `missed` is the share of the right ones that the threshold would miss now; None without right ones.
    """

    right: int
    wrong: int
    wrong_now: int
    wrong_share: tuple[float, float, float] | None
    missed: float | None


def judge_match(caller: Caller, *, search: str, face: str, right: bool) -> Judged:
    """Say that a search's match with a face was right or wrong; a second judgement replaces the first.

    It counts in the collection's rates at once, and at its next calibration.

    Raises:
        SearchNotFound: no search within reach has this UUID.
        FaceNotFound: the search did not match the face, or the face is gone.
    """
    caller.require(Scope.ENROL)
    records = caller.within(SearchRecord.objects.of(caller.tenant).select_related("collection"))
    record = records.filter(uuid=search).first()
    if record is None:
        raise SearchNotFound
    cosine = next((each for uuid, each in record.candidates if uuid == face and each >= record.threshold), None)
    found = Face.objects.of(caller.tenant).filter(uuid=face, collection=record.collection).first()
    if cosine is None or found is None or record.outcome not in _MATCHED:
        raise FaceNotFound(face)
    values = {"collection": record.collection, "pack": record.pack, "cosine": cosine, "right": right}
    with transaction.atomic():
        JudgedMatch.unscoped.update_or_create(
            tenant=caller.tenant, search_uuid=record.uuid, face_id=found.pk, defaults=values
        )
        audit.record(caller, "collection.match_judged", record, face=face, right=right)
    return _judged(record.collection)


def judged_faces(caller: Caller, *, search: str) -> dict[str, bool]:
    """Return whether members found a search's matches right, by the face's UUID."""
    caller.require(Scope.AUDIT)
    judged = dict(JudgedMatch.objects.of(caller.tenant).filter(search_uuid=search).values_list("face_id", "right"))
    faces = Face.objects.of(caller.tenant).filter(pk__in=judged)
    return {uuid: judged[pk] for uuid, pk in faces.values_list("uuid", "pk")}


def judged_rates(caller: Caller, *, collection: Collection) -> Judged:
    """Return how members judged a collection's matches; `collection` is the caller's."""
    caller.require(Scope.READ)
    return _judged(collection)


_MATCHED = frozenset({SearchRecord.Outcome.MATCH, SearchRecord.Outcome.REVIEW})


def _judged(collection: Collection) -> Judged:
    judged = JudgedMatch.objects.of(collection.tenant).filter(collection=collection, pack=collection.pack)
    reaching = judged.filter(cosine__gte=collection.similarity_threshold)
    right, wrong = judged.filter(right=True).count(), judged.filter(right=False).count()
    missed = 1 - reaching.filter(right=True).count() / right if right else None
    share = _wilson(wrong, right + wrong) if right + wrong else None
    return Judged(right, wrong, reaching.filter(right=False).count(), share, missed)


def _wilson(count: int, of: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval."""
    share, square = count / of, _SURE * _SURE
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _SURE * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return share, max(0.0, middle - half), min(1.0, middle + half)
