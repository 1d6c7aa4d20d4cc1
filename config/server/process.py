"""A worker process: Django in threads, behind uvicorn's event loop.

`config.server` starts it with three file descriptors as arguments: the listening socket, a pipe for its heartbeat, and
the memory in which the processes count their connections; and with its place there.
"""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import uvicorn

from config.server import web_threads
from config.server.sharing import Listener, counts

if TYPE_CHECKING:
    from config.server.bridge import Bridge
    from config.server.connections import Connection

os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "20")  # below REQUEST_SECONDS; settings.py reads it
# Options of glibc's malloc (malloc.h). By default each thread gets its own arena, which rarely shrinks: two are enough.
# The mmap threshold would also grow by itself up to 32 MB, so that bodies and copies of images fragment the arenas by
# hundreds of MB; fixed at 4 MB, larger blocks return to the system as soon as they are freed.
_MALLOC = {"M_ARENA_MAX": (-8, 2), "M_MMAP_THRESHOLD": (-3, 4 << 20), "M_TRIM_THRESHOLD": (-1, 16 << 20)}
_ENDING = (signal.SIGTERM, signal.SIGINT)
_SWEEP_SECONDS = 0.2
# How long a thread that computes in Python keeps others waiting: Python's 5 ms add up in a small request, whose steps
# in the event loop and in its thread may each wait for that.
_SWITCH_SECONDS = 0.0005
_HEAD_BYTES = 64 * 1024


def _config(bridge: "Bridge", protocol: "type[Connection]") -> uvicorn.Config:
    return uvicorn.Config(
        bridge,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # config.requests logs each request, without the credentials in some paths
        proxy_headers=False,  # config.requests evaluates X-Forwarded-For (TRUSTED_PROXIES)
        server_header=False,
        timeout_keep_alive=protocol.head_seconds,
        timeout_graceful_shutdown=30,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        backlog=1,  # connections accepted in one turn of the event loop: the other processes get theirs
    )


async def _serve(listener: Listener, heartbeat: int) -> None:
    from config.server.__main__ import BEAT_SECONDS  # noqa: PLC0415 -- Django is set up only now
    from config.server.bridge import Bridge  # noqa: PLC0415
    from config.server.connections import Connection  # noqa: PLC0415
    from config.wsgi import application  # noqa: PLC0415

    # More threads than COMPUTE_SLOTS: refusals and requests without a model are answered while all slots compute.
    bridge = Bridge(application, threads=web_threads())
    Connection.listener = listener
    server = uvicorn.Server(_config(bridge, Connection))

    def leave(*_: object) -> None:
        listener.leave()
        server.should_exit = True

    for number in _ENDING:  # uvicorn replaces these handlers, and raises the signal again after it has stopped
        signal.signal(number, leave)

    async def watch() -> None:
        """Write the heartbeat while the event loop runs, and end late connections."""
        due = 0.0
        while not server.should_exit:
            Connection.sweep()
            if time.monotonic() >= due:
                os.write(heartbeat, b".")
                due = time.monotonic() + BEAT_SECONDS
            await asyncio.sleep(_SWEEP_SECONDS)

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), leave)  # standard input ends with the parent process
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        group.create_task(watch())


def main() -> None:
    """Load everything that a request needs, then serve."""
    for number in _ENDING:  # until requests are served, they end the process at once
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if hasattr(ctypes.CDLL(None), "mallopt"):
        for option, value in _MALLOC.values():
            ctypes.CDLL(None).mallopt(option, value)
    listening, heartbeat, shared, own = map(int, sys.argv[1:])
    listener = Listener(fileno=listening)

    from config import wsgi  # noqa: F401, I001, PLC0415 -- sets up Django
    from config import metrics  # noqa: PLC0415
    from recognition import packs  # noqa: PLC0415
    from recognition.errors import ModelUnavailable  # noqa: PLC0415
    from recognition.packs import sessions  # noqa: PLC0415
    from tenants import chaining, commits, limits, usage  # noqa: PLC0415

    metrics.share()
    usage.keep_flushing()
    commits.keep_committing()
    chaining.keep_chaining()
    limits.keep_looking()
    try:
        sessions.preload(packs.DEFAULT)
    except ModelUnavailable as error:
        print(error, file=sys.stderr)  # noqa: T201
    gc.collect()
    gc.freeze()  # what was loaded stays: a full collection would look through all of it, while every thread waits
    sys.setswitchinterval(_SWITCH_SECONDS)
    listener.share(counts(shared), own)
    asyncio.run(_serve(listener, heartbeat))


if __name__ == "__main__":
    main()
