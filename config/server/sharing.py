"""Shares connections between the processes: one that has more than another leaves new ones to that one.

All processes wait on the same listening socket, and the kernel wakes them all; the one whose core is warm would accept
every connection, and its clients would wait for one process while the others are idle. The processes write how many
connections they have into a piece of memory that all of them map.
"""

import mmap
import os
import socket
import struct
import time

PROCESSES = 256  # serving, starting and ending ones
BACKLOG = 128  # connections that wait to be accepted
_PATIENCE_SECONDS = 0.01  # a process that has died, or whose event loop is busy, keeps no client waiting for longer
_PAUSE_SECONDS = 0.0005


def memory() -> int:
    """Return the descriptor of new memory to share; an entry is 0 unless its process accepts connections."""
    descriptor = os.memfd_create("connections")
    os.ftruncate(descriptor, PROCESSES * struct.calcsize("I"))
    return descriptor


def counts(descriptor: int) -> "memoryview[int]":
    """Map the memory: one entry for each process, its connections and one more."""
    return memoryview(mmap.mmap(descriptor, 0)).cast("I")


class Listener(socket.socket):
    """The listening socket of a process, which accepts no more than its share."""

    def share(self, counts: "memoryview[int]", own: int) -> None:
        """Begin to accept, as the process with this entry."""
        self._counts, self._own = counts, own
        self._until = 0.0  # when a connection is accepted though another process has fewer
        counts[own] = 1

    def leave(self) -> None:
        """Count no longer: the others do not wait for this process."""
        self._counts[self._own] = 0

    def closed(self) -> None:
        """Note that a connection was closed."""
        if self._counts[self._own] > 1:
            self._counts[self._own] -= 1

    def listen(self, backlog: int = BACKLOG) -> None:
        """Listen; asyncio would cut the queue to the number of connections that it accepts at once."""
        super().listen(max(backlog, BACKLOG))

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection.

        Raises:
            BlockingIOError: there is none, or another process has fewer; the event loop asks again.
        """
        least, now = min((count for count in self._counts if count), default=0), time.monotonic()
        if self._counts[self._own] > least:
            if now > self._until + _PATIENCE_SECONDS:  # this is another one: the last was accepted by that process
                self._until = now + _PATIENCE_SECONDS
            if now < self._until:
                time.sleep(_PAUSE_SECONDS)  # the event loop would ask at once, and take the other process's core
                raise BlockingIOError
        self._until = 0.0
        connection = super().accept()
        if self._counts[self._own]:
            self._counts[self._own] += 1
        return connection
