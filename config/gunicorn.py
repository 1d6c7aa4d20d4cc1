"""The web server: a few processes, a few threads each. ONNX Runtime and OpenCV let go of the interpreter's lock."""

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from config import env

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "20")  # within a request's deadline; settings.py reads it
# glibc gives every thread memory of its own to take from and is slow to give it back: two such pools are enough.
_ARENA_MAX, _POOLS = -8, 2
if hasattr(ctypes.CDLL(None), "mallopt"):
    ctypes.CDLL(None).mallopt(_ARENA_MAX, _POOLS)

bind = env.text("BIND", "127.0.0.1:8000")
workers = env.integer("WEB_WORKERS", min(os.cpu_count() or 1, 4), least=1)
# More threads than COMPUTE_SLOTS: what has to be refused or needs no model is answered while the slots are at work.
threads = env.integer("WEB_THREADS", 16, least=1)
worker_class = "config.worker.Worker"
timeout = 60
graceful_timeout = 30
keepalive = 15
control_socket_disable = True
loglevel = "warning"
accesslog = None  # config.requests writes one line a request, without the credentials that some paths hold


def post_worker_init(worker: "Worker") -> None:
    """Load the models after the fork and before the first request, so that nobody waits for them."""
    from recognition import packs  # noqa: PLC0415 -- Django is set up only now
    from recognition.errors import ModelUnavailable  # noqa: PLC0415
    from recognition.packs import sessions  # noqa: PLC0415
    from tenants import usage  # noqa: PLC0415

    usage.keep_flushing()
    try:
        sessions.preload(packs.DEFAULT)
    except ModelUnavailable as error:
        worker.log.warning("%s", error)


def when_ready(server: "Arbiter") -> None:
    """Tell whoever started the demonstration where to look (collections_app.management.commands.demo wrote it)."""
    welcome = env.folder("DATA_DIR", Path("var")) / "welcome.txt"
    if welcome.exists():
        print(welcome.read_text(encoding="utf-8").replace("{url}", f"http://{bind}"), flush=True)  # noqa: T201
