"""Segment files: sealed on disk, opened once a host.

Owns where they lie, how they are sealed, and how they are made so that a crash leaves either a whole file or one that
nobody refers to. Knows nothing of what is in them.

A sealed file is a row of chunks, each sealed by the tenant's vault for its file and place, the last one marked. The
opened copy lies in a folder of ours alone, in RAM where there is some, and every process of the host maps the same
one.
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
from recognition.models import IndexSegment
from tenants.errors import MasterKeyUnusable, SealBroken
from tenants.vault import Vault

_CHUNK = 4_000_000
_LENGTH = 4
_SEAL = 64  # more than sealing adds to a chunk
_HEADROOM = 50_000_000
GRACE_SECONDS = 600
ENDING, DRAFT = ".segment", ".draft"


class SegmentUnreadable(Exception):
    """A segment's file is missing or is not what was published."""

    def __init__(self, segment: IndexSegment, condition: str) -> None:
        """Keep which, and what is wrong with it."""
        super().__init__(segment.name, condition)
        self.segment = segment
        self.condition = condition


class NoRoom(Exception):
    """The folder of opened segments has no room for one more."""


def sealed_path(tenant_id: int, name: str) -> Path:
    """Return where a segment lies sealed."""
    return Path(settings.INDEX_DIR) / str(tenant_id) / f"{name}{ENDING}"


def open_path(tenant_id: int, name: str) -> Path:
    """Return where a segment lies opened."""
    return _open_folder() / str(tenant_id) / f"{name}{ENDING}"


@contextmanager
def draft(name: str, size: int) -> Iterator[Path]:
    """Yield an empty file in the folder of opened segments for building; it is gone afterwards.

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
    """Seal a file under a name that was never used; return the digest of what is in it.

    The bytes are on the disk, and then the name, before this returns.
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
    """Return the path of the segment's opened copy, made by the first process of the host that asks.

    Raises:
        SegmentUnreadable: the sealed file is missing or damaged.
        NoRoom: there is no place to open it.
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
    return path


def check_digest(segment: IndexSegment, content: memoryview) -> None:
    """Compare the content of an opened copy with what was published.

    Raises:
        SegmentUnreadable: it is not what was published.
    """
    if hashlib.sha256(content).hexdigest() != segment.digest:
        raise SegmentUnreadable(segment, IndexSegment.Condition.DAMAGED)


def lying(tenant_id: int, names: Collection[str]) -> int:
    """Count the files of these names that are still there: sealed, half sealed, or opened on this host."""
    sealed = [sealed_path(tenant_id, name) for name in names]
    drafts = [path.with_suffix(DRAFT) for path in sealed]
    return sum(path.exists() for path in (*sealed, *drafts, *(open_path(tenant_id, name) for name in names)))


def of_tenant(tenant_id: int) -> set[str]:
    """Return the names of a tenant's files, published or not."""
    return {path.stem for path in (Path(settings.INDEX_DIR) / str(tenant_id)).glob("*")}


def erase_tenant(tenant_id: int) -> None:
    """Remove all of a tenant's files; who still maps one keeps it until it lets go."""
    for folder in (_open_folder(), Path(settings.INDEX_DIR)):
        shutil.rmtree(folder / str(tenant_id), ignore_errors=True)


def discard(segment: IndexSegment) -> None:
    """Remove the opened copy, which is not what it should be; the next to open it makes a new one."""
    open_path(segment.tenant_id, segment.name).unlink(missing_ok=True)


def remove(segment: IndexSegment) -> None:
    """Remove a file that will not be published, sealed and opened."""
    sealed_path(segment.tenant_id, segment.name).unlink(missing_ok=True)
    discard(segment)


def sweep(published: AbstractSet[str], *, marks: tuple[str, ...] = (), grace: float = GRACE_SECONDS) -> int:
    """Remove the files that no published segment refers to and that nobody is making; return how many.

    Whoever makes one has it marked (recognition.index.lease), or is opening a segment, which takes seconds.
    """
    removed = 0
    oldest = time.time() - grace
    places = [*Path(settings.INDEX_DIR).glob("*/*"), *_open_folder().glob("*.*"), *_open_folder().glob("*/*")]
    for path in places:
        try:
            orphan = path.stem not in published and not path.stem.startswith(marks)
            if orphan and path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # another sweeper was here
    return removed


def sweep_opened() -> None:
    """Remove the opened copies on this host whose sealed file is gone: whoever swept that may be on another host."""
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
                    raise SealBroken(segment.name)  # noqa: TRY301 -- a length that sealing never writes
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
