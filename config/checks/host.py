"""Checks of this host: disks, memory, cores, models, limits of the system, clock and time zone."""

import ctypes
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from config import env
from config.checks import Finding, error, ok, warning
from config.server import web_workers
from recognition import packs
from recognition.models import Gallery, IndexSegment
from recognition.packs import files as model_files
from recognition.packs import providers, sessions

_LEAST_FREE = 100_000_000  # bytes
_LOW_SHARE = 0.1  # of the disk
_GB = 1_000_000_000
_PROCESS_BYTES = 400_000_000  # a web process with its models, without its index
_LEAST_DESCRIPTORS = 4096
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # more than struct timex has
_IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True, slots=True)
class Space:
    """A folder that holds data, and the bytes of its disk."""

    folder: Path
    free: int
    whole: int

    @property
    def low(self) -> bool:
        """Whether little of it is free."""
        return self.free < max(_LEAST_FREE, _LOW_SHARE * self.whole)


def spaces() -> list[Space]:
    """Return the space on every disk that holds data."""
    folders = [settings.DATA_DIR, settings.INDEX_DIR]
    if connection.vendor == "sqlite":
        folders.append(Path(str(connection.settings_dict["NAME"])).parent)
    found = {folder: os.statvfs(folder) for folder in sorted(set(folders)) if folder.is_dir()}
    return [Space(at, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize) for at, disk in found.items()]


def disks() -> Iterator[Finding]:
    """Write to every disk that holds data, and check its free space."""
    for space in spaces():
        if space.free < _LEAST_FREE:
            text = f"The disk is nearly full: less than {_LEAST_FREE // 1_000_000} MB are free."
            yield error(text, f"Make room on the disk of {space.folder}.")
            continue
        with tempfile.TemporaryFile(dir=space.folder) as file:
            file.write(bytes(4096))
        text = f"{space.folder}: {space.free / _GB:.1f} of {space.whole / _GB:.1f} GB are free."
        yield warning(text, "Make room, or move it to a larger disk.") if space.low else ok(text)


def models() -> Iterator[Finding]:
    """Load the models of the default pack; each load compares the file with the manifest."""
    sessions.preload(packs.DEFAULT)
    yield ok(f"The pack {packs.DEFAULT} is loaded; models run on {', '.join(providers.chosen())}.")


def model_digests() -> Iterator[Finding]:
    """Compare each installed model of the packs in use with the manifest."""
    used = {packs.DEFAULT, *Gallery.unscoped.values_list("pack", flat=True).distinct()}
    remedy = f"Run {model_files.REMEDY}."
    intact = 0
    for name in sorted(used):
        for model in {model for role in packs.get(name).roles.values() for model in role}:
            if model_files.current(model):
                intact += 1
            elif model_files.present(model):
                yield error(f"{model.file} of the pack {name} is not the file of the manifest.", remedy)
            elif not model.optional:
                yield error(f"{model.file} of the pack {name} is not installed.", remedy)
    yield ok(f"Packs {', '.join(sorted(used))}: {intact} files are those of the manifest.")


def cores() -> Iterator[Finding]:
    """Compare the cores with COMPUTE_SLOTS."""
    usable = env.cores()
    text = f"{usable} cores, COMPUTE_SLOTS={settings.COMPUTE_SLOTS}, {web_workers()} web processes."
    if usable < settings.COMPUTE_SLOTS:
        yield warning(text, f"Set COMPUTE_SLOTS to {usable} or leave it unset: more slots make each image slower.")
    else:
        yield ok(text)


def memory_bytes() -> tuple[int, int]:
    """Return the bytes of this host's memory, and what the settings allow our processes to take."""
    each = _PROCESS_BYTES + settings.INDEX_MEMORY_BYTES
    return _memory(), (web_workers() + 1) * each + settings.DECODING_MEMORY_MB * 1_000_000


def memory() -> Iterator[Finding]:
    """Compare the memory with what the settings allow our processes to take."""
    whole, wanted = memory_bytes()
    text = f"{whole / _GB:.1f} GB; web server and worker may take {wanted / _GB:.1f} GB."
    remedy = "Lower WEB_WORKERS, INDEX_MEMORY_BYTES or DECODING_MEMORY_MB, or add memory."
    yield warning(text, remedy) if wanted > whole else ok(text)


def shared_memory() -> Iterator[Finding]:
    """Check that opened segments and the admission queue are in memory, and that the segments fit."""
    for name, folder in (("INDEX_OPEN_DIR", Path(settings.INDEX_OPEN_DIR)), ("HOST_DIR", Path(settings.HOST_DIR))):
        kind = _filesystem(folder)
        if kind in _IN_MEMORY:
            yield ok(f"{name} is in memory ({folder}).")
        elif name == "INDEX_OPEN_DIR":
            remedy = "Mount a tmpfs there, or make /dev/shm writable."
            yield warning(f"INDEX_OPEN_DIR is on a disk ({folder}, {kind}): it holds decrypted templates.", remedy)
        else:
            yield warning(
                f"HOST_DIR is on a disk ({folder}, {kind}): each admission writes to it.", "Mount a tmpfs there."
            )
    opened = IndexSegment.unscoped.aggregate(bytes=Sum("bytes"))["bytes"] or 0
    space = os.statvfs(_existing(Path(settings.INDEX_OPEN_DIR)))
    whole = space.f_blocks * space.f_frsize
    text = f"The index's segments have {opened / _GB:.2f} GB, INDEX_OPEN_DIR {whole / _GB:.2f} GB."
    if opened > whole:
        yield warning(text, "Enlarge it (in a container: --shm-size); segments without room are searched slowly.")
    else:
        yield ok(text)


def limits() -> Iterator[Finding]:
    """Check the limits of the system; a unit or a container may have others than this command."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"At most {hard} open files."
    if 0 <= hard < _LEAST_DESCRIPTORS:
        yield warning(text, f"Set LimitNOFILE={_LEAST_DESCRIPTORS} in the unit, or --ulimit nofile in the container.")
    else:
        yield ok(text)
    if resource.getrlimit(resource.RLIMIT_CORE)[0] != 0:
        yield warning("Core dumps are written: they would hold keys and templates.", "Set LimitCORE=0 in the unit.")


def synchronisation() -> Iterator[Finding]:
    """Ask the kernel whether the clock is synchronised, and the time zone of the logs."""
    libc = ctypes.CDLL(None)
    state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) if hasattr(libc, "adjtimex") else -1
    if state == _UNSYNCHRONISED:
        text = "The kernel says that the clock is not synchronised: codes of authenticators, expiry and S3 rely on it."
        yield warning(text, "Run an NTP client, such as systemd-timesyncd or chrony.")
    elif state >= 0:
        yield ok("The clock is synchronised.")
    offset = time.strftime("%z")
    yield ok(f"The time in logs is UTC{'' if offset == '+0000' else offset}; everything else is stored in UTC.")


def _memory() -> int:
    """Return the bytes of memory of the host, or of our control group if it has fewer."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no control groups, or "max"
        return whole


def _filesystem(folder: Path) -> str:
    """Return the kind of the file system of a folder: that of the longest mount point above it."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    above = {str(path) for path in (folder, *folder.parents)}
    return max(((len(at), kind) for _, at, kind, *_ in mounts if at in above), default=(0, "unknown"))[1]


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
