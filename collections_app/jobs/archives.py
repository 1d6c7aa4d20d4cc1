"""Archives that a job received: a list of their files, and the bytes of one, both bounded.

Nothing of an archive is ever written to a path that it names, and no file in it is read beyond a bound, whatever the
archive declares: neither a path out of it nor a bomb does harm. A compressed tar is unpacked once, into another file of
the job, within the bound of what a job may receive.
"""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

from django.conf import settings

from collections_app import bulk, job_files
from collections_app.jobs.kind import JobFailed, Run
from recognition.errors import ImageTooLarge, UndecodableImage
from tenants.errors import QuotaExceeded

MOST_FILES = 1_000_000
_MOST_LISTED = 500_000_000  # bytes of a ZIP's directory, which is read as a whole
_MOST_HEADER = 1_000_000  # bytes of a tar's header
_BROKEN = "The archive is damaged or incomplete."
_BLOCK = 16 * 1024 * 1024
_SLACK = 1024 * 1024  # by which a file that does not compress may grow
_PLAIN, _STORED, _DEFLATED = -1, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_LOCAL = struct.Struct("<4s5H3I2H")  # a ZIP's header before each file
_UNPACK: dict[bytes, Callable[[Any], Any]] = {  # by their first bytes
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    struct.error,
)


class At(NamedTuple):
    """Where a file is in an archive: which file of the job, the place in it, and how it is packed.

    For a ZIP the place of the header before it; else (`method` _PLAIN) of its bytes.
    """

    archive: str
    place: int
    packed: int
    method: int = _PLAIN
    crc: int = 0


def files(run: Run) -> Iterator[tuple[str, At]]:
    """Yield name and place of each file in the job's archives.

    Raises:
        JobFailed: one is no archive, or is damaged, or has too many files.
    """
    for archive in run.names("archive"):
        reader = run.reader(archive)
        head = reader.read(512)
        reader.seek(0)
        try:
            yield from _files(run, archive, reader, head)
        except _DAMAGED as error:
            raise JobFailed(_BROKEN) from error


def read(run: Run, at: At, most: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        ImageTooLarge: it has more than `most`.
        UndecodableImage: it is damaged or encrypted, or packed in a way that is not supported.
    """
    if at.packed > most + (at.method == _DEFLATED) * _SLACK:
        raise ImageTooLarge(most, at.packed, "bytes")
    reader = run.reader(at.archive)
    reader.seek(at.place)
    try:
        if at.method != _PLAIN:
            *_, name, extra = _LOCAL.unpack(reader.read(_LOCAL.size))
            reader.seek(at.place + _LOCAL.size + name + extra)
        content = reader.read(at.packed)
        if len(content) < at.packed:
            raise UndecodableImage("the file is cut off")
        if at.method == _DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, most + 1)
    except (zlib.error, struct.error) as error:
        raise UndecodableImage("it is damaged in the archive") from error
    if len(content) > most:
        raise ImageTooLarge(most, len(content), "bytes")
    if at.method not in {_PLAIN, _STORED, _DEFLATED}:
        raise UndecodableImage("it is encrypted in the archive, or packed in a way that is not supported")
    if at.method != _PLAIN and zlib.crc32(content) != at.crc:
        raise UndecodableImage("it is damaged in the archive")
    return content


def inner(name: str) -> str | None:
    """Return a file's name with plain slashes; None: it leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or (path.parts and path.parts[0].endswith(":")):
        return None
    return str(path)


def hidden(name: str) -> bool:
    """Return whether systems put such a file beside pictures: it is passed over without a word."""
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) for part in parts) or parts[-1:] in {("Thumbs.db",), ("desktop.ini",)}


def _files(run: Run, archive: str, reader: BufferedReader, head: bytes) -> Iterator[tuple[str, At]]:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _in_zip(reader, archive)
    elif unpack := next((unpack for magic, unpack in _UNPACK.items() if head.startswith(magic)), None):
        plain = f"unpacked {archive}"
        _unpack(run, unpack(reader), plain)
        yield from _in_tar(run.reader(plain), plain)
    elif head[257:262] == b"ustar" or (head and not head.strip(b"\0")):
        yield from _in_tar(reader, archive)
    else:
        raise JobFailed("The file is neither a ZIP nor a tar archive.")


def _in_zip(file: BufferedReader, name: str) -> Iterator[tuple[str, At]]:
    ends = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001 -- bounds what the next line reads
    if ends is None or ends[5] > _MOST_LISTED:
        raise JobFailed(_BROKEN)
    infos = zipfile.ZipFile(file).infolist()
    if len(infos) > MOST_FILES:
        raise _too_many()
    for info in infos:
        if not info.is_dir():
            method = zipfile.ZIP_LZMA if info.flag_bits & 1 else info.compress_type  # encrypted: not supported either
            yield info.filename, At(name, info.header_offset, info.compress_size, method, info.CRC)


class _Headers:
    """A file of which nothing long is read at once: what tarfile reads of an archive that it lists are headers."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(_BROKEN)
        return self._file.read(size)


def _in_tar(file: BufferedReader, name: str) -> Iterator[tuple[str, At]]:
    file.seek(0)
    headers: Any = _Headers(file)
    with tarfile.open(fileobj=headers, mode="r:") as tar:
        for _ in range(MOST_FILES):
            member = tar.next()
            if member is None:
                return
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
            if member.isreg() and not member.issparse():
                yield member.name, At(name, member.offset_data, member.size)
    raise _too_many()


def _unpack(run: Run, content: IO[bytes], name: str) -> None:
    """Unpack a compressed tar into a file of the job, unless that was done before."""
    file = bulk.add_file(run.job, name, given=True)
    if file.complete:
        return
    if file.size:  # a worker was killed over it
        job_files.remove(file)
        file = bulk.add_file(run.job, name, given=True)
    writer = job_files.Writer(run.vault, file, most=settings.JOB_FILES_BYTES)
    try:
        while block := content.read(_BLOCK):
            writer.write(block)
            run.keep()
        writer.complete()
    except QuotaExceeded as error:
        message = f"Unpacked, the archive has more than {settings.JOB_FILES_BYTES} bytes."
        raise JobFailed(message) from error


def _too_many() -> JobFailed:
    message = f"The archive has more than {MOST_FILES} files."
    return JobFailed(message)
