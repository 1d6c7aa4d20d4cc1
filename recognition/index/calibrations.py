"""The calibrations of galleries in the database, and searches that are scored with them.

A calibration holds a mean over at least thirty strangers and the cosines that they reach, sealed like a template. It is
read once a version and process. A request goes by the version that its gallery's row named, so a new one is taken into
use between requests.
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from django.db import transaction
from django.utils import timezone

from recognition import packs
from recognition.calibration.calibrated import Normalisation, choose_strangers, learn
from recognition.calibration.tail import Doubles, Tail, compared, fit
from recognition.index.protocol import Neighbour
from recognition.models import Calibration, Gallery
from recognition.packs import Pack
from recognition.results import Floats
from recognition.similarity import DEFAULT, FALSE_MATCH_RATES, Threshold
from tenants.errors import SealBroken
from tenants.vault import Vault

logger = logging.getLogger("faceplane.index")
MORE = 50  # faces that are scored again beyond those asked for: the order by cosine is not that of the scores
_KEPT = 4096  # galleries whose calibration a process keeps: at most 1.4 kB each


def normalisation(gallery: Gallery) -> Normalisation | None:
    """Return what normalises the gallery's cosines; None: its pack's constants stand."""
    return _read(gallery, gallery.calibrated) if gallery.calibrated else None


def renew(
    gallery: Gallery,
    templates: Floats,
    people: np.ndarray,
    used: Callable[[Normalisation], Normalisation | None],
) -> Calibration:
    """Learn a gallery's calibration from a sample of its templates (n, d) and the ids of their people (n,).

    The version changes only if what was learnt does. With too few strangers nothing is kept. The tail is that of
    cosines as they are `used`: normalised by what this returns, or plain.
    """
    pack = packs.get(gallery.pack)
    rows = choose_strangers(templates, people, DEFAULT.on(pack.similarity))
    learnt = pack.normal and learn(templates, people, rows, pack.normal)
    tail = learnt and _tail(pack, templates, people, used(learnt))
    plain = learnt and np.concatenate([learnt.mean, learnt.own]).astype("<f4").tobytes()
    with transaction.atomic():
        locked = Gallery.objects.of(gallery.tenant).select_for_update(no_key=True).get(pk=gallery.pk)
        kept = Calibration.objects.of(gallery.tenant).filter(gallery=gallery).first()
        kept = kept or Calibration(tenant_id=gallery.tenant_id, gallery=gallery)
        if not kept.version or _opened(gallery, kept) != plain:
            kept.version += 1
            kept.sealed = plain and Vault.of(gallery.tenant).seal(plain, _context(gallery))
        kept.strangers = len(rows)
        kept.tail = tail.plain() if tail else {}
        kept.head, kept.made_at = gallery.head, timezone.now()
        kept.save()
        locked.calibrated = kept.version if plain else 0
        locked.save(update_fields=["calibrated"])
    return kept


def rescored(
    near: Sequence[Neighbour], probe: Floats, scale: Normalisation, *, floor: float, enrolled: bool
) -> list[Neighbour]:
    """Score what an index found again, from the templates it had in memory; omit what is below the floor."""
    if not near:
        return []
    cosines = scale.cosines(probe, np.stack([one.vector for one in near]), enrolled=enrolled).tolist()
    scored = [Neighbour(one.face_id, cosine, one.vector) for one, cosine in zip(near, cosines, strict=True)]
    return sorted((one for one in scored if one.cosine >= floor), key=lambda one: (-one.cosine, one.face_id))


def tail(gallery: Gallery) -> Tail | None:
    """Return how often the gallery's own strangers reach a cosine, as scores have it; None: too few were compared."""
    kept = getattr(gallery, "calibration", None)
    return kept and Tail.of(kept.tail)


def forget_tail(gallery: Gallery) -> None:
    """Forget the tail, which was measured on another scale than scores have from now on."""
    Calibration.objects.of(gallery.tenant).filter(gallery=gallery).update(tail={})


def _tail(pack: Pack, templates: Floats, people: np.ndarray, scale: Normalisation | None) -> Tail | None:
    def compare(some: Floats, others: Floats) -> Doubles:
        if scale is None:
            return np.asarray(some @ others.T, dtype=np.float64)
        return scale.cosines(some, others, enrolled=True)

    same, alike = Threshold.of_rate(FALSE_MATCH_RATES[-1]).on(pack.similarity), DEFAULT.on(pack.similarity)
    return fit(compared(templates, people, compare, same=same, alike=alike))


@lru_cache(maxsize=_KEPT)
def _read(gallery: Gallery, version: int) -> Normalisation | None:
    """Read the calibration; a newer one, if `version` was replaced since the gallery was read."""
    kept = Calibration.objects.of(gallery.tenant).filter(gallery=gallery, version__gte=version).first()
    plain, pack = kept and _opened(gallery, kept), packs.get(gallery.pack)
    if not kept or not plain or not pack.normal:
        return None
    mean, own = np.split(np.frombuffer(plain, dtype="<f4"), [pack.dimension])
    return Normalisation(kept.version, mean, kept.strangers, pack.normal, tuple(own.tolist()))


def _opened(gallery: Gallery, kept: Calibration) -> bytes | None:
    """Return the mean's bytes; None: there is none, or it is damaged."""
    if kept.sealed is None:
        return None
    try:
        return Vault.of(gallery.tenant).open(bytes(kept.sealed), _context(gallery))
    except SealBroken:
        logger.error("A calibration is damaged: scores are plain until it is renewed.", extra={"gallery": gallery.pk})  # noqa: TRY400 -- nothing to trace
        return None


def _context(gallery: Gallery) -> str:
    return f"calibration:{gallery.pk}"
