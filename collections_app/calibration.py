"""The work behind a collection's calibration: from a sample of its faces to what its scores are measured against."""

import math
from functools import partial

import numpy as np
from django.db import transaction
from django.db.models import Min, Sum

from collections_app import galleries, scoring
from collections_app.models import Collection, JudgedMatch, SearchRecord
from recognition import packs
from recognition.calibration.calibrated import FEWEST
from recognition.index import calibrations, store
from recognition.models import Calibration
from recognition.similarity import Threshold
from tenants import access, audit, events

__all__ = ["FEWEST", "renew"]
FEWEST_WRONG = 3
_BATCH = 500
_SAMPLED = 2_000  # faces; their ids are random, so those of the lowest ids are a sample that hardly changes


def renew(collection: Collection) -> None:
    """Learn the collection's calibration from a sample of its faces; a new version is logged."""
    with transaction.atomic():
        _apply(collection, learn(collection))
    for other in galleries.of_collection(collection.tenant, collection.pk).exclude(pk=collection.gallery.pk):
        learn(galleries.seen_by(collection, other))


def learn(collection: Collection) -> Calibration:
    """Learn what the scores of the collection's gallery are measured against; its policy stays."""
    gallery = collection.gallery
    chosen = dict(collection.faces.order_by("pk").values_list("pk", "person_id")[:_SAMPLED])
    wanted = list(chosen)
    vectors: dict[int, np.ndarray] = {}
    for start in range(0, len(wanted), _BATCH):
        vectors |= store.vectors(gallery, wanted[start : start + _BATCH])
    faces = [face for face in wanted if face in vectors]
    templates = np.array([vectors[face] for face in faces], dtype=np.float32)
    people = np.array([chosen[face] for face in faces], dtype=np.int64)
    templates = templates.reshape(len(faces), packs.get(gallery.pack).dimension)
    return calibrations.renew(gallery, templates, people, partial(scoring.used, collection))


def _beyond_wrong(collection: Collection, threshold: Threshold) -> Threshold:
    """Return the threshold, raised if members marked more matches as wrong than the policy's rate allows.

    So many wrong ones are allowed among the comparisons of all searches since the first that was judged. Fewer than
    FEWEST_WRONG may be chance and raise nothing.
    """
    judged = JudgedMatch.objects.of(collection.tenant).filter(collection=collection, pack=collection.pack)
    searches = SearchRecord.objects.of(collection.tenant).filter(collection=collection)
    first = searches.filter(uuid__in=judged.values("search_uuid")).aggregate(at=Min("at"))["at"]
    scale = packs.get(collection.pack).similarity
    wrong = sorted(judged.filter(right=False, cosine__gte=threshold.on(scale)).values_list("cosine", flat=True))
    if len(wrong) < FEWEST_WRONG or first is None:
        return threshold
    compared = searches.filter(at__gte=first).aggregate(sum=Sum("gallery_size"))["sum"] or 0
    allowed = int(compared * (collection.false_match_rate or 0))
    if len(wrong) <= allowed:
        return threshold
    last = wrong[len(wrong) - 1 - allowed]  # the best of those that are too many
    points = (Threshold(float(score)) for score in range(math.ceil(threshold.score), 101))
    return next((each for each in points if each.on(scale) > last), Threshold(100.0))


def _apply(collection: Collection, kept: Calibration) -> None:
    """Set a threshold that stands for a rate anew; log a new version and what it did to the threshold."""
    gallery = collection.gallery
    version, before = kept.version if kept.sealed else 0, collection.threshold
    changed, gallery.calibrated, gallery.calibration = version != gallery.calibrated, version, kept
    if collection.false_match_rate is not None:
        after = _beyond_wrong(collection, scoring.threshold_at(collection, collection.false_match_rate))
        collection.similarity_threshold = after.on(packs.get(collection.pack).similarity)
        unchanged = Collection.objects.of(collection.tenant).filter(pk=collection.pk, pack=collection.pack)
        unchanged.update(similarity_threshold=collection.similarity_threshold)
    if not changed and collection.threshold == before:
        return
    facts: dict[str, float] = {"version": version, "strangers": kept.strangers}
    if own := scoring.tail(collection):
        facts["false_match_rate"] = own.rate(collection.similarity_threshold)
    if collection.threshold != before:
        facts |= {"threshold_before": round(before.score, 1), "threshold": round(collection.threshold.score, 1)}
    audit.record(access.system(collection.tenant, "calibrate"), "collection.calibrated", collection, **facts)
    events.emit(collection.tenant, events.Kind.COLLECTION_CALIBRATED, collection=collection.name, **facts)
