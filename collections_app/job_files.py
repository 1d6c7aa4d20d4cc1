"""The files of jobs: received in parts of any number, sealed piece by piece, read at any place.

A file lies in the storage in pieces of PIECE bytes, each sealed with the job's key for its place, so that no
whole archive is ever in memory, and a reader decrypts what it reads. Two writers of one file exclude each other by its
size: who finds it changed has written nothing.
"""

import io
import threading
from collections import OrderedDict
from typing import BinaryIO

from django.db.models import QuerySet, Sum

from collections_app import storage
from collections_app.errors import FileChanged
from collections_app.models import BulkJob, JobFile
from tenants.errors import QuotaExceeded
from tenants.vault import Vault


class FileLost(Exception):
    """A piece of a job's file is not in the storage any more."""


PIECE = 2 * 1024 * 1024
_CACHED = 4


def append(vault: Vault, file: JobFile, offset: int, content: BinaryIO, *, most: int) -> None:
    """Write what the stream has left, from `offset` on; what was there from there on is replaced.

    So a part may be sent again. A file may be `most` bytes long.

    Raises:
        FileChanged: the file ends before `offset`, or `offset` is no multiple of PIECE, or another writer was faster.
        QuotaExceeded: it would become longer than `most`.
        Unavailable: the storage does not answer or is full; whole pieces that were written stay.
    """
    if offset > file.size or offset % PIECE or file.complete:
        raise FileChanged(file.size)
    _resize(file, offset)
    while piece := content.read(PIECE):
        if file.size + len(piece) > most:
            raise QuotaExceeded("bytes", most)
        name = _name(file, file.size // PIECE)
        storage.erase(name)  # left by a writer that was killed before it counted
        storage.put_sealed(name, vault.seal(piece, _context(file, file.size // PIECE)))
        try:
            _resize(file, file.size + len(piece))
        except FileChanged:
            if not JobFile.objects.of(file.tenant).filter(pk=file.pk).exists():
                storage.erase(name)  # the job was erased meanwhile
            raise


class Writer(io.RawIOBase):
    """Writes a file of a job from its beginning, in whole pieces; `complete` writes the last."""

    def __init__(self, vault: Vault, file: JobFile, *, most: int) -> None:
        """Take an empty file."""
        self._vault = vault
        self._file = file
        self._most = most
        self._rest = bytearray()

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # narrower than any buffer
        """Write all of it; see `append` for errors."""
        self._rest += content
        whole = len(self._rest) - len(self._rest) % PIECE
        if whole:
            self._append(bytes(self._rest[:whole]))
            del self._rest[:whole]
        return len(content)

    def complete(self) -> None:
        """Write what is left, and say that there will be no more."""
        self._append(bytes(self._rest))
        self._rest.clear()
        JobFile.objects.of(self._file.tenant).filter(pk=self._file.pk).update(complete=True)
        self._file.complete = True

    def _append(self, content: bytes) -> None:
        append(self._vault, self._file, self._file.size, io.BytesIO(content), most=self._most)


def remove(file: JobFile) -> None:
    """Remove a file with its pieces. Can be run again at any point."""
    for name in storage.job_names(_folder(file)):
        storage.erase(name)
    file.delete()


def of(job: BulkJob) -> QuerySet[JobFile]:
    """Return a job's files."""
    files: QuerySet[JobFile] = JobFile.objects.of(job.tenant).select_related("job", "tenant").filter(job=job)
    return files


def received(job: BulkJob) -> int:
    """Return how many bytes a job has received."""
    return of(job).filter(given=True).aggregate(all=Sum("size"))["all"] or 0


class Reader(io.RawIOBase):
    """A file of a job, for reading at any place; threads may share it only under a lock of theirs."""

    def __init__(self, vault: Vault, file: JobFile) -> None:
        """Open it at its beginning."""
        self._vault = vault
        self._file = file
        self._at = 0
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read at any place."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub's Buffer has no length
        """Read up to the end of a piece."""
        if self._at >= self._file.size:
            return 0
        number, begin = divmod(self._at, PIECE)
        part = self._piece(number)[begin : begin + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _piece(self, number: int) -> bytes:
        with self._lock:
            if number not in self._pieces:
                try:
                    sealed = storage.sealed(_name(self._file, number))
                except FileNotFoundError as error:
                    raise FileLost(self._file.name) from error
                self._pieces[number] = self._vault.open(sealed, _context(self._file, number))
                while len(self._pieces) > _CACHED:
                    self._pieces.popitem(last=False)
            return self._pieces[number]


def opened(vault: Vault, file: JobFile) -> io.BufferedReader:
    """Return a buffered reader of a file."""
    return io.BufferedReader(Reader(vault, file), 64 * 1024)


def _resize(file: JobFile, size: int) -> None:
    """Change the file's size, if no other writer has.

    Raises:
        FileChanged: one has, or the file is gone.
    """
    rows = JobFile.objects.of(file.tenant).filter(pk=file.pk)
    if not rows.filter(size=file.size, complete=False).update(size=size):
        raise FileChanged(rows.values_list("size", flat=True).first() or 0)
    file.size = size


def _folder(file: JobFile) -> str:
    job = file.job
    return storage.job_folder(file.tenant_id, job.collection_id or 0, job.pk, file.uuid)


def _name(file: JobFile, number: int) -> str:
    return f"{_folder(file)}/{number:08}"


def _context(file: JobFile, number: int) -> str:
    return f"job-file:{file.uuid}:{number}"
