"""Export: everything of a collection, templates too, into a sealed bundle (collections_app.bundle).

What is exported are the faces that are enrolled when the export begins; those that are erased before their part is
written are missing. No transaction is open while a bundle is written.
"""

import base64
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeAlias

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from collections_app import storage
from collections_app.bundle import Seal, Writer, seal_part
from collections_app.models import Collection, Face, Person, new_uuid
from collections_app.operations.collections import POLICY, Alias, find
from recognition import packs
from recognition.index import store
from tenants import audit, signing
from tenants.access import Caller, Scope

Rows: TypeAlias = list[dict[str, Any]]
FACES_A_PART, _PEOPLE_A_PART, _IMAGE_BYTES_A_PART = 500, 5_000, 8_000_000
_IMAGES_A_PIECE = 200  # faces whose images are exported together
PERSON_FIELDS = ("reference", "external_id", "name", "age", "gender", "listing", "note")
FACE_FIELDS = (
    "uuid",
    "image",
    "label",
    "image_width",
    "image_height",
    "box_x",
    "box_y",
    "box_width",
    "box_height",
    "landmarks",
    "confidence",
    "yaw",
    "pitch",
    "roll",
    "sharpness",
    "brightness",
    "vector_length",
    "expected_miss",
    "quality_reasons",
    "liveness",
    "actor_kind",
    "actor_id",
    "via",
    "consent",
    "stored_frame",
)


def export_collection(
    caller: Caller, *, collection: str | Alias, out: IO[bytes], seal: Seal, images: bool = False
) -> dict[str, int]:
    """Write a collection to a stream as a sealed bundle; with `images`, with its kept images. Return the counts.

    Whoever can open the bundle has every template, so it takes Scope.SCORES too.
    """
    caller.require(Scope.ADMIN)
    caller.require(Scope.SCORES)
    collection = find(caller, collection)
    manifest = manifest_of(caller, [collection])
    with transaction.atomic():
        facts = {"bundle": manifest["id"], "faces": collection.gallery.size, "images": images}
        audit.record(caller, "collection.exported", collection, **facts, sealed="passphrase" if seal.key else "age")
    writer = Writer(out, seal, "collection")
    counts = write_collection(writer, seal, collection, images)
    writer.finish({**manifest, "counts": counts}, signing.signed)
    return counts


def write_collection(writer: Writer, seal: Seal, collection: Collection, images: bool) -> dict[str, int]:  # noqa: FBT001
    """Write a collection's parts; return how many rows of each kind there are. Not an operation."""
    counts = {"people": collection.people.count(), "faces": 0, "images": 0}
    for kind, rows in collection_parts(collection, images):
        writer.add(*seal_part(seal, writer.next_number, kind, str(collection.pk), rows))
        if kind in counts:
            counts[kind] += len(rows)
    return counts


def collection_parts(collection: Collection, images: bool) -> Iterator[tuple[str, Rows]]:  # noqa: FBT001
    """Yield the kind and the rows of each part of a collection. Not an operation."""
    for kind, after, last in pieces(collection, images):
        for rows in piece_parts(collection, kind, after, last):
            yield kind, rows


def pieces(collection: Collection, images: bool) -> Iterator[tuple[str, int, int]]:  # noqa: FBT001
    """Yield what is exported by itself, in order: a kind, and the numbers (after, last] of faces. Not an operation."""
    head = store.state(collection.gallery).head
    yield "collection", 0, 0
    yield "nobody", 0, 0
    for kind, faces in (("faces", FACES_A_PART), ("images", _IMAGES_A_PIECE if images else 0)):
        after = 0
        while found := list(_numbers(collection, after, head)[:faces]):
            yield kind, after, found[-1]
            after = found[-1]
    yield "barred", 0, 0


def piece_parts(collection: Collection, kind: str, after: int, last: int) -> Iterator[Rows]:
    """Yield the rows of each part of a piece, if it has any. Not an operation."""
    if kind == "collection":
        yield [_collection_row(collection)]
    elif kind == "nobody":
        yield from _pages(collection.people.filter(faces=None), _person_row)
    elif kind == "barred":
        yield from _pages(collection.do_not_enrol.all(), lambda entry: {"reference": entry.reference})
    elif kind == "images":
        yield from _image_parts(collection, after, last)
    else:
        faces = Face.objects.of(collection.tenant).filter(collection=collection, number__gt=after, number__lte=last)
        if rows := face_rows(collection, list(faces.select_related("person").order_by("number"))):
            yield rows


def _numbers(collection: Collection, after: int, last: int) -> QuerySet[Face, int]:
    """Return the numbers of the faces in (after, last], in order."""
    faces = Face.objects.of(collection.tenant).filter(collection=collection, number__gt=after, number__lte=last)
    return faces.order_by("number").values_list("number", flat=True)


def face_rows(collection: Collection, faces: list[Face]) -> Rows:
    """Return faces with their people and templates; a face whose template is damaged is left out. Not an operation."""
    vectors = store.vectors(collection.gallery, [face.pk for face in faces])
    return [
        {
            "id": str(face.pk),
            **{name: getattr(face, name) for name in FACE_FIELDS},
            "created_at": face.created_at.isoformat(),
            "person": _person_row(face.person),
            "template": base64.b64encode(vectors[face.pk].astype("<f4").tobytes()).decode(),
        }
        for face in faces
        if face.pk in vectors
    ]


def pack_facts(name: str) -> dict[str, Any]:
    """Return what must be equal for templates to be comparable: the files that make them. Not an operation."""
    pack = packs.get(name)
    models = [model for role, of_role in pack.roles.items() if role != "liveness" for model in of_role]
    digests = {model.name: model.sha256 for model in models}
    return {"version": pack.version, "dimension": pack.dimension, "models": digests}


def manifest_of(caller: Caller, collections: list[Collection]) -> dict[str, Any]:
    """Return the manifest of a new bundle, without its counts and parts. Not an operation."""
    names = sorted({collection.pack for collection in collections})
    return {
        "id": new_uuid(),
        "made_at": timezone.now().isoformat(),
        "made_by": f"{caller.kind}:{caller.id}",
        "tenant": caller.tenant.slug,
        "packs": {name: pack_facts(name) for name in names},
    }


def _collection_row(collection: Collection) -> dict[str, Any]:
    return {
        "id": str(collection.pk),
        "alias": collection.alias,
        "name": collection.name,
        "pack": collection.pack,
        "created_at": collection.created_at.isoformat(),
        "policy": {name: getattr(collection, name) for name in sorted(POLICY)},
    }


def _person_row(person: Person) -> dict[str, Any]:
    values = {name: getattr(person, name) for name in PERSON_FIELDS}
    return {"id": str(person.pk), **values, "created_at": person.created_at.isoformat()}


def _pages(rows: QuerySet[Any], shown: Callable[[Any], dict[str, Any]]) -> Iterator[Rows]:
    """Yield rows in the order of their ids."""
    after = 0
    while page := list(rows.filter(pk__gt=after).order_by("pk")[:_PEOPLE_A_PART]):
        after = page[-1].pk
        yield [shown(row) for row in page]


def _image_parts(collection: Collection, after: int, last: int) -> Iterator[Rows]:
    """Yield the kept images, each once: faces of an image were enrolled together, so they are neighbours by number."""
    read, rows, size, before = storage.reader(collection.tenant), [], 0, ""
    kept = Face.objects.of(collection.tenant).filter(collection=collection, number__gt=after, number__lte=last)
    kept = kept.exclude(stored_image="")
    for image, name in kept.order_by("number").values_list("image", "stored_image").iterator(chunk_size=500):
        if image == before:
            continue
        before = image
        try:
            content = read(image, name)
        except FileNotFoundError:  # erased meanwhile
            continue
        rows.append({"image": image, "content": base64.b64encode(content).decode()})
        size += len(content)
        if size >= _IMAGE_BYTES_A_PART:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows
