"""Where an import takes pictures from: a folder, a bucket, an archive, or another product's gallery.

Each yields items; `manage.py import_faces` stages them as the files of an import. An importer of another product is a
module named after it, the one place besides its dialect that knows its words.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module

IMPORTERS: Mapping[str, str] = {
    "folder": "folder:items",
    "compreface": "compreface:over_http",
    "compreface-dump": "compreface:from_dump",
    "rekognition": "rekognition:items",
}


class SourceFailed(Exception):
    """The source cannot be read, or went away; nothing of it was enrolled."""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture: its name, its bytes (None: it is not to be had), and its row of the manifest, if there is one."""

    name: str
    content: bytes | None
    row: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """What the operator named: a place, a key for it, and a file that describes its pictures."""

    place: str
    key: str = ""
    manifest: str = ""


def importer(name: str) -> Callable[[Source], Iterator[Item]]:
    """Return the importer of that name: it yields the items of a source.

    Raises:
        SourceFailed: raised by the importer, on the way.
    """
    module, _, function = IMPORTERS[name].partition(":")
    found: Callable[[Source], Iterator[Item]] = getattr(import_module(f"{__name__}.{module}"), function)
    return found
