"""A face collection of CompreFace: over its REST API with the key of a recognition service, or from a database dump.

Its embeddings are another model's and cannot be used, so each face needs its image. An installation that does not save
images (`save_images_to_db=false`) has none: those faces are listed as refused, and must be enrolled anew.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import urllib3

from collections_app.importers import Item, Source, SourceFailed

_PAGE = 100
_COPY = re.compile(rb"COPY (?:public\.)?\"?(subject|embedding|img)\"? \(([^)]*)\) FROM stdin;\s*$")
_END, _NULL = b"\\.", b"\\N"
_ESCAPED = re.compile(rb"\\(.)")
_PLAIN = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def over_http(source: Source) -> Iterator[Item]:
    """Yield each saved example of the service whose key is given.

    Raises:
        SourceFailed: the server refuses, or goes away.
    """
    pool = urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0.5), timeout=30.0)
    address, page, pages = source.place.rstrip("/"), 0, 1
    while page < pages:
        listed = _json(_get(pool, source, f"{address}/api/v1/recognition/faces?page={page}&size={_PAGE}"))
        for face in listed["faces"]:
            image = _get(pool, source, f"{address}/api/v1/recognition/faces/{quote(face['image_id'])}/img")
            yield _item(face["image_id"], face["subject"], image)
        page, pages = page + 1, int(listed["total_pages"])


def from_dump(source: Source) -> Iterator[Item]:
    """Yield each saved example in a plain dump (`pg_dump`) of CompreFace's database; the key selects one service's.

    Raises:
        SourceFailed: the file is no plain dump, or has none of the tables.
    """
    try:
        subjects, images = {}, {}
        with Path(source.place).open("rb") as file:
            for table, row in _rows(file):
                if table == "subject" and (not source.key or row["api_key"] == source.key):
                    subjects[row["id"]] = row["subject_name"]
                elif table == "embedding":
                    images[row["img_id"] or row["id"]] = (row["subject_id"], bool(row["img_id"]))
        known = {image: subjects[subject] for image, (subject, _) in images.items() if subject in subjects}
        with Path(source.place).open("rb") as file:
            for table, row in _rows(file):
                if table == "img" and row["id"] in known:
                    yield _item(row["id"], known.pop(row["id"]), bytes.fromhex(row["content"].removeprefix("\\x")))
        for image, subject in known.items():
            yield _item(image, subject, b"")
    except (OSError, KeyError, ValueError) as error:
        message = f"{source.place} cannot be read as a plain dump of CompreFace's database: {error}"
        raise SourceFailed(message) from error
    if not images:
        plain = f"pg_restore --file=plain.sql {source.place}"
        message = f"{source.place} has no table of embeddings. A dump in another format must be made plain: {plain}"
        raise SourceFailed(message)


def _item(image: str, subject: str, content: bytes) -> Item:
    name = f"{image}.jpg" if content else f"not saved: {image}"
    return Item(name, content or None, {"file": name, "reference": subject, "name": subject})


def _get(pool: urllib3.PoolManager, source: Source, url: str) -> bytes:
    try:
        answer = pool.request("GET", url, headers={"x-api-key": source.key})
    except urllib3.exceptions.HTTPError as error:
        message = f"{source.place} does not answer: {error}"
        raise SourceFailed(message) from error
    if answer.status != 200:  # noqa: PLR2004 -- success
        body = answer.data[:300].decode(errors="replace")
        message = f"{source.place} answers {answer.status}: {body}"
        raise SourceFailed(message)
    return answer.data


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
        if isinstance(found, dict) and {"faces", "total_pages"} <= found.keys():
            return found
    except ValueError:
        pass
    raise SourceFailed("The server's list of faces is not that of CompreFace.")


def _rows(file: BinaryIO) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the rows of the three tables of a plain dump, as COPY writes them."""
    table, columns = "", []
    for line in file:
        if not table:
            if begins := _COPY.match(line):
                table, columns = begins[1].decode(), [name.strip(' "') for name in begins[2].decode().split(",")]
        elif line.rstrip(b"\r\n") == _END:
            table = ""
        else:
            cells = [_cell(cell) for cell in line.rstrip(b"\r\n").split(b"\t")]
            yield table, dict(zip(columns, cells, strict=True))


def _cell(cell: bytes) -> str:
    if cell == _NULL:
        return ""
    if b"\\" in cell:
        cell = _ESCAPED.sub(lambda found: _PLAIN.get(found[1], found[1]), cell)
    return cell.decode()
