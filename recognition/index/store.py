"""The templates in the database: the truth that every index is made from.

Vectors leave here decrypted and enter sealed; nobody else reads or writes them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from recognition import packs
from recognition.errors import TemplateNotFound
from recognition.models import Embedding, Gallery, Tombstone
from tenants.vault import Vault


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a gallery between two sequence numbers.

    `ids` (n,) int64 and `vectors` (n, dimension) float32 came, in order of sequence; `gone` are the face ids that left.
    """

    ids: np.ndarray
    vectors: np.ndarray
    gone: np.ndarray


def add(gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> int:
    """Write templates under the gallery's lock; return the sequence number of the first."""
    vault = Vault.of(gallery.tenant)
    first = _advance(gallery, len(vectors), grown=len(vectors)) + 1
    Embedding.everywhere.bulk_create(
        Embedding(
            tenant_id=gallery.tenant_id,
            face_id=face_id,
            gallery=gallery,
            sequence=sequence,
            sealed=vault.seal(vector.astype("<f4").tobytes(), _context(face_id)),
        )
        for sequence, (face_id, vector) in enumerate(vectors.items(), start=first)
    )
    return first


def remove(gallery: Gallery, face_ids: Collection[int]) -> int:
    """Delete templates under the gallery's lock and leave tombstones; return how many there were."""
    before = _advance(gallery, len(face_ids))
    rows = Embedding.objects.of(gallery.tenant).filter(gallery=gallery, face_id__in=face_ids)
    present = list(rows.values_list("face_id", flat=True))
    rows.delete()
    Tombstone.everywhere.bulk_create(
        Tombstone(tenant_id=gallery.tenant_id, gallery=gallery, sequence=sequence, face_id=face_id)
        for sequence, face_id in enumerate(present, start=before + 1)
    )
    gallery.size -= len(present)
    gallery.save(update_fields=["size"])
    return len(present)


def head(gallery: Gallery) -> int:
    """Read the gallery's newest sequence number.

    Raises:
        Gallery.DoesNotExist: the gallery was erased.
    """
    return int(Gallery.objects.of(gallery.tenant).values_list("head", flat=True).get(pk=gallery.pk))


def changes(gallery: Gallery, after: int, upto: int) -> Changes:
    """Read what came and went in (after, upto]; what left again meanwhile is not among what came."""
    span = {"gallery": gallery, "sequence__gt": after, "sequence__lte": upto}
    rows = Embedding.objects.of(gallery.tenant).filter(**span).order_by("sequence").values_list("face_id", "sealed")
    vault = Vault.of(gallery.tenant)
    ids, plain = [], bytearray()
    for face_id, sealed in rows.iterator(chunk_size=5000):
        ids.append(face_id)
        plain += vault.open(bytes(sealed), _context(face_id))
    gone = Tombstone.objects.of(gallery.tenant).filter(**span).values_list("face_id", flat=True) if after else []
    dimension = packs.get(gallery.pack).dimension
    return Changes(
        ids=np.array(ids, dtype=np.int64),
        vectors=np.frombuffer(bytes(plain), dtype="<f4").reshape(len(ids), dimension),
        gone=np.array(list(gone), dtype=np.int64),
    )


def vectors(gallery: Gallery, face_ids: Collection[int]) -> dict[int, np.ndarray]:
    """Read templates by face id; ids that the gallery does not hold are left out."""
    rows = Embedding.objects.of(gallery.tenant).filter(gallery=gallery, face_id__in=face_ids)
    vault = Vault.of(gallery.tenant)
    return {
        face_id: np.frombuffer(vault.open(bytes(sealed), _context(face_id)), dtype="<f4")
        for face_id, sealed in rows.values_list("face_id", "sealed")
    }


def vector(gallery: Gallery, face_id: int) -> np.ndarray:
    """Read one template.

    Raises:
        TemplateNotFound: the gallery holds no such face.
    """
    found = vectors(gallery, [face_id])
    if face_id not in found:
        raise TemplateNotFound(face_id)
    return found[face_id]


def _advance(gallery: Gallery, numbers: int, *, grown: int = 0) -> int:
    """Lock the gallery's row and take sequence numbers; return the number before the first of them."""
    locked = Gallery.objects.of(gallery.tenant).select_for_update(no_key=True).get(pk=gallery.pk)
    before: int = locked.head
    gallery.head, gallery.size = before + numbers, locked.size + grown
    gallery.save(update_fields=["head", "size"])
    return before


def _context(face_id: int) -> str:
    return f"template:{face_id}"
