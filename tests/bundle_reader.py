"""Reads a bundle as docs/migrate.md describes it, in 60 lines and without any code of the product."""

import base64
import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterator
from typing import Any

import pyrage


class Reader:
    """A collection's bundle: `manifest`, and its rows by their kind."""

    def __init__(self, content: bytes, passphrase: str) -> None:
        """Read all of it, and compare every digest."""
        files: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|") as archive:
            for member in archive:
                inner = archive.extractfile(member)
                files[member.name] = inner.read() if inner else b""
        header = json.loads(files.pop("bundle.json"))
        if header["format"] != "faceplane-bundle" or header["version"] != 1:
            raise ValueError(header)
        identity = pyrage.passphrase.decrypt(files.pop("key.age"), passphrase).decode()
        self._opener = pyrage.x25519.Identity.from_str(identity)
        self.manifest: dict[str, Any] = json.loads(self._open(files.pop("manifest.age")))
        self._files = files
        listed = {part["name"]: part["sha256"] for part in self.manifest["parts"]}
        if listed != {name: hashlib.sha256(inner).hexdigest() for name, inner in files.items()}:
            raise ValueError("digests")

    def rows(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a kind, in their order."""
        for part in self.manifest["parts"]:
            if part["kind"] == kind:
                lines = gzip.decompress(self._open(self._files[part["name"]])).splitlines()
                yield from map(json.loads, lines)

    def _open(self, sealed: bytes) -> bytes:
        return bytes(pyrage.decrypt(sealed, [self._opener]))


def template(face: dict[str, Any]) -> tuple[float, ...]:
    """Return a face's template."""
    content = base64.b64decode(face["template"])
    return struct.unpack(f"<{len(content) // 4}f", content)
