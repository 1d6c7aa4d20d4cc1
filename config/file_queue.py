"""The embedded queue: a kombu transport for one host, with a folder per queue and a file per message.

kombu's own file transport writes messages in place, removes them before they are done, keeps its routes in files, and
its consumer ends for good at the first file that it cannot read (docs/decisions/file-queue.md). Here

- a message is written to a draft file and then renamed, so every message in the queue is complete, and a full disk
  leaves no partial one;
- the consumer of a message holds a lock (flock) on its file, and removes the file when the message is acknowledged. The
  kernel releases the locks of a killed process, so its messages are delivered again at once;
- a message that cannot be read, or was taken five times without an acknowledgement, is moved to the folder `damaged`,
  and the log names the file;
- each process declares the routes in memory, so there is no file of them that could be damaged.

It has no broadcast, so Celery's remote control does not work; /readyz reports whether workers are alive. flock needs a
local file system, not a network one.
"""

import fcntl
import logging
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar

from kombu.exceptions import ChannelError
from kombu.transport import virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger("faceplane.queue")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._@-]{0,199}")
_MOST_TAKEN = 5
_DRAFT_SECONDS = 3600.0  # a draft of this age belongs to a process that was killed while it wrote


class QoS(virtual.QoS):
    """The unacknowledged messages of a channel; when it closes, other consumers can take them."""

    channel: "Channel"

    def ack(self, delivery_tag: str) -> None:
        """Remove the message."""
        self.channel.release(delivery_tag, done=True)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 -- kombu's signature
        """Remove the message, or release it to other consumers."""
        self.channel.release(delivery_tag, done=not requeue)
        super().ack(delivery_tag)

    def restore_unacked(self) -> None:
        """Release all unacknowledged messages. Their files were never moved, so this cannot fail."""
        while self._delivered:
            self.channel.release(self._delivered.popitem()[0], done=False)


class Channel(virtual.Channel):
    """A channel to the folders under the transport option `folder`."""

    QoS = QoS

    def __init__(self, connection: "Transport", **kwargs: Any) -> None:  # noqa: ANN401 -- kombu's signature
        """Start without messages."""
        super().__init__(connection, **kwargs)
        client: Any = connection.client
        self._folder = Path(client.transport_options["folder"])
        self._taken: dict[str, tuple[Path, BufferedReader]] = {}

    def release(self, tag: str, *, done: bool) -> None:
        """Remove a taken message, or release it to other consumers; do nothing if it is no longer ours."""
        path, file = self._taken.pop(tag, (None, None))
        if path is None or file is None:
            return
        with file:
            if done:
                with suppress(OSError):
                    path.unlink()
            fcntl.flock(file, fcntl.LOCK_UN)  # explicitly: a child forked meanwhile shares the lock

    def _put(self, queue: str, message: dict[str, Any], **_: object) -> None:
        """Write a message completely or not at all.

        Raises:
            ChannelError: the disk is full, or the folder cannot be written to.
        """
        name = f"{time.time_ns():020d}.{uuid.uuid4().hex}.0"
        draft = self._place(queue) / f".{name}"
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(dumps(message), encoding="utf-8")
            draft.rename(draft.with_name(name))
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            text = f"The queue's folder {draft.parent} takes no message: {error.strerror}."
            raise ChannelError(text) from error

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """Take the oldest message that no consumer holds."""
        del timeout
        for name in self._names(queue):
            path = self._place(queue) / name
            try:
                file = path.open("rb")
            except OSError:  # another consumer was faster
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                message = self._read(path, file) if path.exists() else None
            except BlockingIOError:
                message = None
            if message is None:
                file.close()
                continue
            return message
        raise Empty

    def _read(self, path: Path, file: BufferedReader) -> dict[str, Any] | None:
        """Return the message in a locked file and count the attempt in the file's name; set aside an unreadable one."""
        stem, _, taken = path.name.rpartition(".")
        try:
            if int(taken) >= _MOST_TAKEN:
                self._set_aside(path, f"it was taken {taken} times and never finished")
                return None
            message: dict[str, Any] = loads(file.read().decode())
            message["properties"]["delivery_info"]["redelivered"] = int(taken) > 0
            tag = str(self.Message(message, channel=self).delivery_tag)
            message["headers"].items()
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            self._set_aside(path, f"it cannot be read ({type(error).__name__})")
            return None
        counted = path.with_name(f"{stem}.{int(taken) + 1}")
        with suppress(OSError):  # then this attempt is not counted
            path.rename(counted)
            path = counted
        self._taken[tag] = (path, file)
        return message

    def _set_aside(self, path: Path, why: str) -> None:
        aside = self._folder / "damaged" / path.name
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)
        except OSError:  # it cannot be moved: it stays and is skipped
            aside = path
        logger.error("A message of the queue was set aside.", extra={"file": str(aside), "reason": why})

    def _names(self, queue: str) -> Iterator[str]:
        try:
            names = sorted(os.listdir(self._place(queue)))  # noqa: PTH208 -- names sort faster than paths
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("The queue's folder cannot be read.", extra={"queue": queue, "error": error.strerror})
            return
        yield from (name for name in names if not name.startswith("."))

    def _size(self, queue: str) -> int:
        """Return how many messages are not acknowledged, including those that a worker holds."""
        return sum(1 for _ in self._names(queue))

    def _purge(self, queue: str) -> int:
        removed = 0
        for name in self._names(queue):
            with suppress(OSError):
                (self._place(queue) / name).unlink()
                removed += 1
        return removed

    def _new_queue(self, queue: str, **_: object) -> None:
        """Remove old drafts of killed processes."""
        old = time.time() - _DRAFT_SECONDS
        for draft in self._place(queue).glob(".*"):
            with suppress(OSError):
                if draft.stat().st_mtime < old:
                    draft.unlink()

    def _place(self, queue: str) -> Path:
        if not _NAME.fullmatch(queue):
            message = f"{queue!r} is not a valid name of a queue."
            raise ChannelError(message)
        return self._folder / "messages" / queue


class Transport(virtual.Transport):
    """Messages in files. Processes share only the folders, so every consumer polls them."""

    Channel = Channel
    polling_interval = 0.2
    driver_type = "filesystem"
    driver_name = "file_queue"
    default_connection_params: ClassVar = {}  # no host and no port
    implements = virtual.Transport.implements.extend(exchange_type=frozenset({"direct", "topic"}))

    def driver_version(self) -> str:
        """Return the version of the file format."""
        return "1"
