"""A collection of Amazon Rekognition: its vectors cannot be exported, so the pictures that were indexed are needed.

The manifest says whose pictures they are: the answer of `aws rekognition list-faces --collection-id ID`, or CSV or
JSON lines with `ExternalImageId` and the picture's place (`source-ref`, `file` or `S3Object`). Without a place the
picture is the file whose name is the ExternalImageId; clients write `:` in it for `/`, because it may not contain one.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from collections_app.importers import Item, Source, SourceFailed
from collections_app.importers.folder import files


def items(source: Source) -> Iterator[Item]:
    """Yield the picture of each face that the manifest names; one that is not there has no bytes.

    Raises:
        SourceFailed: the pictures or the manifest cannot be read.
    """
    try:
        rows = list(_rows(Path(source.manifest).read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, csv.Error) as error:
        message = f"The manifest {source.manifest} cannot be read: {error}"
        raise SourceFailed(message) from error
    wanted: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        for name in _names(row):
            wanted.setdefault(name, []).append(row)
    found: set[int] = set()
    for name, _size, read in files(source.place):
        path = PurePosixPath(name)
        row = next((row for key in (name, path.name, path.stem) for row in wanted.get(key, ())), None)
        if row is not None and id(row) not in found:
            found.add(id(row))
            yield _item(name, row, read())
    for row in rows:
        if id(row) not in found:
            yield _item(f"no picture: {row['external']}", row, None)


def _item(name: str, row: Mapping[str, str], content: bytes | None) -> Item:
    told = {"file": name, "reference": row["user"] or row["external"], "external_id": row["external"]}
    return Item(name, content, told | {"name": told["reference"]})


def _names(row: Mapping[str, str]) -> Iterator[str]:
    """Yield the names under which the row's picture may be found."""
    if row["place"]:
        yield row["place"]
        return
    external = row["external"]
    yield from dict.fromkeys((external, external.replace("::", "/"), external.replace(":", "/")))


def _rows(text: str) -> Iterator[dict[str, str]]:
    if not text.lstrip().startswith(("{", "[")):
        yield from (_row(row) for row in csv.DictReader(text.splitlines(), strict=True))
        return
    try:
        whole = json.loads(text)
    except ValueError:
        yield from (_row(json.loads(line)) for line in text.splitlines() if line.strip())
        return
    faces = whole.get("Faces", [whole]) if isinstance(whole, dict) else whole
    yield from map(_row, faces)


def _row(row: Any) -> dict[str, str]:  # noqa: ANN401 -- JSON, or a row of CSV
    external = row.get("ExternalImageId") if isinstance(row, Mapping) else None
    if not external:
        raise ValueError("every row needs an ExternalImageId")
    place = row.get("source-ref") or row.get("file") or row.get("S3Object") or ""
    if isinstance(place, Mapping):
        place = place.get("Name", "")
    if str(place).startswith("s3://"):
        place = str(place).removeprefix("s3://").partition("/")[2]
    return {"external": str(external), "user": str(row.get("UserId") or ""), "place": str(place)}
