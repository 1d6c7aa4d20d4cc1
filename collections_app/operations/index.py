"""The state of a collection's index, and rebuilding it."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from collections_app.models import Collection
from collections_app.operations.collections import find, list_collections
from collections_app.operations.jobs import Job, index_job
from recognition.index import compaction, lease
from recognition.models import Compaction, Gallery, IndexSegment
from tenants import audit
from tenants.access import Caller, Scope
from tenants.queue import enqueue
from tenants.task_names import Task


@dataclass(frozen=True, slots=True)
class IndexState:
    """A collection's index: its contents, its condition, and the work on it.

    `waiting` is the number of changes since the last segment: they are searched exactly. `buried` is the number of
    erased faces that segments still contain.
    """

    collection: Collection
    engine: str
    faces: int
    waiting: int
    segments: tuple[IndexSegment, ...]
    buried: int
    job: Job

    @property
    def sound(self) -> bool:
        """Whether every segment is usable; otherwise the collection is searched exactly, from the database."""
        return all(segment.condition == IndexSegment.Condition.SOUND for segment in self.segments)


class IndexCondition(StrEnum):
    """The condition of an index."""

    SOUND = "sound"
    DAMAGED = "damaged"
    BEING_MADE = "being_made"


def index_state(caller: Caller, *, collection: str) -> IndexState:
    """Return the state of a collection's index."""
    caller.require(Scope.READ)
    collection = find(caller, collection)
    gallery: Gallery = collection.gallery
    segments = IndexSegment.objects.of(caller.tenant).filter(gallery=gallery).order_by("low")
    return IndexState(
        collection=collection,
        engine="pgvector" if gallery.mirrored else settings.FACE_INDEX,
        faces=gallery.size,
        waiting=gallery.head - gallery.base,
        segments=tuple(segments),
        buried=gallery.tombstones.count(),
        job=index_job(collection),
    )


def index_conditions(caller: Caller) -> dict[int, IndexCondition]:
    """Return the condition of the index of each collection within reach, by its id, in three queries."""
    caller.require(Scope.READ)
    collections = list_collections(caller).values_list("pk", flat=True)
    held = lease.held(Compaction.objects.of(caller.tenant))
    unsound = IndexSegment.objects.of(caller.tenant).exclude(condition=IndexSegment.Condition.SOUND)
    conditions = dict.fromkeys(collections, IndexCondition.SOUND)
    for condition, those in (
        (IndexCondition.DAMAGED, unsound.values_list("gallery__collection_id", flat=True)),
        (IndexCondition.BEING_MADE, held.values_list("gallery__collection_id", flat=True)),
    ):
        conditions |= {collection: condition for collection in those if collection in conditions}
    return conditions


def rebuild(caller: Caller, *, collection: str) -> Job:
    """Queue a rebuild of every segment from the stored templates; searches use the old ones until then."""
    caller.require(Scope.ADMIN)
    collection = find(caller, collection)
    with transaction.atomic():
        compaction.outdate(collection.gallery)
        audit.record(caller, "index.rebuild_asked", collection)
        transaction.on_commit(lambda: enqueue(Task.COMPACT_GALLERY, collection.gallery.pk))
    return index_job(collection)
