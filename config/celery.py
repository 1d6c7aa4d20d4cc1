"""The Celery application: a real queue from the first start, on the file system unless CELERY_BROKER_URL is set."""

import logging
import os
import signal
import threading
import time
import warnings
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]  # missing in its stubs
from celery.signals import (
    beat_embedded_init,
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutdown,
)
from celery.states import SUCCESS
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("faceplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
logger = logging.getLogger("faceplane.worker")
_PARENT_SECONDS = 0.5
_MAIN = os.getpid()  # in a forked child: its parent's id
_stopping = threading.Event()


# Celery would print it before logging is set up; the operator's unit file decides which user runs the worker.
warnings.filterwarnings("ignore", category=SecurityWarning)


@setup_logging.connect
def _keep_django_logging(**_: object) -> None:
    """Keep Celery from setting up logging: settings.LOGGING applies, with JSON lines and without task arguments."""


@worker_init.connect
def _check(**_: object) -> None:
    """Refuse to start with the wrong master key, or with a schema of another version."""
    from config import metrics  # noqa: PLC0415 -- Django must be set up first
    from recognition.packs import providers  # noqa: PLC0415
    from tenants.startup import require_master_key, require_schema  # noqa: PLC0415

    try:
        require_schema()
        providers.require()
        require_master_key()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None  # Celery only logs other exceptions in a signal receiver
    connection.close()  # before the worker forks
    metrics.share()


@beat_embedded_init.connect
@worker_process_init.connect
def _end_with_parent(**_: object) -> None:
    """End this child process when its worker dies; otherwise nobody would stop it.

    A thread polls for that. The kernel's parent-death signal does not work: it is sent when the forking thread ends,
    and the pool's thread that forked a replacement child ends during a shutdown that still waits for the child.
    """
    threading.Thread(target=_watch_parent, name="parent", daemon=True).start()


def _watch_parent() -> None:
    while os.getppid() == _MAIN:
        time.sleep(_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


@worker_ready.connect
def _begin_beating(sender: Any, **_: object) -> None:  # noqa: ANN401 -- celery's consumer
    threading.Thread(target=_beat, args=(sender.hostname,), name="heartbeat", daemon=True).start()
    from config import metrics  # noqa: PLC0415 -- Django must be set up first
    from tenants import chaining  # noqa: PLC0415

    metrics.serve()
    chaining.keep_chaining()


@worker_ready.connect
@worker_process_init.connect
def _start_telemetry(**_: object) -> None:
    """Begin to send traces and errors, in the worker and in each child process."""
    from config import telemetry  # noqa: PLC0415 -- Django must be set up first

    telemetry.start()


@before_task_publish.connect
def _hand_over(headers: dict[str, Any], **_: object) -> None:
    from config import telemetry  # noqa: PLC0415

    telemetry.hand_over(headers)


@task_prerun.connect
def _task_begins(task: Any, **_: object) -> None:  # noqa: ANN401 -- celery's task
    from config import telemetry  # noqa: PLC0415

    task.request.faceplane_began = time.perf_counter()
    telemetry.task_begins(task)


@task_postrun.connect
def _task_ends(task: Any, state: str | None, **_: object) -> None:  # noqa: ANN401
    from config import metrics, telemetry  # noqa: PLC0415

    seconds = time.perf_counter() - task.request.faceplane_began
    metrics.TASK_SECONDS.labels(task.name, str(state or "").lower()).observe(seconds)
    telemetry.task_ends(task, str(state or "").lower())
    _note_run(task.name, seconds, succeeded=state == SUCCESS)


def _note_run(task: str, seconds: float, *, succeeded: bool) -> None:
    """Record the run of a task of the schedule, for the operator's dashboard; the next run follows in any case."""
    from tenants import heartbeat  # noqa: PLC0415 -- Django must be set up first

    if task not in {entry["task"] for entry in app.conf.beat_schedule.values()}:
        return
    try:
        heartbeat.ran(task, seconds, succeeded=succeeded)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the task itself is done
        logger.warning("The run of a task could not be noted.", extra={"task": task, "error": str(error)})


def _beat(name: str) -> None:
    """Record every few seconds that this worker is alive; keep trying while the database is away."""
    from tenants import heartbeat  # noqa: PLC0415 -- Django must be set up first

    while True:
        close_old_connections()
        try:
            heartbeat.beat_worker(name)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next one may succeed
            logger.warning("A sign of life could not be written.", extra={"error": str(error)})
        if _stopping.wait(heartbeat.BEAT_SECONDS):
            return


@worker_shutdown.connect
def _leave(sender: Any, **_: object) -> None:  # noqa: ANN401 -- celery's worker
    """Record that this worker has stopped."""
    from tenants import heartbeat  # noqa: PLC0415 -- Django must be set up first

    _stopping.set()
    try:
        heartbeat.worker_left(sender.hostname)
    except Exception as error:  # noqa: BLE001 -- its silence will show it
        logger.warning("The end of this worker could not be written.", extra={"error": str(error)})
