"""See how a collection's index is, and have it made again."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from collections_app.models import Collection
from collections_app.operations.collections import find, list_collections
from collections_app.operations.jobs import Job, index_job, seconds_left
from recognition import tasks
from recognition.index import compaction
from recognition.models import Compaction, Gallery, IndexSegment
from tenants import audit
from tenants.access import Caller, Scope
from tenants.queue import soon


@dataclass(frozen=True, slots=True)
class IndexState:
    """A collection's index: what it holds, whether all of it is sound, and how far the work on it is.

    `waiting` are the changes since the last segment: they are searched exactly. `stage` is empty when nobody works on
    it; `seconds_left` is about the stage and None until it can be known. `fault` is what stopped the last attempt.
    """

    collection: Collection
    engine: str
    faces: int
    waiting: int
    segments: tuple[IndexSegment, ...]
    buried: int
    stage: str
    rows_done: int
    rows_total: int
    seconds_left: float | None
    finished_at: datetime | None
    fault: str

    @property
    def sound(self) -> bool:
        """Whether every segment can be used; while one cannot, the collection is searched exactly from the database."""
        return all(segment.condition == IndexSegment.Condition.SOUND for segment in self.segments)


class IndexCondition(StrEnum):
    """How an index is, in a word."""

    SOUND = "sound"
    DAMAGED = "damaged"
    BEING_MADE = "being_made"


def index_state(caller: Caller, *, collection: str) -> IndexState:
    """Say how a collection's index is."""
    caller.require(Scope.READ)
    home = find(caller, collection)
    gallery: Gallery = home.gallery
    work = Compaction.objects.of(caller.tenant).filter(gallery=gallery).first() or Compaction(gallery=gallery)
    segments = IndexSegment.objects.of(caller.tenant).filter(gallery=gallery).order_by("low")
    return IndexState(
        collection=home,
        engine="pgvector" if gallery.mirrored else settings.FACE_INDEX,
        faces=gallery.size,
        waiting=gallery.head - gallery.base,
        segments=tuple(segments),
        buried=gallery.tombstones.count(),
        stage=work.stage,
        rows_done=work.done,
        rows_total=work.total,
        seconds_left=seconds_left(work.stage_began_at, work.done, work.total) if work.stage else None,
        finished_at=work.finished_at,
        fault=work.fault,
    )


def index_conditions(caller: Caller) -> dict[int, IndexCondition]:
    """Say of each collection within reach, by its id, whether its index can be used or is being made: three queries."""
    caller.require(Scope.READ)
    homes = list_collections(caller).values_list("pk", flat=True)
    made = Compaction.objects.of(caller.tenant).exclude(stage="").values_list("gallery_id", flat=True)
    unsound = IndexSegment.objects.of(caller.tenant).exclude(condition=IndexSegment.Condition.SOUND)
    conditions = dict.fromkeys(homes, IndexCondition.SOUND)
    for condition, those in (
        (IndexCondition.DAMAGED, unsound.values_list("gallery_id", flat=True)),
        (IndexCondition.BEING_MADE, made),
    ):
        conditions |= {home: condition for home in those if home in conditions}
    return conditions


def rebuild(caller: Caller, *, collection: str) -> Job:
    """Have every segment made again from the stored templates; searches go on with the old ones meanwhile."""
    caller.require(Scope.ADMIN)
    home = find(caller, collection)
    with transaction.atomic():
        compaction.outdate(home.gallery)
        audit.record(caller, "index.rebuild_asked", home)
        transaction.on_commit(lambda: soon(tasks.compact_gallery.name, home.pk))
    return index_job(home)
