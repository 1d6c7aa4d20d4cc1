"""Change the pack of a collection that is in use: fill a second gallery, compare, switch, roll back, end.

The row of the change is written under the collection's lock, by which a switch is one moment for every enrolment and
erasure. A search that began before it goes on with the pack and the gallery that it read.

Longer than 300 lines: the steps of one change, which share the lock and the row, stay together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from collections_app import bulk, erasure, galleries
from collections_app.errors import InvalidRequest, JobNotFound
from collections_app.model_comparison import policy_by
from collections_app.models import BulkJob, Collection, Face, ModelChange, Person, Receipt
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.disclosure import log_look
from recognition import packs
from recognition.models import Gallery, IndexSegment
from tenants import audit
from tenants.access import Caller, Scope, system
from tenants.queue import enqueue
from tenants.task_names import Task

MOST_DAYS = 365
_RATE = 1e-4  # at which packs are compared, unless the policy names a rate


@dataclass(frozen=True, slots=True)
class Progress:
    """A change, its collection, the job that fills the second gallery, and how many faces and people that lacks.

    The lacking people must come again, unless an image of them is enrolled another way.
    """

    change: ModelChange
    collection: Collection
    job: BulkJob | None
    faces: int
    filled: int
    lacking_faces: int
    lacking_people: int
    rolls_back_until: datetime | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A face of whom the packs name different people: "lost", "gained" or "other", and whose faces they name."""

    kind: str
    face: Face
    old: Face | None
    new: Face | None

    @property
    def answers(self) -> tuple[tuple[str, Face | None], ...]:
        """Both answers, with whose they are."""
        return ("old", self.old), ("new", self.new)


def begin_model_change(
    caller: Caller,
    *,
    collection: str | Alias,
    pack: str,
    retention_days: int = 7,
    false_match_rate: float | None = None,
) -> Progress:
    """Begin to change a collection's pack: a job fills a second gallery while the first one answers.

    `retention_days`: how long the old templates are kept after the switch. `false_match_rate`: at which both packs are
    compared; by default the policy's, or one in 10,000. A change to the same pack that is under
    way is returned instead.

    Raises:
        UnknownPack: there is no such pack.
        InvalidRequest: the collection has the pack already, or its pack is being changed.
        QuotaExceeded: too many jobs of the tenant are not over.
    """
    caller.require(Scope.ADMIN)
    found = _within(caller, collection)
    packs.get(pack)
    if pack == found.pack:
        raise InvalidRequest("pack", f"the collection has the pack {pack} already")
    values = {"rate": false_match_rate or found.false_match_rate or _RATE, "retention_days": retention_days}
    with transaction.atomic():
        old = lock(found)
        under_way = ModelChange.objects.of(caller.tenant).filter(collection=found).exclude(state=_ENDED).first()
        if under_way and under_way.new_pack == pack:
            return _progress(_open(caller, found))
        if under_way:
            raise InvalidRequest("pack", "the collection's pack is being changed already: end that change first")
        if galleries.of_collection(caller.tenant, found.pk).exclude(pk=old.pk).exists():
            raise InvalidRequest("pack", "the templates of the last change are still being erased: try again later")
        new = Gallery.unscoped.create(tenant=caller.tenant, collection=found, pack=pack)
        change = ModelChange(
            tenant=caller.tenant, collection=found, old=old, new=new, old_pack=old.pack, new_pack=pack, **values
        )
        change.save(force_insert=True)
        _fill(caller, change)
        audit.record(caller, "model_change.begun", found, before=old.pack, after=pack, days=retention_days)
    return _progress(change)


def get_model_change(caller: Caller, *, collection: str | Alias) -> Progress:
    """Return the change of the collection's pack, the last one if it is ended.

    Raises:
        JobNotFound: there never was one.
    """
    caller.require(Scope.ADMIN)
    found = _within(caller, collection)
    changes = ModelChange.objects.of(caller.tenant).filter(collection=found).select_related("old", "new", "job")
    change = changes.order_by("-created_at").first()
    if change is None:
        raise JobNotFound
    return _progress(_of(change, found))


def compare_again(caller: Caller, *, collection: str | Alias) -> Progress:
    """Have a job fill in what the second gallery lacks and compare again, such as after images were imported.

    Raises:
        JobNotFound: the collection's pack is not being changed.
        InvalidRequest: the job is still under way.
    """
    caller.require(Scope.ADMIN)
    found = _within(caller, collection)
    with transaction.atomic():
        lock(found)
        change = _open(caller, found)
        if change.job and change.job.state in bulk.ACTIVE:
            raise InvalidRequest("collection", "the job that fills its second gallery is still under way")
        _fill(caller, change)
    return _progress(change)


def switch_model(caller: Caller, *, collection: str | Alias, leave_out: bool = False) -> Progress:
    """Have searches read the new gallery from now on, in one transaction; the old one is kept, and both go on.

    The policy's thresholds stay the same scores, or the same false match rate if it names one. `leave_out`: although
    faces lack a template, whom searches then do not find.

    Raises:
        JobNotFound: the collection's pack is not being changed.
        InvalidRequest: the new gallery is not ready, or lacks faces.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        change, facts = _switch(caller, collection, ModelChange.State.READY, leave_out=leave_out)
        audit.record(caller, "model_change.switched", change.collection, **facts)
    return _progress(change)


def roll_back_model(caller: Caller, *, collection: str | Alias, leave_out: bool = False) -> Progress:
    """Have searches read the old gallery again, with the thresholds of before unless they were changed since.

    Raises:
        JobNotFound: the collection's pack is not being changed.
        InvalidRequest: it was not switched, or the old gallery lacks faces.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        change, facts = _switch(caller, collection, ModelChange.State.SWITCHED, leave_out=leave_out)
        audit.record(caller, "model_change.rolled_back", change.collection, **facts)
    return _progress(change)


def end_model_change(caller: Caller, *, collection: str | Alias) -> Progress:
    """End a change: erase the templates of the gallery that searches do not read, with a receipt.

    Before the switch that abandons it; after it there is no way back.

    Raises:
        JobNotFound: the collection's pack is not being changed.
    """
    caller.require(Scope.ADMIN)
    found = _within(caller, collection)
    caller.require(Scope.DELETE)
    with transaction.atomic():
        live = lock(found)
        return _progress(_end(caller, _open(caller, found), live))


def must_come_again(
    caller: Caller, *, collection: str | Alias, limit: int, after: int = 0
) -> tuple[list[Person], int | None]:
    """Return a page of the people of whom the second gallery lacks a face, by id, and where the next page begins.

    Raises:
        JobNotFound: the collection's pack is not being changed.
    """
    caller.require(Scope.ADMIN)
    found = _within(caller, collection)
    change = _open(caller, found)
    gallery = galleries.standby(change)
    assert gallery  # noqa: S101 -- a change that is not ended has both
    faces = galleries.lacking(found, gallery)
    people = Person.objects.of(caller.tenant).filter(collection=found, pk__gt=after, faces__in=faces)
    page = list(people.annotate(lacking=Count("faces")).order_by("pk")[: limit + 1])
    return page[:limit], page[limit - 1].pk if len(page) > limit else None


def changed_answers(caller: Caller, *, collection: str | Alias) -> list[Changed]:
    """Return the faces that the comparison lists, whose answer is another, if they still exist; the look is logged."""
    caller.require(Scope.ADMIN)
    found = _within(caller, collection)
    change = ModelChange.objects.of(caller.tenant).filter(collection=found).order_by("-created_at").first()
    rows = change.comparison.get("changed", ()) if change else ()
    ids = {int(row[side]) for row in rows for side in ("face", "old", "new") if row[side]}
    mine = Face.objects.of(caller.tenant).select_related("person").filter(pk__in=ids, collection=found)
    faces = {str(face.pk): face for face in mine}
    with transaction.atomic():
        log_look(caller, found, "model change", [face.uuid for face in faces.values()])
    return [
        Changed(row["kind"], faces[row["face"]], faces.get(row["old"]), faces.get(row["new"]))
        for row in rows
        if row["face"] in faces
    ]


def end_due(change: ModelChange) -> None:
    """End a change whose old templates were kept long enough. Not an operation: the schedule's."""
    collection = change.collection
    caller = system(collection.tenant, "model_change")
    with transaction.atomic():
        live = lock(collection)
        if live.pk == change.new_id:  # else it was rolled back just now
            _end(caller, _open(caller, collection), live)


_ENDED = ModelChange.State.ENDED


def _within(caller: Caller, collection: str | Alias) -> Collection:
    """Find the collection; what a comparison says of its people takes Scope.SCORES."""
    caller.require(Scope.SCORES)
    return find(caller, collection)


def _of(change: ModelChange, collection: Collection) -> ModelChange:
    change.collection = collection
    for one in (change.old, change.new):
        if one:
            one.tenant = collection.tenant
    return change


def _open(caller: Caller, collection: Collection) -> ModelChange:
    changes = ModelChange.objects.of(caller.tenant).filter(collection=collection).exclude(state=_ENDED)
    change = changes.select_related("old", "new", "job").first()
    if change is None:
        raise JobNotFound
    return _of(change, collection)


def _fill(caller: Caller, change: ModelChange) -> None:
    """Begin the job that fills the second gallery and compares both, in the caller's transaction."""
    options = {"pack": change.new_pack, "change": str(change.pk)}
    change.job = bulk.begin(caller, BulkJob.Kind.REEMBED, change.collection, options)
    change.save(update_fields=["job"])
    bulk.start(change.job)


def _switch(
    caller: Caller, name: str | Alias, state: ModelChange.State, *, leave_out: bool
) -> tuple[ModelChange, dict[str, Any]]:
    """Have searches read the other gallery, in the caller's transaction; return what is logged."""
    found = _within(caller, name)
    live = lock(found)
    change = _open(caller, found)
    if change.state != state:
        raise InvalidRequest("state", f"the change is {change.state}; this takes one that is {state}")
    fresh = Collection.objects.of(caller.tenant).select_related("gallery").get(pk=found.pk)
    fresh.tenant = caller.tenant
    _of(change, fresh)
    gallery = galleries.standby(change)
    assert gallery  # noqa: S101 -- a change that is not ended has both
    lacks = galleries.lacking(fresh, gallery).count()
    if lacks and not leave_out:
        raise InvalidRequest("leave_out", f"searches would not find {lacks} faces, which have no template of it")
    _point(fresh, change, live, gallery)
    thresholds = {"before": change.former, "after": change.chosen}
    return change, {"before": live.pack, "after": gallery.pack, "left_out": lacks, "thresholds": thresholds}


def _point(collection: Collection, change: ModelChange, live: Gallery, gallery: Gallery) -> None:
    """Have searches read the other gallery, under the collection's lock."""
    present = {name: getattr(collection, name) for name in galleries.THRESHOLDS}
    back = change.state == ModelChange.State.SWITCHED and present == change.chosen
    values = change.former if back else policy_by(collection, gallery)
    Gallery.objects.of(collection.tenant).filter(pk=gallery.pk, head__lt=live.head).update(head=live.head)
    Collection.objects.of(collection.tenant).filter(pk=collection.pk).update(
        pack=gallery.pack, gallery=gallery, **values
    )
    change.former, change.chosen = present, values
    switched = change.state == ModelChange.State.READY
    change.state = ModelChange.State.SWITCHED if switched else ModelChange.State.READY
    change.switched_at = timezone.now() if switched else None
    change.save(update_fields=["former", "chosen", "state", "switched_at"])
    collection.pack, collection.gallery = gallery.pack, gallery
    for name, value in values.items():
        setattr(collection, name, value)
    transaction.on_commit(lambda: enqueue(Task.COMPACT_GALLERY, gallery.pk))
    transaction.on_commit(lambda: enqueue(Task.CALIBRATE_COLLECTION, collection.pk))


def _end(caller: Caller, change: ModelChange, live: Gallery) -> ModelChange:
    """Erase the templates of the gallery that searches do not read, under the collection's lock."""
    gallery = change.old if live.pk == change.new_id else change.new
    assert gallery  # noqa: S101 -- a change that is not ended has both
    if change.job:
        bulk.stop(change.job, BulkJob.State.CANCELLED, "The change of the model was ended.")
    receipt = erasure.begin(
        caller,
        kind=Receipt.Kind.TEMPLATES,
        subject=str(gallery.pk),
        collection=change.collection,
        face_count=gallery.size,
    )
    segments = IndexSegment.objects.of(caller.tenant).filter(gallery=gallery)
    receipt.segments = sorted(segments.values_list("name", flat=True))
    receipt.save(update_fields=["segments"])
    change.state, change.ended_at, change.receipt = _ENDED, timezone.now(), receipt.uuid
    change.save(update_fields=["state", "ended_at", "receipt"])
    if not gallery.head:  # it never had a template, and no search reads it
        gallery.delete()
    facts = {"pack": live.pack, "erased": gallery.pack, "faces": receipt.face_count, "receipt": receipt.uuid}
    audit.record(caller, "model_change.ended", change.collection, **facts)
    return change


def _progress(change: ModelChange) -> Progress:
    collection, gallery = change.collection, None
    if change.state != _ENDED:
        gallery = galleries.standby(change)
    lacks: QuerySet[Face] | None = galleries.lacking(collection, gallery) if gallery else None
    faces = collection.faces.count()
    lacking = lacks.count() if lacks is not None else 0
    people = lacks.order_by().values("person").distinct().count() if lacks is not None else 0
    until = change.switched_at and change.switched_at + timedelta(days=change.retention_days)
    until = until if change.state == ModelChange.State.SWITCHED else None
    return Progress(change, collection, change.job, faces, faces - lacking, lacking, people, until)
