"""One process that answers: Django in threads, behind an event loop. `config.server` starts it with two descriptors."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time

import uvicorn

from config import env

os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "20")  # within a request's deadline; settings.py reads it
# What glibc is told (malloc.h). It gives every thread a pool of memory and is slow to give it back: two are enough. By
# itself it also learns to take ever larger pieces from the pools, up to 32 MB, where bodies and copies of pictures then
# leave holes of hundreds of MB; from 4 MB on, a piece goes back to the system as soon as nobody holds it.
_MALLOC = {"M_ARENA_MAX": (-8, 2), "M_MMAP_THRESHOLD": (-3, 4 << 20), "M_TRIM_THRESHOLD": (-1, 16 << 20)}
_ENDING = (signal.SIGTERM, signal.SIGINT)
_SWEEP_SECONDS = 0.2
_HEAD_BYTES = 64 * 1024


async def _serve(listener: socket.socket, beats: int) -> None:
    from config.server.__main__ import BEAT_SECONDS  # noqa: PLC0415 -- Django is set up only now
    from config.server.bridge import Bridge  # noqa: PLC0415
    from config.server.connections import Connection  # noqa: PLC0415
    from config.wsgi import application  # noqa: PLC0415

    # More threads than COMPUTE_SLOTS: what has to be refused or needs no model is answered while the slots are at work.
    bridge = Bridge(application, threads=env.integer("WEB_THREADS", 16, least=1))
    config = uvicorn.Config(
        bridge,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # config.requests writes one line a request, without the credentials that some paths hold
        proxy_headers=False,  # config.requests knows how many proxies to believe
        server_header=False,
        timeout_keep_alive=Connection.head_seconds,
        timeout_graceful_shutdown=30,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        backlog=128,  # so many are accepted at once before they are counted
    )
    server = uvicorn.Server(config)

    def leave(*_: object) -> None:
        server.should_exit = True

    for number in _ENDING:  # uvicorn takes them over, and raises them again when it has stopped
        signal.signal(number, leave)

    async def watch() -> None:
        """Show that the event loop turns, and end connections that wait for too long. Its end is the process's."""
        beat = 0.0
        while not server.should_exit:
            Connection.sweep()
            if time.monotonic() >= beat:
                os.write(beats, b".")
                beat = time.monotonic() + BEAT_SECONDS
            await asyncio.sleep(_SWEEP_SECONDS)

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), leave)  # whoever started us is gone
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        group.create_task(watch())


def main() -> None:
    """Load everything that a request needs, then answer."""
    for number in _ENDING:  # while nothing is served yet, they end the process at once
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if hasattr(ctypes.CDLL(None), "mallopt"):
        for option, value in _MALLOC.values():
            ctypes.CDLL(None).mallopt(option, value)
    listener, beats = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])

    from config import wsgi  # noqa: F401, PLC0415 -- sets Django up
    from recognition import packs  # noqa: PLC0415
    from recognition.errors import ModelUnavailable  # noqa: PLC0415
    from recognition.packs import sessions  # noqa: PLC0415
    from tenants import usage  # noqa: PLC0415

    usage.keep_flushing()
    try:
        sessions.preload(packs.DEFAULT)
    except ModelUnavailable as error:
        print(error, file=sys.stderr)  # noqa: T201
    asyncio.run(_serve(listener, beats))


if __name__ == "__main__":
    main()
