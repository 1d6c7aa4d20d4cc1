"""Queueing a task, running one exclusively, and isolating the failure of one item from the others."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from tenants.models import TaskLock
from tenants.task_names import Task

logger = logging.getLogger("faceplane.queue")
_PAUSE_SECONDS = 5.0
_ANSWERS_SECONDS = 2
_down_until = 0.0


def enqueue(task: Task, *ids: int, expires: float | None = None) -> None:
    """Queue a task by its name; if the queue is down, the scheduled sweep will do the work instead.

    The change that needs the work is committed already, so its caller must not see a failure, nor wait for a queue that
    has just failed to answer. A message that no worker takes within `expires` seconds is dropped: the schedule has
    queued the same work since.
    """
    global _down_until  # noqa: PLW0603 -- one queue per process; a lost update costs one more attempt
    if time.monotonic() < _down_until:
        return
    try:
        current_app.send_task(task, args=ids, expires=expires)
    except (OperationalError, OSError):
        _down_until = time.monotonic() + _PAUSE_SECONDS
        logger.warning("The queue did not take a task; the scheduled sweep will do its work.", extra={"task": task})


def length() -> int | None:
    """Return how many messages wait in the queue for a worker; None: the broker does not answer."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=_ANSWERS_SECONDS)
            try:
                channel: Any = connection.default_channel
                found = channel.queue_declare(current_app.conf.task_default_queue, passive=True)
            except connection.channel_errors:  # Redis keeps no empty queue
                return 0
            return int(found.message_count)
    except (OperationalError, OSError):
        return None


@contextmanager
def exclusive(task: str, seconds: float) -> Iterator[bool]:
    """Yield whether we got the task's lock; it is held until the block ends, or for `seconds` if this process dies."""
    now = timezone.now()
    lock, _ = TaskLock.objects.get_or_create(task=task, defaults={"until": now})
    until = now + timedelta(seconds=seconds)
    ours = TaskLock.objects.filter(pk=lock.pk, until__lte=now).update(until=until)
    try:
        yield bool(ours)
    finally:
        TaskLock.objects.filter(pk=lock.pk, until=until).update(until=timezone.now())


@contextmanager
def isolate_failure(work: str, which: object) -> Iterator[None]:
    """Log the failure of one item of a task and go on, so that the other items are still done."""
    try:
        yield
    except Exception:
        logger.exception("A piece of the work failed; the rest goes on.", extra={"work": work, "which": str(which)})
