"""Bulk import: an archive of pictures, with a manifest or by the names of its folders, and a manifest with URLs.

A unit is one picture. It is enrolled as a request would enrol it, and settled in the same transaction. A dry run checks
the same and stores nothing; it compares with who is enrolled, not with the other pictures of the import.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from collections_app import bulk
from collections_app.bulk import Settled, Unit
from collections_app.errors import (
    CollectionDeleted,
    CollectionFull,
    CollectionNotFound,
    CollectionsError,
    DuplicateFace,
    EnrolmentBarred,
    Unavailable,
)
from collections_app.identifiers import comparison_key
from collections_app.image_url import ImageUrl
from collections_app.jobs import archives, manifest
from collections_app.jobs.archives import At
from collections_app.jobs.kind import JobFailed, Run
from collections_app.models import BulkJob, Collection, Face
from collections_app.operations.collections import Alias, find
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import Enrolment, Entry, accept, enrol_entries, enrol_face, would_enrol
from collections_app.operations.imports import MOST_MANIFEST
from collections_app.reasons import reason
from collections_app.safe_http import PORTS
from recognition.errors import Busy, ModelUnavailable, RecognitionError, SeveralFaces
from recognition.images import DEFAULT_LIMITS
from recognition.results import Box
from tenants.errors import QuotaExceeded

AT_ONCE = 16
_MANIFESTS = ("manifest.csv", "manifest.jsonl")  # that an archive may have at its top
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_NO_ROOM = (CollectionFull, QuotaExceeded)
_OF_THE_JOB = (Busy, Unavailable, CollectionDeleted, CollectionNotFound)  # these say nothing about the item


def plan(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield an item for each row of the manifest, or for each file of the archive.

    Raises:
        JobFailed: an archive or the manifest cannot be read, or another job is importing the same into the collection.
    """
    seen = hashlib.sha256()
    for item in _items(run):
        seen.update(json.dumps(item).encode())
        yield item
    _refuse_twin(run, salted_hmac(__name__, seen.hexdigest()).hexdigest())


def _items(run: Run) -> Iterator[Mapping[str, Any]]:
    places: dict[str, At] = {}
    leading_out: list[str] = []
    for name, at in archives.files(run):
        inner = archives.inner(name)
        if inner is None:
            leading_out.append(name[:255])
        elif not archives.hidden(inner):
            places[_free(places, inner)] = at
    content = _manifest(run, places)
    yield from ({"told": {"file": name}, "refuse": "leads_out_of_the_archive"} for name in leading_out)
    if content is None:
        yield from (_by_place(name, at) for name, at in places.items())
        return
    named = set()
    for row in manifest.rows(content):
        yield _by_row(row, places)
        named.add(row["file"])
    spare = (name for name in places if name not in named)
    yield from ({"told": {"file": name[:255]}, "refuse": "not_in_the_manifest"} for name in spare)


def _refuse_twin(run: Run, digest: str) -> None:
    """Refuse to import what an older job is importing: each picture would be enrolled twice."""
    job = run.job
    job.options["digest"] = digest
    job.save(update_fields=["options"])
    active = BulkJob.objects.of(job.tenant).filter(state__in=bulk.ACTIVE, kind=job.kind, collection=job.collection)
    older = active.filter(Q(created_at__lt=job.created_at) | Q(created_at=job.created_at, pk__lt=job.pk))
    if twin := older.filter(options__digest=digest).first():
        message = f"The job {twin} is importing the same pictures into this collection."
        raise JobFailed(message)


def do(run: Run, units: Sequence[Unit]) -> None:
    """Enrol pictures, or check whether they would be enrolled.

    Where nobody is refused or replaced for a face that is there already, all of them in one transaction.
    """
    job = run.job
    assert job.collection is not None  # noqa: S101 -- an import has one
    collection = find(run.caller, Alias(job.collection.alias))
    known = _known_before(job, collection, units)
    single = job.options["dry_run"] or job.options["stop"] or job.options["existing"] == "replace"
    entries: list[tuple[Unit, Entry]] = []
    for unit in units:
        with _refusing(run, unit):
            if refuse := unit.payload.get("refuse"):
                _settle(run, Settled(unit, "refused", {"error": refuse}))
            elif unit.row.number in known and job.options["existing"] == "skip":
                _settle(run, Settled(unit, "known"))
            elif single or collection.duplicates == Collection.Duplicates.REFUSE:
                _one(run, unit, replace=unit.row.number in known and job.options["existing"] == "replace")
            else:
                try:
                    entry = accept(run.caller, collection=collection, **_picture(run, unit))
                except Busy:
                    _store(run, collection, entries)  # what was analysed is not analysed again
                    raise
                entries.append((unit, entry))
    _store(run, collection, entries)


def finish(run: Run) -> None:
    """Remove what was received, unless refused items may be tried again with it, or a dry run go on."""
    if not run.job.options["dry_run"] and not bulk.counts(run.job).get("refused"):
        bulk.drop_given(run.job)


def described(error: Exception) -> dict[str, Any]:
    """Return why an item was refused: a stable word, a sentence, and the facts."""
    told: dict[str, Any] = {"error": _CAPITAL.sub("_", type(error).__name__).lower(), "reason": reason(error)}
    if reasons := getattr(error, "reasons", ()):
        told["reasons"] = list(reasons)
    if isinstance(error, SeveralFaces):
        told["boxes"] = [_box(box) for box in error.boxes if isinstance(box, Box)]
    if isinstance(error, DuplicateFace):
        told["duplicate_of"] = error.face
    return told


def _store(run: Run, collection: Collection, entries: Sequence[tuple[Unit, Entry]]) -> None:
    """Store what was accepted: all at once, or if one of them cannot be stored, each by itself."""

    def settle(faces: Sequence[Face]) -> None:
        settled = [
            Settled(unit, "enrolled", {"face": face.uuid}, face.pk)
            for (unit, _), face in zip(entries, faces, strict=True)
        ]
        bulk.settle(run.vault, run.job, *settled)

    if not entries:
        return
    try:
        chosen = [entry for _, entry in entries]
        enrol_entries(run.caller, collection=collection, entries=chosen, settle=settle)
    except (EnrolmentBarred, *_NO_ROOM):
        for unit, _ in entries:
            with _refusing(run, unit):
                _one(run, unit, replace=False)


def _one(run: Run, unit: Unit, *, replace: bool) -> None:
    """Enrol one picture, or check it in a dry run."""
    assert run.job.collection is not None  # noqa: S101 -- an import has one
    where = {"collection": Alias(run.job.collection.alias), **_picture(run, unit)}
    if run.job.options["dry_run"]:
        found = would_enrol(run.caller, **where)
        _settle(run, Settled(unit, "possible", {"boxes": [_box(face.box) for face in found.faces]}))
        return

    def settle(enrolment: Enrolment) -> None:
        face = enrolment.faces[0]
        bulk.settle(run.vault, run.job, Settled(unit, "enrolled", {"face": face.uuid}, face.pk))

    enrol_face(run.caller, settle=settle, replace=replace, **where)


def _picture(run: Run, unit: Unit) -> dict[str, Any]:
    """Return the picture of an item, and how it is to be enrolled."""
    item, options = unit.payload, run.job.options
    if "url" in item:
        image: bytes | ImageUrl = ImageUrl(item["url"], PORTS)
    else:
        image = archives.read(run, At(*item["at"]), DEFAULT_LIMITS.max_bytes)
    consent = item["consent"] or options["consent"]
    return {
        "image": image,
        "person": PersonDetails(**item["person"]),
        "largest": options["largest"],
        "consent": consent,
    }


def _known_before(job: BulkJob, collection: Collection, units: Sequence[Unit]) -> set[int]:
    """Return the numbers of the units whose person was there before the import began."""
    if job.options["existing"] == "add":
        return set()
    keys = {
        unit.row.number: comparison_key(unit.payload["person"]["reference"])
        for unit in units
        if unit.payload.get("person", {}).get("reference")
    }
    there = collection.people.filter(reference_key__in=keys.values(), created_at__lt=job.created_at)
    known = set(there.values_list("reference_key", flat=True))
    return {number for number, key in keys.items() if key in known}


@contextmanager
def _refusing(run: Run, unit: Unit) -> Iterator[None]:
    """Settle a unit as refused if its picture, person or place is."""
    try:
        yield
    except _OF_THE_JOB:
        raise
    except ModelUnavailable as error:
        raise JobFailed(reason(error).capitalize()) from error
    except _NO_ROOM as error:
        message = f"There is no room for more: {reason(error)}."
        raise JobFailed(message) from error
    except (CollectionsError, RecognitionError) as error:
        _settle(run, Settled(unit, "refused", described(error)))


def _settle(run: Run, settled: Settled) -> None:
    with transaction.atomic():
        bulk.settle(run.vault, run.job, settled)
        if settled.outcome == "refused" and run.job.options["stop"]:
            number = settled.unit.row.number + 1
            bulk.stop(run.job, BulkJob.State.FAILED, f"Stopped at item {number}, which was refused.")


def _manifest(run: Run, places: dict[str, At]) -> io.BufferedReader | None:
    """Return the manifest: the one that was received, or else the one in the archive, which is then no picture."""
    if run.file("manifest"):
        return run.reader("manifest")
    name = next((name for name in _MANIFESTS if name in places), None)
    if name is None:
        return None
    try:
        content = archives.read(run, places.pop(name), MOST_MANIFEST)
    except RecognitionError as error:
        message = f"The archive's manifest cannot be read: {reason(error)}."
        raise JobFailed(message) from error
    return io.BufferedReader(io.BytesIO(content))


def _free(places: Mapping[str, At], name: str) -> str:
    """Return the name, with a number behind it if another file has it: several archives may have the same names."""
    path, number, free = PurePosixPath(name), 1, name
    while free in places:
        number += 1
        free = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return free


def _by_place(name: str, at: At) -> dict[str, Any]:
    """Return the item of a file by its place: PERSON/photo.jpg, or at the top a new person with the file's name."""
    path = PurePosixPath(name)
    folder, reference = path.parent.name, str(path.parent)
    person = {"reference": reference, "name": folder} if folder else {"name": path.stem}
    return _item({"file": name}, {"at": at}, {key: value[:255] for key, value in person.items()})


def _by_row(row: Mapping[str, str], places: Mapping[str, At]) -> dict[str, Any]:
    person = {"reference": row["reference"], "external_id": row["external_id"], "name": row["name"]}
    person["note"] = row["metadata"]
    kept = {name: value for name, value in person.items() if value or name == "reference"}
    if row["url"]:
        return _item({"file": row["url"]}, {"url": row["url"]}, kept, row["consent"])
    if row["file"] not in places:
        return {"told": {"file": row["file"], "reference": row["reference"]}, "refuse": "missing_file"}
    return _item({"file": row["file"]}, {"at": places[row["file"]]}, kept, row["consent"])


def _item(told: dict[str, Any], source: dict[str, Any], person: dict[str, str], consent: str = "") -> dict[str, Any]:
    named = {name: person[name] for name in ("reference", "name") if person.get(name)}
    return {"told": told | named, "person": person, "consent": consent} | source


def _box(box: Box) -> list[float]:
    return [round(side, 1) for side in (box.x, box.y, box.width, box.height)]
