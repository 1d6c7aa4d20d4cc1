"""Segment files: encrypted ("sealed") on disk, decrypted ("opened") once per host.

Owns the folders, the encryption, and the order of steps that makes a crash leave either a complete file or one that
nothing refers to. The content is recognition.index.segments' concern.

A sealed file is a sequence of chunks. The tenant's vault seals each chunk for its file and position, and the last chunk
is marked as the last, so chunks cannot be reordered, dropped or swapped between files. The opened copy lies in a folder
that only our user can read, in memory where the system offers that, and all processes of the host map the same copy.
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from recognition.folders import private
from recognition.metrics import INDEX_OPENS
from recognition.models import IndexSegment
from tenants.errors import MasterKeyUnusable, SealBroken
from tenants.vault import Vault

_CHUNK = 4_000_000
_LENGTH = 4
_SEAL = 64  # upper bound of what sealing adds to a chunk
_HEADROOM = 50_000_000
GRACE_SECONDS = 600
ENDING, DRAFT = ".segment", ".draft"


class SegmentUnreadable(Exception):
    """A segment's file is missing, or differs from what was published."""

    def __init__(self, segment: IndexSegment, condition: str) -> None:
        """Keep the segment and its condition."""
        super().__init__(segment.name, condition)
        self.segment = segment
        self.condition = condition


class NoRoom(Exception):
    """The folder of opened segments is full."""


def sealed_path(tenant_id: int, name: str) -> Path:
    """Return the path of a sealed segment."""
    return Path(settings.INDEX_DIR) / str(tenant_id) / f"{name}{ENDING}"


def open_path(tenant_id: int, name: str) -> Path:
    """Return the path of a segment's opened copy."""
    return _open_folder() / str(tenant_id) / f"{name}{ENDING}"


@contextmanager
def draft(name: str, size: int) -> Iterator[Path]:
    """Yield an empty file in the folder of opened segments for building; it is deleted afterwards.

    Raises:
        NoRoom: the folder does not have `size` bytes.
    """
    folder = _open_folder()
    if shutil.disk_usage(folder).free < size + _HEADROOM:
        raise NoRoom
    path = folder / f"{name}-{os.urandom(4).hex()}{DRAFT}"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield path
    finally:
        path.unlink(missing_ok=True)


def seal(source: Path, *, vault: Vault, tenant_id: int, name: str) -> str:
    """Seal a file under a name that was never used; return the digest of its plain content.

    Content and name are both on disk when this returns.
    """
    target = sealed_path(tenant_id, name)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_suffix(DRAFT)
    digest = hashlib.sha256()
    try:
        with source.open("rb") as plain, temporary.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            number, chunk = 0, plain.read(_CHUNK)
            while chunk:
                after = plain.read(_CHUNK)
                digest.update(chunk)
                sealed = vault.seal(chunk, _context(name, number, last=not after))
                file.write(len(sealed).to_bytes(_LENGTH))
                file.write(sealed)
                number, chunk = number + 1, after
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return digest.hexdigest()


def opened(segment: IndexSegment, vault: Callable[[], Vault]) -> Path:
    """Return the path of the segment's opened copy; the first process of the host that asks makes it.

    Raises:
        SegmentUnreadable: the sealed file is missing or damaged.
        NoRoom: the folder is full.
    """
    path = open_path(segment.tenant_id, segment.name)
    if _is_whole(path, segment):
        return path
    with (_open_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_whole(path, segment):
            path.unlink(missing_ok=True)
            with draft(segment.name, segment.bytes) as plain:
                _unseal(segment, vault(), plain)
                path.parent.mkdir(exist_ok=True, mode=0o700)
                os.link(plain, path)
                INDEX_OPENS.labels(segment.kind).inc()
    return path


def check_digest(segment: IndexSegment, content: memoryview) -> None:
    """Compare the content of an opened copy with what was published.

    Raises:
        SegmentUnreadable: they differ.
    """
    if hashlib.sha256(content).hexdigest() != segment.digest:
        raise SegmentUnreadable(segment, IndexSegment.Condition.DAMAGED)


def count_existing(tenant_id: int, names: Collection[str]) -> int:
    """Count the files of these names that still exist: sealed, partly sealed, or opened on this host."""
    sealed = [sealed_path(tenant_id, name) for name in names]
    drafts = [path.with_suffix(DRAFT) for path in sealed]
    return sum(path.exists() for path in (*sealed, *drafts, *(open_path(tenant_id, name) for name in names)))


def names_of(tenant_id: int) -> set[str]:
    """Return the names of a tenant's files, published or not."""
    return {path.stem for path in (Path(settings.INDEX_DIR) / str(tenant_id)).glob("*")}


def erase_tenant(tenant_id: int) -> None:
    """Remove all of a tenant's files; a process that has one mapped keeps it until it unmaps it."""
    for folder in (_open_folder(), Path(settings.INDEX_DIR)):
        shutil.rmtree(folder / str(tenant_id), ignore_errors=True)


def discard(segment: IndexSegment) -> None:
    """Remove the opened copy; the next process that opens the segment makes a new one."""
    open_path(segment.tenant_id, segment.name).unlink(missing_ok=True)


def remove(segment: IndexSegment) -> None:
    """Remove both the sealed and the opened file of a segment that will not be published."""
    sealed_path(segment.tenant_id, segment.name).unlink(missing_ok=True)
    discard(segment)


def sweep(published: AbstractSet[str], *, prefixes: tuple[str, ...] = (), grace: float = GRACE_SECONDS) -> int:
    """Remove the files that no published segment refers to and that no process is making; return how many.

    `prefixes` are those of the leases in use (recognition.index.lease): files being built start with one. A file that
    is being opened has no such prefix, but opening takes seconds and `grace` is longer.
    """
    removed = 0
    oldest = time.time() - grace
    places = [*Path(settings.INDEX_DIR).glob("*/*"), *_open_folder().glob("*.*"), *_open_folder().glob("*/*")]
    for path in places:
        try:
            orphan = path.stem not in published and not path.stem.startswith(prefixes)
            if orphan and path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # another sweep removed it
    return removed


def sweep_opened() -> None:
    """Remove the opened copies on this host whose sealed file is gone: another host may have swept that."""
    folder = _open_folder()
    for path in folder.glob(f"*/*{ENDING}"):
        if not (Path(settings.INDEX_DIR) / path.relative_to(folder)).exists():
            path.unlink(missing_ok=True)


def _unseal(segment: IndexSegment, vault: Vault, target: Path) -> None:
    try:
        with sealed_path(segment.tenant_id, segment.name).open("rb") as file, target.open("wb") as plain:
            number, length = 0, int.from_bytes(file.read(_LENGTH))
            while length:
                if length > _CHUNK + _SEAL:
                    raise SealBroken(segment.name)  # noqa: TRY301 -- sealing never writes such a length
                sealed, after = file.read(length), int.from_bytes(file.read(_LENGTH))
                plain.write(vault.open(sealed, _context(segment.name, number, last=not after)))
                number, length = number + 1, after
            whole = plain.tell() == segment.bytes
    except FileNotFoundError as error:
        raise SegmentUnreadable(segment, IndexSegment.Condition.MISSING) from error
    except (SealBroken, MasterKeyUnusable) as error:
        raise SegmentUnreadable(segment, IndexSegment.Condition.DAMAGED) from error
    if not whole:
        raise SegmentUnreadable(segment, IndexSegment.Condition.DAMAGED)


def _is_whole(path: Path, segment: IndexSegment) -> bool:
    try:
        return path.stat().st_size == segment.bytes
    except FileNotFoundError:
        return False


def _context(name: str, number: int, *, last: bool) -> str:
    return f"segment:{name}:{number}:{'last' if last else 'more'}"


def _open_folder() -> Path:
    """Return the folder of opened segments."""
    return private(Path(settings.INDEX_OPEN_DIR))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
