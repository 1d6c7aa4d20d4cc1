"""The queue, as work asks for it: soon, or when the schedule finds it due."""

import logging
import time

from celery import current_app
from kombu.exceptions import OperationalError

logger = logging.getLogger("faceplane.queue")
_PAUSE_SECONDS = 5.0
_down_until = 0.0


def soon(task: str, *ids: int) -> None:
    """Queue a task by its name; when the queue is down, leave it to the scheduled sweep that finds what is due.

    The change that asks for the work is committed already, so its caller must not be told that it failed, nor wait for
    a queue that has just been found silent.
    """
    global _down_until  # noqa: PLW0603 -- one queue a process, and a lost update costs one more try
    if time.monotonic() < _down_until:
        return
    try:
        current_app.send_task(task, args=ids)
    except (OperationalError, OSError):
        _down_until = time.monotonic() + _PAUSE_SECONDS
        logger.warning("The queue did not take a task; the scheduled sweep will do its work.", extra={"task": task})
