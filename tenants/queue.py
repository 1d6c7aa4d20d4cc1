"""Queueing a task, locking one that must run alone, and keeping the failure of one piece from the others."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from tenants.models import TaskLock
from tenants.task_names import Task

logger = logging.getLogger("faceplane.queue")
_PAUSE_SECONDS = 5.0
_down_until = 0.0


def enqueue(task: Task, *ids: int, expires: float | None = None) -> None:
    """Queue a task by its name; when the queue is down, leave it to the scheduled sweep that finds what is due.

    The change that asks for the work is committed already, so its caller must not be told that it failed, nor wait for
    a queue that has just been found silent. A message that no worker took within `expires` seconds is dropped: the
    schedule has asked for the same since.
    """
    global _down_until  # noqa: PLW0603 -- one queue a process, and a lost update costs one more try
    if time.monotonic() < _down_until:
        return
    try:
        current_app.send_task(task, args=ids, expires=expires)
    except (OperationalError, OSError):
        _down_until = time.monotonic() + _PAUSE_SECONDS
        logger.warning("The queue did not take a task; the scheduled sweep will do its work.", extra={"task": task})


@contextmanager
def exclusive(task: str, seconds: float) -> Iterator[bool]:
    """Yield whether the lock on the task is ours; it ends with the block, and after `seconds` if this process dies."""
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
    """Log the failure of one of many pieces of a task and go on, so that the others are still done."""
    try:
        yield
    except Exception:
        logger.exception("A piece of the work failed; the rest goes on.", extra={"work": work, "which": str(which)})
