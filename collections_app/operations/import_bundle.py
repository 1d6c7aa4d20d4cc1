"""Import: a bundle's collection into a tenant.

Each part is one transaction under the gallery's lock, and rows that are there already are left alone. So an import that
was killed is finished by a second one, and two at once do it together. What the collection's policy asks of images was
asked where the faces were enrolled; consent, the do-not-enrol list, limits and quotas are asked again.
"""

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from collections_app import galleries, identifiers, storage
from collections_app.bundle import Bundle, Part
from collections_app.errors import CollectionExists, InvalidRequest
from collections_app.identifiers import comparison_key
from collections_app.models import BarredReference, Collection, Face, Person
from collections_app.operations.collections import POLICY, find, lock
from collections_app.operations.export_bundle import pack_facts
from collections_app.operations.import_rows import Ids, check_texts, face_of, person_of, template_of
from collections_app.operations.room import room_for
from recognition import packs
from recognition.errors import UnknownPack
from recognition.models import Gallery
from recognition.packs import earlier
from tenants import audit
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.scope import TenantOwned, random_id

Keep: TypeAlias = Literal["keep", "new"]
Rows: TypeAlias = list[dict[str, Any]]


@dataclass(slots=True)
class Imported:
    """What came of a collection: how many rows are new, were there already, and were refused, by reason."""

    collection: Collection
    ids: Ids
    added: Counter[str] = field(default_factory=Counter)
    present: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a collection goes: whether its rows keep their ids, and its name here, or the collection it is added to."""

    ids: Keep = "keep"
    name: str = ""
    into: str = ""


BESIDE = Place()


def import_collection(caller: Caller, *, bundle: Bundle, place: Place = BESIDE) -> Imported:
    """Make the bundle's collection in the caller's tenant, or add its faces to the collection `into`.

    With new ids every row gets another one: for a copy beside the original. Where it is added to a collection, people
    are those of the collection with the same reference, and keep their fields.

    Raises:
        InvalidRequest: it is no collection's bundle, its templates are another pack's, or a row is not what it should.
        CollectionExists: an active collection has its name.
        CollectionFull, QuotaExceeded: there is no room for all of its faces.
    """
    caller.require(Scope.ADMIN)
    caller.require(Scope.ENROL)
    if bundle.manifest["kind"] != "collection":
        raise InvalidRequest("bundle", f"it is one of a {bundle.manifest['kind']}, not of a collection")
    imported = begin(caller, bundle, bundle.parts[0], place)
    for part in bundle.parts[1:]:
        import_part(caller, imported, bundle, part)
    return imported


def begin(caller: Caller, bundle: Bundle, part: Part, place: Place) -> Imported:
    """Find or make the collection of a bundle's part, and see that there is room for all faces. Not an operation."""
    if part.kind != "collection":
        raise InvalidRequest("bundle", "the first part of a collection is not the collection")
    [row] = bundle.rows(part)
    _check_pack(bundle, row.get("pack", ""))
    collection = find(caller, place.into) if place.into else _collection(caller, row, place)
    if collection.pack != row["pack"]:
        raise InvalidRequest("pack", f"the bundle's is {row['pack']}, the collection's {collection.pack}")
    coming = sum(one.rows for one in bundle.parts if one.kind == "faces" and one.collection == part.collection)
    gallery: Gallery = collection.gallery
    with transaction.atomic():
        room_for(collection, lock(collection), max(0, coming - gallery.size))
    return Imported(collection, Ids(str(collection.pk) if place.ids == "new" else ""))


def import_part(caller: Caller, imported: Imported, bundle: Bundle, part: Part) -> None:
    """Import one part; it may have been imported before, wholly or not. Not an operation."""
    takes = {"nobody": _people, "faces": _faces, "images": _images, "barred": _barred}
    if part.kind not in takes:
        raise InvalidRequest("bundle", f"it has a part of an unknown kind, {part.kind[:40]}")
    rows, before = bundle.rows(part), imported.added.copy()
    check_texts(rows)
    try:
        with transaction.atomic():
            gallery = lock(imported.collection)
            takes[part.kind](imported, rows, gallery)
            if added := imported.added - before:
                facts = {"bundle": bundle.manifest.get("id"), "part": part.name, "added": dict(added)}
                audit.record(caller, "collection.imported", imported.collection, **facts)
    except IntegrityError:
        raise InvalidRequest("ids", "some are taken here, by another collection: import with new ids") from None
    except (ValidationError, DataError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(
            "bundle", f"{part.name} has a row that is not as it should be: {type(error).__name__} {error}"[:300]
        ) from None


def _check_pack(bundle: Bundle, name: str) -> None:
    """Refuse templates that were made by other files than this installation's: they cannot be compared."""
    theirs = bundle.manifest.get("packs", {}).get(name)
    try:
        facts = pack_facts(name)
        ours = [facts | {"dimension": width} for width in earlier.widths(packs.get(name))]
    except UnknownPack:
        raise InvalidRequest("pack", f"the bundle's templates are of {name[:40]!r}, which this server lacks") from None
    if theirs not in ours:
        raise InvalidRequest("pack", f"the bundle's templates are of {name} with other models than this server's")


def _collection(caller: Caller, row: Mapping[str, Any], place: Place) -> Collection:
    """Return the collection that an import made before, or make it."""
    caller.require_whole_tenant()
    mine = Collection.objects.of(caller.tenant).select_related("tenant", "gallery")
    for turn in range(1_000):  # each copy that was deleted since keeps its id
        pk = Ids(f"{caller.tenant.pk}:{turn}" if place.ids == "new" else "").number("collection", row["id"])
        there: Collection | None = mine.filter(pk=pk).first()
        if there is None:
            return _make(caller, row, pk, place.name or row["name"], alias=row["alias"] if place.ids == "keep" else "")
        if there.state == Collection.State.ACTIVE:
            there.gallery.tenant = there.tenant
            return there
        if place.ids == "keep":
            break
    raise InvalidRequest("ids", "the collection was deleted here: import it with new ids")


def _make(caller: Caller, row: Mapping[str, Any], pk: int, name: str, *, alias: str) -> Collection:
    identifiers.check("name", name)
    policy = {field: value for field, value in row["policy"].items() if field in POLICY}
    collection = Collection(id=pk, tenant=caller.tenant, name=name, pack=row["pack"], **policy)
    if alias:
        collection.alias = alias
    try:
        collection.full_clean(validate_unique=False, validate_constraints=False)
    except (ValidationError, TypeError) as error:
        raise InvalidRequest("bundle", f"the collection is not as it should be: {error}"[:300]) from None
    quota = caller.tenant.collection_quota
    living = Collection.objects.of(caller.tenant).filter(state=Collection.State.ACTIVE)
    try:
        with transaction.atomic():
            if quota is not None:
                caller.tenant.lock()
                if living.count() >= quota:
                    raise QuotaExceeded("collections", quota)
            collection.save(force_insert=True)
            galleries.begin(collection)
            audit.record(caller, "collection.created", collection, name=name, pack=collection.pack)
    except IntegrityError:
        if living.filter(name_key=comparison_key(name)).exclude(pk=pk).exists():
            raise CollectionExists(name) from None
        there: Collection | None = living.filter(pk=pk).select_related("tenant", "gallery").first()
        if there:
            return there  # another import made it just now
        raise InvalidRequest("ids", "the collection's is taken here: import with new ids") from None
    return collection


def _faces(imported: Imported, rows: Rows, gallery: Gallery) -> None:
    collection, ids = imported.collection, imported.ids
    by_id = {ids.number("face", row["id"]): row for row in rows}
    there = set(
        Face.objects.of(collection.tenant).filter(pk__in=by_id, collection=collection).values_list("pk", flat=True)
    )
    imported.present["faces"] += len(there)
    new = {pk: row for pk, row in by_id.items() if pk not in there}
    barred = _barred_keys(collection, [row["person"]["reference"] for row in new.values()])
    for pk, row in list(new.items()):
        lacks = collection.consent_required and not row["consent"]
        reason = "barred" if comparison_key(row["person"]["reference"]) in barred else "consent" if lacks else ""
        if reason:
            imported.refused[reason] += 1
            del new[pk]
    if not new:
        return
    room_for(collection, gallery, len(new))
    people = _save_people(imported, [row["person"] for row in new.values()])
    pack = packs.get(collection.pack)
    templates = {pk: template_of(row["template"], pack) for pk, row in new.items()}
    first = galleries.add(collection, gallery, {collection.pack: templates})
    faces = [
        face_of(collection, ids, (number, pk), row, people[row["person"]["id"]])
        for number, (pk, row) in enumerate(new.items(), start=first)
    ]
    Face.unscoped.bulk_create(faces)
    _keep_times(Face, faces, [row["created_at"] for row in new.values()])
    imported.added["faces"] += len(faces)


def _people(imported: Imported, rows: Rows, gallery: Gallery) -> None:
    barred = _barred_keys(imported.collection, [row["reference"] for row in rows])
    kept = [row for row in rows if comparison_key(row["reference"]) not in barred]
    imported.refused["barred"] += len(rows) - len(kept)
    _save_people(imported, kept)


def _save_people(imported: Imported, rows: Rows) -> dict[str, Person]:
    """Return the people of these rows by their id in the bundle; make those that the collection lacks."""
    collection = imported.collection
    mine = Person.objects.of(collection.tenant).filter(collection=collection)
    coming = {row["id"]: person_of(collection, imported.ids, row) for row in rows}
    keys = {comparison_key(person.reference) for person in coming.values()}
    known = {person.pk: person for person in mine.filter(pk__in=[person.pk for person in coming.values()])}
    named = {person.reference_key: person for person in mine.filter(reference_key__in=keys)}
    found = {one: known.get(person.pk) or named.get(comparison_key(person.reference)) for one, person in coming.items()}
    new = {one: person for one, person in coming.items() if found[one] is None}
    Person.unscoped.bulk_create(new.values())
    times = {row["id"]: row["created_at"] for row in rows}
    _keep_times(Person, list(new.values()), [times[one] for one in new])
    imported.added["people"] += len(new)
    imported.present["people"] += len(coming) - len(new)
    return {one: person or coming[one] for one, person in found.items()}


def _barred(imported: Imported, rows: Rows, gallery: Gallery) -> None:
    collection = imported.collection
    there = _barred_keys(collection, [row["reference"] for row in rows])
    new = {comparison_key(row["reference"]): row["reference"] for row in rows}
    for reference in new.values():
        identifiers.check("reference", reference)
    entries = [
        BarredReference(id=random_id(), tenant=collection.tenant, collection=collection, reference=reference)
        for key, reference in new.items()
        if key not in there
    ]
    BarredReference.unscoped.bulk_create(entries)
    imported.added["barred"] += len(entries)
    imported.present["barred"] += len(there)


def _barred_keys(collection: Collection, references: list[str]) -> set[str]:
    keys = {comparison_key(reference) for reference in references}
    barred = BarredReference.objects.of(collection.tenant).filter(collection=collection, reference_key__in=keys)
    return set(barred.values_list("reference_key", flat=True))


def _images(imported: Imported, rows: Rows, gallery: Gallery) -> None:
    """Keep images for the faces that came with them; a collection whose policy keeps none gets none."""
    collection = imported.collection
    if collection.images == Collection.Images.NONE:
        imported.refused["images"] += len(rows)
        return
    faces = Face.objects.of(collection.tenant).filter(collection=collection)
    stored: list[str] = []
    try:
        for row in rows:
            image = imported.ids.uuid("image", row["image"])
            waiting = faces.filter(image=image, stored_image="")
            if not waiting.exists():
                imported.present["images"] += 1
                continue
            stored.append(storage.keep(collection, image, base64.b64decode(row["content"], validate=True)))
            waiting.update(stored_image=stored[-1])
    except BaseException:
        for name in stored:
            storage.erase(name)
        raise
    imported.added["images"] += len(stored)


def _keep_times(model: type[TenantOwned], rows: list[Any], times: list[str]) -> None:
    """Give new rows the times at which they were made elsewhere: retention counts from then."""
    for row, text in zip(rows, times, strict=True):
        row.created_at = datetime.fromisoformat(text)
        if row.created_at.tzinfo is None:
            raise ValueError(text)
    if rows:
        model.objects.of(rows[0].tenant).bulk_update(rows, ["created_at"], batch_size=200)
