"""The templates in the database: the truth from which every index is made.

The only module that reads and writes them: vectors are sealed on the way in and decrypted on the way out.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from recognition import packs
from recognition.errors import TemplateNotFound
from recognition.models import Embedding, Gallery, IndexSegment, Tombstone
from tenants import prepared
from tenants.errors import SealBroken
from tenants.models import Tenant
from tenants.vault import Vault

logger = logging.getLogger("faceplane.index")
_BATCH = 5000
_NORM_SLACK = 1e-3
# Every search runs this. Building it with the ORM would take twice as long as searching a gallery of 10,000.
_ADVANCE = (
    "UPDATE recognition_gallery SET head = head + %s, size = size + %s, mirrored = (mirrored AND %s) "
    "WHERE id = %s AND tenant_id = %s RETURNING head, size, mirrored"
)
_STATE = "SELECT head, base, version FROM recognition_gallery WHERE id = %s AND tenant_id = %s"


@dataclass(frozen=True, slots=True)
class State:
    """A gallery's newest sequence number, the number up to which its segments reach, and their version."""

    head: int
    base: int
    version: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Templates in order of sequence: `ids` and `sequences` (n,) int64, `vectors` (n, dimension) float32."""

    ids: np.ndarray
    sequences: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Removed templates: their face ids, and the sequence numbers with which they were added, both (n,) int64."""

    ids: np.ndarray
    added_seq: np.ndarray


def dimension(gallery: Gallery) -> int:
    """Return the width of the gallery's vectors."""
    return packs.get(gallery.pack).dimension


def add(gallery: Gallery, vectors: Mapping[int, np.ndarray], *, mirrored: bool = False) -> int:
    """Write templates under the gallery's lock; return the sequence number of the first.

    Raises:
        ValueError: a vector is not a finite unit vector of the pack's dimension; no index could find it.
    """
    for vector in vectors.values():
        if vector.shape != (dimension(gallery),) or not abs(float(np.linalg.norm(vector)) - 1) < _NORM_SLACK:
            raise ValueError(vector.shape)
    vault = Vault.of(gallery.tenant)
    first = _advance(gallery, len(vectors), added=len(vectors), mirrored=mirrored) + 1
    rows = [
        Embedding(
            tenant_id=gallery.tenant_id,
            face_id=face_id,
            gallery=gallery,
            sequence=sequence,
            sealed=vault.seal(vector.astype("<f4").tobytes(), _context(face_id)),
        )
        for sequence, (face_id, vector) in enumerate(vectors.items(), start=first)
    ]
    prepared.insert(rows)
    return first


def remove(gallery: Gallery, face_ids: Collection[int], *, mirrored: bool = False) -> int:
    """Delete templates under the gallery's lock and leave tombstones; return how many were found."""
    before = _advance(gallery, len(face_ids), mirrored=mirrored)
    present = list(_of_faces(gallery, face_ids).values_list("face_id", "sequence"))
    _of_faces(gallery, [face_id for face_id, _ in present]).delete()
    Tombstone.unscoped.bulk_create(
        Tombstone(tenant_id=gallery.tenant_id, gallery=gallery, sequence=sequence, face_id=face_id, added_seq=added_seq)
        for sequence, (face_id, added_seq) in enumerate(present, start=before + 1)
    )
    gallery.size -= len(present)
    gallery.save(update_fields=["size"])
    return len(present)


def state(gallery: Gallery) -> State:
    """Read the gallery's state.

    Raises:
        Gallery.DoesNotExist: it was erased.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [gallery.pk, gallery.tenant_id])
        found = cursor.fetchone()
    if found is None:
        raise Gallery.DoesNotExist
    return State(*found)


def layout(gallery: Gallery) -> tuple[State, list[IndexSegment]]:
    """Read the gallery's state and its segments at one moment: the version is compared again after the segments.

    Raises:
        Gallery.DoesNotExist: it was erased.
    """
    while True:
        before = state(gallery)
        segments = list(IndexSegment.objects.of(gallery.tenant).filter(gallery=gallery).order_by("low"))
        if state(gallery).version == before.version:
            return before, segments


def rows(gallery: Gallery, after: int, upto: int) -> Iterator[Rows]:
    """Read the templates numbered in (after, upto] in batches, each with its own query: no snapshot stays open."""
    vault, width = Vault.of(gallery.tenant), dimension(gallery)
    for found in _batches(gallery, after, upto):
        opened = ((face_id, number, _opened(gallery, vault, face_id, sealed)) for face_id, number, sealed in found)
        sound = [(face_id, number, plain) for face_id, number, plain in opened if plain is not None]
        yield Rows(
            ids=np.array([face_id for face_id, _, _ in sound], dtype=np.int64),
            sequences=np.array([number for _, number, _ in sound], dtype=np.int64),
            vectors=np.frombuffer(b"".join(plain for *_, plain in sound), dtype="<f4").reshape(len(sound), width),
        )


def damaged(gallery: Gallery) -> list[int]:
    """Decrypt every template; return the face ids of those that fail: no search finds them."""
    vault = Vault.of(gallery.tenant)
    everything = (row for found in _batches(gallery, 0, gallery.head) for row in found)
    return [face_id for face_id, _, sealed in everything if _opened(gallery, vault, face_id, sealed) is None]


def tombstones(gallery: Gallery, after: int, upto: int, *, base: int | None = None) -> Tombstones:
    """Read the removals numbered in (after, upto]; with `base`, only of templates that were numbered up to it."""
    gone = Tombstone.objects.of(gallery.tenant).filter(gallery=gallery, sequence__gt=after, sequence__lte=upto)
    if base is not None:
        gone = gone.filter(added_seq__lte=base)
    found = np.array(list(gone.values_list("face_id", "added_seq")), dtype=np.int64).reshape(-1, 2)
    return Tombstones(found[:, 0], found[:, 1])


def vectors(gallery: Gallery, face_ids: Collection[int]) -> dict[int, np.ndarray]:
    """Read templates by face id; ids that the gallery does not hold, and damaged templates, are omitted."""
    vault = Vault.of(gallery.tenant)
    found = _of_faces(gallery, face_ids).values_list("face_id", "sealed")
    return {
        face_id: np.frombuffer(plain, dtype="<f4")
        for face_id, sealed in found
        if (plain := _opened(gallery, vault, face_id, sealed)) is not None
    }


def holders(tenant: Tenant, face_ids: Collection[int]) -> set[str]:
    """Return the names of the published files that may still hold templates of these removed faces."""
    names: set[str] = set()
    tombstones = Tombstone.objects.of(tenant).filter(face_id__in=list(face_ids)).values_list("gallery_id", "added_seq")
    for gallery_id, added_seq in tombstones:
        around = IndexSegment.objects.of(tenant).filter(gallery_id=gallery_id, low__lt=added_seq, high__gte=added_seq)
        names.update(around.values_list("name", flat=True))
    return names


def vector(gallery: Gallery, face_id: int) -> np.ndarray:
    """Read one template.

    Raises:
        TemplateNotFound: the gallery holds no such face.
    """
    found = vectors(gallery, [face_id])
    if face_id not in found:
        raise TemplateNotFound(face_id)
    return found[face_id]


def _batches(gallery: Gallery, after: int, upto: int) -> Iterator[list[tuple[int, int, bytes]]]:
    mine = Embedding.objects.of(gallery.tenant).filter(gallery=gallery)
    while True:
        batch = mine.filter(sequence__gt=after, sequence__lte=upto).order_by("sequence")[:_BATCH]
        found = list(batch.values_list("face_id", "sequence", "sealed"))
        if not found:
            return
        yield found
        after = found[-1][1]


def _opened(gallery: Gallery, vault: Vault, face_id: int, sealed: bytes | memoryview) -> bytes | None:
    """Decrypt a template; if it is damaged, log an error and return None, so that the others are still found."""
    with suppress(SealBroken):
        return vault.open(bytes(sealed), _context(face_id))
    try:
        return Vault.of(gallery.tenant).open(bytes(sealed), _context(face_id))  # its key may be newer than `vault`
    except SealBroken:
        logger.error("A template is damaged: no search finds it.", extra={"gallery": gallery.pk, "face": face_id})  # noqa: TRY400 -- nothing to trace
        return None


def _of_faces(gallery: Gallery, face_ids: Collection[int]) -> QuerySet[Embedding]:
    """Return the gallery's templates of these faces."""
    return Embedding.objects.of(gallery.tenant).filter(gallery=gallery, face_id__in=list(face_ids))


def _advance(gallery: Gallery, numbers: int, *, added: int = 0, mirrored: bool) -> int:
    """Lock the gallery's row and take sequence numbers; return the number before the first of them.

    The lock is held until commit, so sequence numbers are committed in order. A change by an engine that does not write
    pgvector's table makes that table incomplete: the gallery is no longer `mirrored`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [numbers, added, mirrored, gallery.pk, gallery.tenant_id])
        found = cursor.fetchone()
    if found is None:
        raise Gallery.DoesNotExist
    gallery.head, gallery.size, gallery.mirrored = found[0], found[1], bool(found[2])
    return gallery.head - numbers


def _context(face_id: int) -> str:
    return f"template:{face_id}"
