"""The bundle: one file with everything of a collection or a tenant. docs/migrate.md documents the format.

A tar archive of sealed parts, so that it can be written and read as a stream, and its parts be made by several workers:

- `bundle.json`: format, version, kind; in clear, so that a newer version is refused before anybody looks for a key;
- `key.age`: only under a passphrase, which seals it: the age identity that opens the rest;
- `000001-faces.age` and so on: gzip'd JSON lines, each part an age file;
- `manifest.age`, last: the counts, and of each part its rows, bytes and SHA-256. A file without it was cut off.

The cryptography is age's (https://age-encryption.org/v1), so the `age` program opens every part too. Whoever seals
under a passphrase needs only `Seal` afterwards, which opens nothing: a background job can hold it.
"""

import gzip
import hashlib
import io
import json
import tarfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any, NoReturn, Self

import pyrage
from pyrage import passphrase as by_passphrase

from collections_app.errors import InvalidRequest

FORMAT, VERSION = "faceplane-bundle", 1
_HEADER, _KEY, _MANIFEST = "bundle.json", "key.age", "manifest.age"
MOST_PART_BYTES = 64_000_000  # of a part as it is stored, and of its JSON lines
_MOST_SMALL_BYTES = 64_000  # of the header and of the key
_COMPRESSION = 1  # templates and photographs hardly shrink; the text between them does at once


@dataclass(frozen=True, slots=True)
class Seal:
    """Whom a bundle is sealed for: age recipients, and under a passphrase the sealed identity of the only one."""

    recipients: tuple[str, ...]
    key: bytes = b""

    @classmethod
    def under(cls, passphrase: str) -> Self:
        """Make an identity and seal it under a passphrase, which takes a second."""
        identity = pyrage.x25519.Identity.generate()
        return cls((str(identity.to_public()),), by_passphrase.encrypt(str(identity).encode(), passphrase))

    @classmethod
    def towards(cls, *recipients: str) -> Self:
        """Seal for age recipients, `age1…`.

        Raises:
            InvalidRequest: one is none.
        """
        for text in recipients:
            _recipient(text)
        return cls(recipients)

    def close(self, content: bytes) -> bytes:
        """Return the content as an age file."""
        return bytes(pyrage.encrypt(content, [_recipient(text) for text in self.recipients]))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bundle: its file's name, what its rows are, and of which collection; `bytes` as it is stored."""

    name: str
    kind: str
    collection: str
    rows: int
    bytes: int
    sha256: str


def seal_part(
    seal: Seal, number: int, kind: str, collection: str, rows: Iterable[Mapping[str, Any]]
) -> tuple[Part, bytes]:
    """Return rows as a sealed part."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False) for row in rows]
    text = "".join(f"{line}\n" for line in lines).encode()
    sealed = seal.close(gzip.compress(text, _COMPRESSION, mtime=0))
    digest = hashlib.sha256(sealed).hexdigest()
    return Part(f"{number:06}-{kind}.age", kind, collection, len(lines), len(sealed), digest), sealed


class Writer:
    """Writes a bundle to a stream that need not be seekable."""

    def __init__(self, out: IO[bytes], seal: Seal, kind: str) -> None:
        """Write the header, and the key if there is one."""
        self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 -- see finish
        self._seal = seal
        self._parts: list[Part] = []
        header = {"format": FORMAT, "version": VERSION, "kind": kind, "sealed": "passphrase" if seal.key else "age"}
        self._header = header
        self._put(_HEADER, json.dumps(header).encode())
        if seal.key:
            self._put(_KEY, seal.key)

    @property
    def next_number(self) -> int:
        """The number of the next part."""
        return len(self._parts) + 1

    def add(self, part: Part, sealed: bytes) -> None:
        """Append a part."""
        self._put(part.name, sealed)
        self._parts.append(part)

    def finish(self, manifest: Mapping[str, Any], sign: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Append the manifest, with the header and the list of parts, signed; after this the bundle is whole."""
        whole = sign({**self._header, **manifest, "parts": [asdict(part) for part in self._parts]})
        self._put(_MANIFEST, self._seal.close(json.dumps(whole, ensure_ascii=False).encode()))
        self._tar.close()

    def _put(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = len(content), int(time.time())
        self._tar.addfile(member, io.BytesIO(content))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was found whole: every part is there and has its digest. `rows` opens them one by one."""

    manifest: Mapping[str, Any]
    parts: tuple[Part, ...]
    _file: IO[bytes]
    _places: Mapping[str, int]
    _identity: Any

    def rows(self, part: Part) -> list[Any]:
        """Return the rows of a part.

        Raises:
            InvalidRequest: it cannot be read.
        """
        self._file.seek(self._places[part.name])
        packed = _opened(self._file.read(part.bytes), self._identity)
        try:
            text = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(MOST_PART_BYTES + 1)
            if len(text) > MOST_PART_BYTES:
                raise InvalidRequest("bundle", f"{part.name} unpacks to more than {MOST_PART_BYTES} bytes")
            rows = [_parsed(line) for line in text.splitlines()]
        except (OSError, EOFError, zlib.error, ValueError, RecursionError):
            raise InvalidRequest("bundle", f"{part.name} holds no JSON lines") from None
        if len(rows) != part.rows or not all(isinstance(row, dict) for row in rows):
            raise InvalidRequest("bundle", f"{part.name} does not hold {part.rows} rows")
        return rows


def read(file: IO[bytes], *, passphrase: str = "", identity: str = "") -> Bundle:
    """Read a bundle through, in a seekable file, and return it if it is whole. No part is opened yet.

    Raises:
        InvalidRequest: it is no bundle, of a newer version, cut off or changed, or the passphrase or identity is wrong.
    """
    places, key, header, found, sealed_manifest = {}, b"", None, {}, b""
    for name, size in _members(file):
        places[name] = file.tell()
        if header is None:
            header = _header(file, name, size)
        elif name == _KEY:
            key = file.read(_bounded(name, size, _MOST_SMALL_BYTES))
        else:
            content = file.read(_bounded(name, size, MOST_PART_BYTES))
            if name == _MANIFEST:
                sealed_manifest = content
                break
            found[name] = (size, hashlib.sha256(content).hexdigest())
    if header is None:
        raise InvalidRequest("bundle", "this file is no bundle")
    if not sealed_manifest:
        raise InvalidRequest("bundle", "the file ends before its manifest: it was cut off")
    opener = _identity(key, passphrase, identity)
    manifest = _manifest(header, _opened(sealed_manifest, opener))
    parts = tuple(Part(**entry) for entry in manifest["parts"])
    if [(part.name, (part.bytes, part.sha256)) for part in parts] != list(found.items()):
        raise InvalidRequest("bundle", "its parts are not those of its manifest: it was changed or damaged")
    return Bundle(manifest, parts, file, places, opener)


def _members(file: IO[bytes]) -> Iterator[tuple[str, int]]:
    """Yield the name and size of each file of the tar; its content begins where the file then stands.

    Only plain files: an extended header may claim any size, and tarfile would read it whole.
    """
    file.seek(0)
    while len(block := file.read(tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE and any(block):
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.TarError, ValueError):
            raise InvalidRequest("bundle", "this file is no bundle, or it is damaged") from None
        if member.type != tarfile.REGTYPE or member.size < 0:
            raise InvalidRequest("bundle", "this file is no bundle, or it is damaged")
        begin = file.tell()
        yield member.name, member.size
        file.seek(begin + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)


def _header(file: IO[bytes], name: str, size: int) -> dict[str, Any]:
    try:
        header = json.loads(file.read(_bounded(name, size, _MOST_SMALL_BYTES)))
    except (ValueError, RecursionError):
        header = None
    if name != _HEADER or not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InvalidRequest("bundle", "this file is no bundle")
    if header.get("version") != VERSION:
        raise InvalidRequest(
            "bundle", f"it has version {header.get('version')} of the format; this product reads version {VERSION}"
        )
    return header


def _manifest(header: Mapping[str, Any], content: bytes) -> dict[str, Any]:
    try:
        manifest = _parsed(content)
        parts = [Part(**entry) for entry in manifest["parts"]]
        sound = all(type(getattr(part, name)) is int for part in parts for name in ("rows", "bytes"))
        sound = sound and all(manifest[name] == value for name, value in header.items())
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = False
    if not sound:
        raise InvalidRequest("bundle", "its manifest is not one")
    return dict(manifest)


def _bounded(name: str, size: int, most: int) -> int:
    if size > most:
        raise InvalidRequest("bundle", f"{name[:40]} has {size} bytes; at most {most} are read")
    return size


def _parsed(text: bytes) -> Any:  # noqa: ANN401 -- JSON
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def _recipient(text: str) -> Any:  # noqa: ANN401 -- age's, untyped
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise InvalidRequest("recipient", "is no age recipient, age1…") from None


def _identity(key: bytes, passphrase: str, identity: str) -> Any:  # noqa: ANN401 -- age's, untyped
    """Return what opens the parts: the identity that the passphrase opens, or the one that was given."""
    if not key and not identity:
        raise InvalidRequest(
            "identity", "the bundle is sealed for a recipient: its identity, AGE-SECRET-KEY-1…, opens it"
        )
    if key and not passphrase:
        raise InvalidRequest("passphrase", "the bundle is sealed under one")
    try:
        text = by_passphrase.decrypt(key, passphrase).decode() if key else identity
    except (pyrage.DecryptError, UnicodeDecodeError):
        raise InvalidRequest("passphrase", "does not open the bundle") from None
    try:
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError:
        raise InvalidRequest("identity", "is no age identity, AGE-SECRET-KEY-1…") from None


def _opened(sealed: bytes, identity: Any) -> bytes:  # noqa: ANN401 -- age's, untyped
    try:
        return bytes(pyrage.decrypt(sealed, [identity]))
    except pyrage.DecryptError:
        raise InvalidRequest("identity", "does not open the bundle, or a part was changed") from None
