"""The work behind a collection's calibration: from a sample of its faces to what its scores are measured against."""

import numpy as np
from django.db import transaction

from collections_app.models import Collection
from recognition import packs
from recognition.calibration.calibrated import FEWEST
from recognition.index import calibrations, store
from tenants import access, audit

__all__ = ["FEWEST", "renew"]
_BATCH = 500
_SAMPLED = 2_000  # faces; their ids are random, so those of the lowest ids are a sample that hardly changes


def renew(collection: Collection) -> None:
    """Learn the collection's calibration from a sample of its faces; a new version is logged."""
    gallery = collection.gallery
    chosen = dict(collection.faces.order_by("pk").values_list("pk", "person_id")[:_SAMPLED])
    wanted = list(chosen)
    vectors: dict[int, np.ndarray] = {}
    for start in range(0, len(wanted), _BATCH):
        vectors |= store.vectors(gallery, wanted[start : start + _BATCH])
    faces = [face for face in wanted if face in vectors]
    templates = np.array([vectors[face] for face in faces], dtype=np.float32)
    people = np.array([chosen[face] for face in faces], dtype=np.int64)
    before = gallery.calibrated
    with transaction.atomic():
        kept = calibrations.renew(gallery, templates.reshape(len(faces), packs.get(gallery.pack).dimension), people)
        gallery.calibrated = kept.version if kept.sealed else 0
        if gallery.calibrated != before:
            caller, facts = access.system(collection.tenant, "calibrate"), {"strangers": kept.strangers}
            audit.record(caller, "collection.calibrated", collection, version=gallery.calibrated, **facts)
