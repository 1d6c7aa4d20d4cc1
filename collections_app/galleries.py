"""A collection's galleries: the one that searches read and, while its pack changes, another that gets the same faces.

`operations.collections.lock` locks all of them, the oldest first, and sets `changing` to what is so under the lock.
"""

from collections.abc import Collection as Ids
from collections.abc import Mapping
from copy import copy

from django.db.models import Exists, OuterRef, QuerySet

from collections_app.models import Collection, Face, ModelChange
from recognition import packs
from recognition.errors import Busy
from recognition.index import face_index
from recognition.models import Embedding, Gallery
from recognition.results import Floats
from tenants.models import Tenant

THRESHOLDS = ("similarity_threshold", "review_threshold", "similarity_floor")  # of a policy, on its pack's scale


def of_collection(tenant: Tenant, collection_id: int) -> QuerySet[Gallery]:
    """Return a collection's galleries, the oldest first."""
    galleries: QuerySet[Gallery] = Gallery.objects.of(tenant).filter(collection=collection_id)
    return galleries.order_by("made_at", "pk")


def begin(collection: Collection) -> None:
    """Give a new collection its gallery, in the caller's transaction."""
    values = {"tenant": collection.tenant, "collection": collection, "pack": collection.pack}
    collection.gallery = Gallery.unscoped.create(id=collection.pk, **values)
    collection.save(update_fields=["gallery"])


def every(collection: Collection, live: Gallery) -> list[Gallery]:
    """Return the gallery that searches read, and then the other; under the collection's lock."""
    if not collection.changing:
        return [live]
    found = [one for one in of_collection(collection.tenant, collection.pk) if one.pk != live.pk]
    for one in found:
        one.tenant = collection.tenant
    return [live, *found]


def seen_by(collection: Collection, gallery: Gallery) -> Collection:
    """Return the collection as if searches read another of its galleries, by the same policy; never saved."""
    view, new = copy(collection), packs.get(gallery.pack).similarity
    gallery.tenant = collection.tenant
    view.pack, view.gallery = gallery.pack, gallery
    for name in THRESHOLDS:
        cosine = getattr(collection, name)
        score = None if cosine is None else packs.get(collection.pack).similarity.threshold(cosine)
        setattr(view, name, score and score.on(new))
    return view


def add(collection: Collection, live: Gallery, templates: Mapping[str, Mapping[int, Floats]]) -> int:
    """Add templates, by pack and face's id, to the galleries of these packs, under the collection's lock.

    Returns the number of the first face. A gallery of another pack lacks the faces until the change's job fills it.

    Raises:
        Busy: searches read a gallery of another pack since the caller looked; the next attempt finds it.
    """
    if live.pack not in templates:
        raise Busy(retry_after=1.0)
    first, *_ = (
        face_index().add(gallery, templates[gallery.pack])
        for gallery in every(collection, live)
        if gallery.pack in templates
    )
    return first


def remove(collection: Collection, face_ids: Ids[int]) -> None:
    """Remove faces' templates from every gallery, under the collection's lock."""
    for gallery in every(collection, collection.gallery):
        face_index().remove(gallery, face_ids)


def standby(change: ModelChange) -> Gallery | None:
    """Return the gallery of a change that searches do not read; None: it is gone."""
    gallery = change.old if change.collection.gallery_id == change.new_id else change.new
    if gallery:
        gallery.tenant = change.collection.tenant
    return gallery


def lacking(collection: Collection, gallery: Gallery) -> QuerySet[Face]:
    """Return the collection's faces that have no template in the gallery."""
    there = Embedding.objects.of(collection.tenant).filter(gallery=gallery, face_id=OuterRef("pk"))
    faces: QuerySet[Face] = Face.objects.of(collection.tenant).filter(collection=collection)
    return faces.filter(~Exists(there))
