"""Backups: what `manage.py backup` writes and `manage.py restore` reads.

A backup is a folder with

- `manifest.json`: format, version of the product, time, database, migrations, fingerprints of the master keys it needs;
- `database.dump` (pg_dump's custom format) or `database.sqlite3`;
- `files/`: the kept images, sealed as they are in the storage;
- `SHA256SUMS`: the digest of each of these; `sha256sum --check SHA256SUMS` compares them.

It holds no master key: without one nobody can read its templates and images. The index and the models are not in it,
since they are made again. The database is copied first: a face's image is kept before its row, so no row of the copy
lacks its image, except of faces that are erased meanwhile.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.core.management.base import CommandError

FORMAT = 1
MANIFEST, SUMS, FILES = "manifest.json", "SHA256SUMS", "files"
_CHUNK = 1_000_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `migrations` are "app.name", `master_keys` fingerprints in hexadecimal."""

    version: str
    made_at: str
    database: str
    vendor: str
    migrations: list[str]
    master_keys: list[str]
    tenants: int
    faces: int
    images: int
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read it.

        Raises:
            CommandError: there is none, or it is of another format.
        """
        try:
            values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            message = f"{folder} is no complete backup: its {MANIFEST} cannot be read ({error})."
            raise CommandError(message) from None
        if values.get("format") != FORMAT:
            message = f"{folder} has the format {values.get('format')}; this version reads format {FORMAT}."
            raise CommandError(message)
        return cls(**values)


def write_sums(folder: Path) -> None:
    """Write the digest of every file of the folder."""
    lines = [f"{_digest(file)}  {file.relative_to(folder)}\n" for file in sorted(folder.rglob("*")) if file.is_file()]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def compare_sums(folder: Path) -> None:
    """Compare every file with its digest.

    Raises:
        CommandError: one is missing, was changed or was added.
    """
    listed = dict(_listed(folder))
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} - {SUMS}
    wrong = {name for name, digest in listed.items() if name in there and _digest(folder / name) != digest}
    for what, names in (("missing", listed.keys() - there), ("changed", wrong), ("unlisted", there - listed.keys())):
        if names:
            first = min(names)
            message = f"The backup is damaged: {len(names)} files are {what}, {first} for one. Nothing was restored."
            raise CommandError(message)


def _listed(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        message = f"{folder} is no complete backup: its {SUMS} cannot be read ({error})."
        raise CommandError(message) from None
    for line in lines:
        digest, _, name = line.partition("  ")
        yield name, digest


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
