"""Galleries of synthetic faces: the rows that operations write, without the images."""

from collections.abc import Mapping, Sequence

import numpy as np
from django.db import transaction

from collections_app.models import Collection, Face, Person
from recognition.index import FaceIndex
from tenants.models import Tenant
from tenants.scope import random_id


def people(random: np.random.Generator, count: int, faces: int, width: int = 128, cosine: float = 0.6) -> np.ndarray:
    """Return unit vectors (count * faces, width): faces of one person are adjacent and have about this cosine."""
    centres = np.repeat(unit(random.standard_normal((count, width))), faces, axis=0)
    noise = unit(random.standard_normal((count * faces, width)))
    return unit(np.sqrt(cosine) * centres + np.sqrt(1 - cosine) * noise)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors normalised to length one, float32."""
    scaled: np.ndarray = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return scaled


def enrol(index: FaceIndex, collection: Collection, vectors: Sequence[np.ndarray] | np.ndarray) -> list[int]:
    """Write a face for each vector, in one transaction; return the faces' ids."""
    with transaction.atomic():
        ids = [random_id() for _ in vectors]
        first = index.add(collection.gallery, dict(zip(ids, vectors, strict=True)))
        person = Person.unscoped.create(tenant=collection.tenant, collection=collection, reference=str(ids[0]))
        Face.unscoped.bulk_create(face_row(collection, person, face, first + place) for place, face in enumerate(ids))
    return ids


def erase(index: FaceIndex, collection: Collection, ids: Sequence[int]) -> None:
    """Remove faces, in one transaction."""
    with transaction.atomic():
        index.remove(collection.gallery, ids)
        collection.faces.filter(pk__in=ids).delete()


def face_row(collection: Collection, person: Person, face: int, number: int) -> Face:
    """Return a face's row, not saved yet."""
    zeros: Mapping[str, float] = dict.fromkeys(
        ("box_x", "box_y", "box_width", "box_height", "confidence", "yaw", "pitch", "roll", "sharpness", "brightness"),
        0.0,
    )
    return Face(
        id=face,
        tenant=collection.tenant,
        collection=collection,
        person=person,
        number=number,
        image=str(face),
        image_width=1,
        image_height=1,
        landmarks=[],
        actor_kind="system",
        actor_id="tests",
        via="system",
        **zeros,
    )


def tenant_of(collection: Collection) -> Tenant:
    """Return the collection's tenant."""
    return collection.tenant
