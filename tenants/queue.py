"""The queue, as work asks for it: soon, or when the schedule finds it due; and how tasks leave each other alone."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from tenants.models import Turn
from tenants.task_names import Task

logger = logging.getLogger("faceplane.queue")
_PAUSE_SECONDS = 5.0
_down_until = 0.0


def soon(task: Task, *ids: int, expires: float | None = None) -> None:
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
def alone(task: str, seconds: float) -> Iterator[bool]:
    """Tell whether nobody else is at the task, and keep others from it; for so many seconds also if we die at it."""
    now = timezone.now()
    turn, _ = Turn.objects.get_or_create(task=task, defaults={"until": now})
    until = now + timedelta(seconds=seconds)
    ours = Turn.objects.filter(pk=turn.pk, until__lte=now).update(until=until)
    try:
        yield bool(ours)
    finally:
        Turn.objects.filter(pk=turn.pk, until=until).update(until=timezone.now())


@contextmanager
def apart(work: str, which: object) -> Iterator[None]:
    """Let one of many pieces of a task fail by itself: it is logged, and the others are done."""
    try:
        yield
    except Exception:
        logger.exception("A piece of the work failed; the rest goes on.", extra={"work": work, "which": str(which)})
