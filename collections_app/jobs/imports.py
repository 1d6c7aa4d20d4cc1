"""Bulk import: an archive of pictures, with a manifest or by the names of its folders, and a manifest with URLs.

A unit is one picture. It is enrolled as a request would enrol it, and settled in the same transaction. A dry run checks
the same and stores nothing; it compares with who is enrolled, not with the other pictures of the import.
"""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from django.db import transaction

from collections_app import bulk
from collections_app.bulk import Unit
from collections_app.errors import (
    CollectionDeleted,
    CollectionFull,
    CollectionNotFound,
    CollectionsError,
    DuplicateFace,
    Unavailable,
)
from collections_app.image_url import ImageUrl
from collections_app.jobs import archives, manifest
from collections_app.jobs.archives import At
from collections_app.jobs.kind import JobFailed, Run
from collections_app.models import BulkJob
from collections_app.operations.collections import Alias
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import Enrolment, enrol_face, would_enrol
from collections_app.operations.imports import MOST_MANIFEST
from collections_app.operations.references import known_person
from collections_app.reasons import reason
from collections_app.safe_http import PORTS
from recognition.errors import Busy, ModelUnavailable, RecognitionError, SeveralFaces
from recognition.images import DEFAULT_LIMITS
from recognition.results import Box
from tenants.errors import QuotaExceeded

_MANIFESTS = ("manifest.csv", "manifest.jsonl")  # that an archive may have at its top
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_NO_ROOM = (CollectionFull, QuotaExceeded)
_OF_THE_JOB = (Busy, Unavailable, CollectionDeleted, CollectionNotFound)  # these say nothing about the item


def plan(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield an item for each row of the manifest, or for each file of the archive."""
    places: dict[str, At] = {}
    leading_out: list[str] = []
    for name, at in archives.files(run) if run.file("archive") else ():
        inner = archives.inner(name)
        if inner is None:
            leading_out.append(name[:255])
        elif not archives.hidden(inner):
            places[inner] = at
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


def do(run: Run, unit: Unit) -> None:
    """Enrol a picture, or check whether it would be enrolled."""
    if refuse := unit.payload.get("refuse"):
        _refuse(run, unit, {"error": refuse})
        return
    try:
        _enrol(run, unit)
    except _OF_THE_JOB:
        raise
    except ModelUnavailable as error:
        raise JobFailed(reason(error).capitalize()) from error
    except _NO_ROOM as error:
        message = f"There is no room for more: {reason(error)}."
        raise JobFailed(message) from error
    except (CollectionsError, RecognitionError) as error:
        _refuse(run, unit, described(error))


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


def _enrol(run: Run, unit: Unit) -> None:
    job, item, options = run.job, unit.payload, run.job.options
    assert job.collection is not None  # noqa: S101 -- an import has one
    person = PersonDetails(**item["person"])
    known = known_person(job.collection, person.reference)
    before = known is not None and known.created_at < job.created_at
    if before and options["existing"] == "skip":
        with transaction.atomic():
            bulk.settle(run.vault, unit, "known")
        return
    if "url" in item:
        image: bytes | ImageUrl = ImageUrl(item["url"], PORTS)
    else:
        image = archives.read(run, At(*item["at"]), DEFAULT_LIMITS.max_bytes)
    where = {"collection": Alias(job.collection.alias), "person": person, "largest": options["largest"]}
    where |= {"image": image, "consent": item["consent"] or options["consent"]}
    if options["dry_run"]:
        found = would_enrol(run.caller, **where)
        with transaction.atomic():
            bulk.settle(run.vault, unit, "possible", {"boxes": [_box(face.box) for face in found.faces]})
        return

    def settle(enrolment: Enrolment) -> None:
        face = enrolment.faces[0]
        bulk.settle(run.vault, unit, "enrolled", {"face": face.uuid}, face_id=face.pk)

    enrol_face(run.caller, settle=settle, replace=before and options["existing"] == "replace", **where)


def _refuse(run: Run, unit: Unit, told: Mapping[str, Any]) -> None:
    with transaction.atomic():
        bulk.settle(run.vault, unit, "refused", told)
        if run.job.options["stop"]:
            bulk.stop(run.job, BulkJob.State.FAILED, f"Stopped at item {unit.row.number + 1}, which was refused.")


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
