"""Fill a collection's second gallery: every face's template by another pack, from what is kept of its image.

A unit is a few faces. The first gallery answers meanwhile; what is enrolled or erased goes to both. At the end both
are compared (collections_app.model_comparison).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import QuerySet

from collections_app import bulk, calibration, galleries, model_comparison, storage
from collections_app.bulk import Settled, Unit
from collections_app.errors import CollectionDeleted
from collections_app.examine import embed_kept
from collections_app.jobs.kind import JobFailed, Run
from collections_app.models import Collection, Face, ModelChange
from collections_app.operations.collections import lock
from recognition.errors import Busy, ModelUnavailable, RecognitionError, UnknownPack
from recognition.index import face_index
from recognition.models import Embedding, Gallery
from recognition.results import Floats, Landmarks, Pixels
from tenants import audit
from tenants.access import Scope
from tenants.queue import enqueue
from tenants.task_names import Task

AT_ONCE = 1
_FACES = 16  # of a unit
_READ = 2_000


def plan(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield ranges of the faces' numbers."""
    last, faces = 0, _collection(run).faces
    while numbers := list(faces.filter(number__gt=last).order_by("number").values_list("number", flat=True)[:_READ]):
        for start in range(0, len(numbers), _FACES):
            upto = numbers[start : start + _FACES][-1]
            yield {"after": last, "last": upto}
            last = upto


def do(run: Run, units: Sequence[Unit]) -> None:
    """Fill in the faces of each range that lack a template; what was filled in stays, if the worker is killed."""
    run.caller.require(Scope.ADMIN)
    for unit in units:
        between = _collection(run).faces.filter(number__gt=unit.payload["after"], number__lte=unit.payload["last"])

        def settle(lacks: Sequence[str], unit: Unit = unit) -> None:
            told = {"must_come_again": list(lacks)} if lacks else None
            bulk.settle(run.vault, run.job, Settled(unit, "partly" if lacks else "done", told))

        _fill(run, between, settle)


def finish(run: Run) -> None:
    """Fill in what came meanwhile without a template, measure the new gallery's scores, and compare both."""
    if refused := bulk.counts(run.job).get("refused"):
        message = f"{refused} items could not be done: try them again."
        raise JobFailed(message)
    collection, last = _collection(run), 0
    while late := list(_late(run, last).values_list("number", flat=True)[:_FACES]):
        _fill(run, collection.faces.filter(number__in=late), lambda _lacks: None)
        last = late[-1]
        run.keep()
    change, gallery = _target(run)
    assert change.old  # noqa: S101 -- see _target
    assert change.new  # noqa: S101
    calibration.learn(galleries.seen_by(collection, gallery))
    found = model_comparison.compare(collection, change.old, change.new, rate=change.rate, keep=run.keep)
    with transaction.atomic():
        lock(collection)
        mine = ModelChange.objects.of(run.caller.tenant).filter(pk=change.pk)
        if not mine.exclude(state=ModelChange.State.ENDED).update(comparison=found):
            raise _ended()
        mine.filter(state=ModelChange.State.FILLING).update(state=ModelChange.State.READY)
        facts = {"pack": change.new_pack, "lacking": galleries.lacking(collection, gallery).count()}
        audit.record(run.caller, "model_change.compared", collection, **facts)
        transaction.on_commit(partial(enqueue, Task.COMPACT_GALLERY, gallery.pk))


def _late(run: Run, after: int) -> QuerySet[Face]:
    faces = galleries.lacking(_collection(run), _target(run)[1]).filter(number__gt=after)
    return faces.exclude(stored_image="").order_by("number")


def _fill(run: Run, faces: QuerySet[Face], settle: Callable[[Sequence[str]], None]) -> None:
    """Give the faces that lack it a template; `settle` is called with the UUIDs of those that still do."""
    collection, (_, gallery) = _collection(run), _target(run)
    missing = list(galleries.lacking(collection, gallery).filter(pk__in=faces.values("pk")))
    made = _templates(run, missing, gallery.pack)
    with transaction.atomic():
        live = lock(collection)
        if gallery.pk not in {one.pk for one in galleries.every(collection, live)}:
            raise _ended()
        ids = [face.pk for face in missing]
        there = set(Face.objects.of(run.caller.tenant).filter(pk__in=ids).values_list("pk", flat=True))
        filled = Embedding.objects.of(run.caller.tenant).filter(gallery=gallery, face_id__in=ids)
        open_ = there.difference(filled.values_list("face_id", flat=True))  # erased, or filled in by another worker
        if new := {pk: vector for pk, vector in made.items() if pk in open_}:
            face_index().add(gallery, new)
        settle([face.uuid for face in missing if face.pk in open_ and face.pk not in made])


def _templates(run: Run, faces: Sequence[Face], pack: str) -> dict[int, Floats]:
    """Return what can be made from the kept images, each of which is read once."""
    by_file: dict[str, list[Face]] = defaultdict(list)
    for face in faces:
        if face.stored_image:
            by_file[face.stored_image].append(face)
    made: dict[int, Floats] = {}
    read = storage.reader(run.caller.tenant)
    for name, shown in by_file.items():
        try:
            vectors = embed_kept(run.caller, read(shown[0].image, name), partial(_points, shown), pack)
        except (ModelUnavailable, UnknownPack) as error:
            message = f"The models of the pack {pack} are not installed."
            raise JobFailed(message) from error
        except Busy:
            raise
        except (FileNotFoundError, RecognitionError):
            continue
        made |= {face.pk: vector for face, vector in zip(shown, vectors, strict=True)}
    return made


def _points(faces: Sequence[Face], pixels: Pixels) -> list[Landmarks]:
    """Return the faces' landmarks in the part of their image that was kept."""
    points = []
    for face in faces:
        left, top, width, height = face.stored_frame or (0, 0, face.image_width, face.image_height)
        scale = np.array((pixels.shape[1] / width, pixels.shape[0] / height))
        points.append(((np.array(face.landmarks) - (left, top)) * scale).astype(np.float32))
    return points


def _collection(run: Run) -> Collection:
    """Return the job's collection as it is now.

    Raises:
        CollectionDeleted: it was deleted.
    """
    mine = Collection.objects.of(run.caller.tenant).select_related("gallery")
    found: Collection | None = mine.filter(pk=run.job.collection_id, state=Collection.State.ACTIVE).first()
    if found is None:
        raise CollectionDeleted("")
    found.gallery.tenant = found.tenant = run.caller.tenant
    return found


def _target(run: Run) -> tuple[ModelChange, Gallery]:
    """Return the change and the gallery to fill: the one that searches do not read.

    Raises:
        JobFailed: the change was ended.
    """
    changes = ModelChange.objects.of(run.caller.tenant).select_related("old", "new", "collection")
    change = changes.filter(pk=int(run.job.options["change"])).exclude(state=ModelChange.State.ENDED).first()
    gallery = change and galleries.standby(change)
    if change is None or gallery is None:
        raise _ended()
    assert change.old  # noqa: S101 -- a change that is not ended has both
    assert change.new  # noqa: S101
    change.old.tenant = change.new.tenant = run.caller.tenant
    return change, gallery


def _ended() -> JobFailed:
    return JobFailed("The change of the model was ended.")
