"""The Celery application: a real queue from the first start, on the file system unless a broker is named."""

import logging
import os
import signal
import threading
import time
import warnings
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]  # its stubs know it not
from celery.signals import (
    beat_embedded_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutdown,
)
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("faceplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
logger = logging.getLogger("faceplane.worker")
_PARENT_SECONDS = 0.5
_MAIN = os.getpid()  # in a child that was forked: its parent
_leaving = threading.Event()


# It is printed before anything is set up to log; under which user a worker runs is for the operator's unit to say.
warnings.filterwarnings("ignore", category=SecurityWarning)


@setup_logging.connect
def _leave_logging(**_: object) -> None:
    """Have Celery leave its lines to settings.LOGGING, like everybody's: JSON, at LOG_LEVEL, without arguments."""


@worker_init.connect
def _check(**_: object) -> None:
    """Refuse to start with the wrong master key, or with a schema of another version."""
    from tenants.startup import require_master_key, require_schema  # noqa: PLC0415 -- Django is set up only now

    try:
        require_schema()
        require_master_key()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None  # Celery logs any other exception of a signal's receiver and goes on
    connection.close()  # before the worker forks


@beat_embedded_init.connect
@worker_process_init.connect
def _end_with_parent(**_: object) -> None:
    """End this process, a worker's child, when the worker is gone: it would go on without anybody to stop it.

    A thread looks: the kernel's own death signal comes already when the thread that forked ends, which for a child that
    the pool replaced is during a shutdown that waits for it.
    """
    threading.Thread(target=_watch_parent, name="parent", daemon=True).start()


def _watch_parent() -> None:
    while os.getppid() == _MAIN:
        time.sleep(_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


@worker_ready.connect
def _begin_beating(sender: Any, **_: object) -> None:  # noqa: ANN401 -- celery's consumer
    threading.Thread(target=_beat, args=(sender.hostname,), name="heartbeat", daemon=True).start()


def _beat(name: str) -> None:
    """Tell every few seconds that this worker lives; while the database is away, go on trying."""
    from tenants import heartbeat  # noqa: PLC0415 -- Django is set up only now

    while True:
        close_old_connections()
        try:
            heartbeat.beat_worker(name)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next beat may get through
            logger.warning("A sign of life could not be written.", extra={"error": str(error)})
        if _leaving.wait(heartbeat.BEAT_SECONDS):
            return


@worker_shutdown.connect
def _leave(sender: Any, **_: object) -> None:  # noqa: ANN401 -- celery's worker
    """Tell at once that this worker is gone."""
    from tenants import heartbeat  # noqa: PLC0415 -- Django is set up only now

    _leaving.set()
    try:
        heartbeat.worker_left(sender.hostname)
    except Exception as error:  # noqa: BLE001 -- it is told by its silence then
        logger.warning("That this worker leaves could not be written.", extra={"error": str(error)})
