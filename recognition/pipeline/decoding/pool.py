"""The pool of decoding processes: started on demand, kept warm, replaced when they end.

Each is a small interpreter without our modules (see decoder.py) and decodes one image at a time. The memory budget of
decoding bounds their number (see memory.py).
"""

import atexit
import fcntl
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from recognition.errors import Busy, UndecodableImage
from recognition.pipeline.decoding import decoder
from recognition.pipeline.decoding.container import Container, cut_off, damaged
from recognition.results import Pixels

CPU_SECONDS = 1.5  # of one image
MEMORY = 400_000_000  # bytes of one image: the process, the file and the pixels
PROCESS = 25_000_000  # bytes of MEMORY that the process itself takes

_WALL_SECONDS = 20.0  # for CPU_SECONDS on a busy machine; after this time the process counts as hung
_RETIRED = 60.0  # CPU seconds after which a process is replaced
_LONGEST_ANSWER = 4_096
_IDLE = 2  # idle processes that are kept
_ATTEMPTS = 2  # one process may end by chance; if two end, it is the image
# By default glibc returns large blocks to the kernel and faults them in again, page by page. With these sizes a process
# keeps the memory for a picture of a few megapixels.
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "33554432", "MALLOC_ARENA_MAX": "1"}
_CPU_SIGNALS = (-signal.SIGPROF, -signal.SIGXCPU)


class _Died(Exception):
    """A decoding process ended before it answered."""


class Decoder:
    """One decoding process."""

    def __init__(self) -> None:
        """Start the process.

        Raises:
            OSError: the system cannot start another process.
        """
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(_WALL_SECONDS)
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own program
                [sys.executable, "-IB", decoder.__file__, str(theirs.fileno()), str(MEMORY)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C must only reach the parent
            )
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()

    def alive(self) -> bool:
        """Return whether the process is still running."""
        return self._process.poll() is None

    def ask(self, request: bytes, files: Sequence[int]) -> bytes:
        """Send a request and return the answer.

        Raises:
            _Died: the process ended or does not answer.
        """
        try:
            socket.send_fds(self._channel, [request], files)
            answer = self._channel.recv(_LONGEST_ANSWER)
        except OSError as error:  # including a timeout
            raise _Died from error
        if len(answer) < decoder.ANSWER.size:
            raise _Died
        return answer

    def end(self) -> int:
        """End the process if it is running; return its exit status: minus the number of the signal."""
        self._channel.close()
        self._process.kill()
        return self._process.wait()

    def forget(self) -> None:
        """After a fork, leave the process to the parent, which owns it."""
        self._channel.close()
        self._process.returncode = 0


class Pool:
    """The decoding processes in use, and a few idle ones."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._idle: list[Decoder] = []
        self._busy: set[Decoder] = set()

    def decode(self, container: Container, draft: tuple[int, int], room: int) -> Pixels:
        """Decode an image to (height, width, 3) uint8, blue-green-red, upright, of at most `room` bytes.

        `draft` is the smallest width and height to which a JPEG may be reduced during decoding; (0, 0): no reduction.

        Raises:
            UndecodableImage: it is cut off or damaged, or takes too much time or memory.
            Busy: the system cannot start another process.
        """
        with _shared(sum(map(len, container.parts))) as source, _shared(room) as target:
            os.pwritev(source, container.parts, 0)
            private = MEMORY - room - os.fstat(source).st_size
            request = decoder.REQUEST.pack(
                container.format.encode(), *draft, private, CPU_SECONDS, container.open_ended
            )
            answer = self._ask(request, (source, target), container.format)
            width, height, _ = decoder.ANSWER.unpack_from(answer)
            problem = answer[decoder.ANSWER.size :].decode(errors="replace")
            if problem or not 0 < width * height * 3 <= room:
                raise _refusal(container.format, problem)
            mapped = mmap.mmap(target, width * height * 3, mmap.MAP_SHARED | mmap.MAP_POPULATE)
            return np.frombuffer(mapped, np.uint8).reshape(height, width, 3)

    def _ask(self, request: bytes, files: Sequence[int], format_name: str) -> bytes:
        """Ask a process, and another one if the first ends without an answer."""
        for _ in range(_ATTEMPTS):
            one = self._take()
            try:
                answer = one.ask(request, files)
            except _Died:
                if self._drop(one) in _CPU_SIGNALS:
                    raise _beyond(CPU_SECONDS, "s of computing") from None
            except BaseException:
                self._drop(one)
                raise
            else:
                self._return(one, used=decoder.ANSWER.unpack_from(answer)[2])
                return answer
        raise damaged(format_name, "a decoder ended over it")

    def _take(self) -> Decoder:
        """Take an idle process that is still running, or start one."""
        with self._lock:
            while self._idle:
                one = self._idle.pop()
                if one.alive():
                    break
                one.end()
            else:
                try:
                    one = Decoder()
                except OSError as error:
                    raise Busy(retry_after=1.0) from error
            self._busy.add(one)
            return one

    def _return(self, one: Decoder, *, used: float) -> None:
        """Keep the process for the next image unless it is due for replacement or enough are idle."""
        with self._lock:
            self._busy.discard(one)
            if used < _RETIRED and len(self._idle) < _IDLE:
                self._idle.append(one)
                return
        one.end()

    def _drop(self, one: Decoder) -> int:
        with self._lock:
            self._busy.discard(one)
        return one.end()

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            while self._idle:
                self._idle.pop().end()
            for one in self._busy:
                one.end()

    def forget(self) -> None:
        """In a forked child, drop the processes of the parent and start with a free lock."""
        for one in (*self._idle, *self._busy):
            one.forget()
        self._lock, self._idle, self._busy = threading.Lock(), [], set()


@contextmanager
def _shared(size: int) -> Iterator[int]:
    """Yield an anonymous file in memory that two processes can share and neither can resize."""
    file = os.memfd_create("image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(file, size)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        yield file
    finally:
        os.close(file)


def _beyond(limit: float, unit: str) -> UndecodableImage:
    return UndecodableImage(f"decoding it takes more than {limit} {unit}")


def _refusal(format_name: str, problem: str) -> UndecodableImage:
    """Return the error for the problem that a process reported."""
    if problem == decoder.CUT_OFF:
        return cut_off()
    if problem in {decoder.TOO_MUCH_MEMORY, ""}:
        return _beyond(MEMORY // 1_000_000, "MB of memory")
    return damaged(format_name, problem)


pool = Pool()
os.register_at_fork(after_in_child=pool.forget)
atexit.register(pool.close)
