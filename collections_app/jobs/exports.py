"""Bulk export: a collection as a sealed bundle, made part by part by any number of workers.

A unit is a piece of the collection and makes some parts of the bundle. The job knows whom the bundle is sealed for, and
nothing that opens it: under a passphrase that is an age recipient, whose identity only the passphrase opens
(collections_app.bundle).
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from collections_app import bulk, bundle, job_files
from collections_app.bulk import Settled, Unit
from collections_app.bundle import Part, Seal, seal_part
from collections_app.errors import CollectionDeleted
from collections_app.jobs.kind import JobFailed, Run
from collections_app.models import Collection
from collections_app.operations import export_bundle
from collections_app.operations.exports import BUNDLE
from tenants import signing
from tenants.access import Scope

AT_ONCE = 1
_MOST = 2**62  # bytes of a file: the collection is as large as it is


def plan(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield the pieces of the collection."""
    for kind, after, last in export_bundle.pieces(_collection(run), run.job.options["images"]):
        yield {"kind": kind, "after": after, "last": last}


def do(run: Run, units: Sequence[Unit]) -> None:
    """Write the parts of each piece, sealed, to a file of its own."""
    run.caller.require(Scope.SCORES)
    for unit in units:
        bulk.settle(run.vault, run.job, Settled(unit, "done", {"parts": _written(run, unit)}))


def _written(run: Run, unit: Unit) -> list[dict[str, Any]]:
    collection, number, parts = _collection(run), unit.row.number, []
    if old := run.file(_name(number)):
        job_files.remove(old)
    out = job_files.Writer(run.vault, bulk.add_file(run.job, _name(number), given=True), most=_MOST)
    for rows in export_bundle.piece_parts(collection, **unit.payload):
        part, sealed = seal_part(_seal(run), 0, unit.payload["kind"], str(collection.pk), rows)
        out.write(sealed)
        parts.append(asdict(part))
    out.complete()
    return parts


def finish(run: Run) -> None:
    """Join the parts to the bundle, in their order, and remove them."""
    if refused := bulk.counts(run.job).get("refused"):
        message = f"{refused} parts could not be written: try them again."
        raise JobFailed(message)
    collection, made = _collection(run), run.file(BUNDLE)
    if made is None or not made.complete:
        if made:
            job_files.remove(made)
        _join(run, collection)
    for part in job_files.of(run.job).exclude(name=BUNDLE):
        job_files.remove(part)


def _join(run: Run, collection: Collection) -> None:
    out = job_files.Writer(run.vault, bulk.add_file(run.job, BUNDLE, given=True), most=_MOST)
    writer = bundle.Writer(out, _seal(run), "collection")  # type: ignore[arg-type]  # tarfile only writes
    counts = {"people": collection.people.count(), "faces": 0, "images": 0}
    for row in bulk.units(run.job).order_by("number").iterator(chunk_size=100):
        for values in bulk.unseal(run.vault, run.job, row.number, row.result)["parts"]:
            part = Part(**values | {"name": f"{writer.next_number:06}-{values['kind']}.age"})
            writer.add(part, run.reader(_name(row.number)).read(part.bytes))
            if part.kind in counts:
                counts[part.kind] += part.rows
        run.keep()
    writer.finish({**run.job.options["manifest"], "counts": counts}, signing.signed)
    out.complete()


def _collection(run: Run) -> Collection:
    """Return the job's collection.

    Raises:
        CollectionDeleted: it was deleted.
    """
    collection = run.job.collection
    if collection is None or collection.state == Collection.State.DELETED:
        raise CollectionDeleted("")
    collection.gallery.tenant = collection.tenant = run.caller.tenant
    return collection


def _seal(run: Run) -> Seal:
    options = run.job.options
    return Seal(tuple(options["recipients"]), base64.b64decode(options["key"]))


def _name(number: int) -> str:
    return f"part-{number}"
