"""The parent process: opens the listening socket, starts the worker processes and keeps them alive.

SIGTERM and SIGINT: active requests are answered, then the server ends. SIGHUP: new processes start with the current
code, and the old ones end once all new ones are ready. A process that dies, or whose event loop hangs, is replaced.
The workers end when the parent dies.
"""

import logging.config
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from config import env, settings
from config.server import sharing, web_workers

BEAT_SECONDS = 5
_HUNG_SECONDS = 60  # a process without a heartbeat for so long is killed
_START_SECONDS = 300  # until the first heartbeat: models may load from a slow disk
_STOP_SECONDS = 35  # more than REQUEST_SECONDS
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

logger = logging.getLogger("faceplane.server")


@dataclass(eq=False)
class _Process:
    """A worker process. It writes a byte to its pipe when it is ready, and then every BEAT_SECONDS."""

    listener: socket.socket
    shared: int  # the memory of config.server.sharing
    place: int  # in it
    started: float = field(default_factory=time.monotonic)
    last_beat: float = 0

    def __post_init__(self) -> None:
        self.pipe, child = os.pipe()
        os.set_blocking(self.pipe, False)
        descriptors = (self.listener.fileno(), child, self.shared)
        self.popen = subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-m", "config.server.process", *map(str, descriptors), str(self.place)],
            stdin=subprocess.PIPE,  # closed when this process dies
            pass_fds=descriptors,
            process_group=0,  # Ctrl-C in a terminal reaches only this process
        )
        os.close(child)

    def check(self) -> None:
        """Read its heartbeat; kill it when that has stopped."""
        if select.select([self.pipe], [], [], 0)[0] and os.read(self.pipe, 1000):
            self.last_beat = time.monotonic()
        late = time.monotonic() - (self.last_beat or self.started)
        if late > (_HUNG_SECONDS if self.last_beat else _START_SECONDS):
            logger.error("A process hangs and is killed", extra={"pid": self.popen.pid})
            self.popen.kill()

    def ended(self) -> bool:
        """Return whether it has ended."""
        return self.popen.poll() is not None

    def end(self) -> None:
        """Ask it to answer its active requests and end."""
        self.popen.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Kill it if it still runs, and close its pipes."""
        if not self.ended():
            self.popen.kill()
            self.popen.wait()
        os.close(self.pipe)
        if self.popen.stdin:
            self.popen.stdin.close()


class _Server:
    """The processes: those that serve, those that start to replace them, and those that are ending."""

    def __init__(self, listener: socket.socket, size: int) -> None:
        self._listener = listener
        self._shared = sharing.memory()
        self._counts = sharing.counts(self._shared)
        self._places: dict[int, _Process] = {}
        self._size = size
        self._serving = self._start()
        self._starting: list[_Process] = []
        self._ending: list[_Process] = []
        self._ready = False  # whether a process was ready since the start
        self._reload_requested = False

    def _start(self) -> list[_Process]:
        return [self._new() for _ in range(self._size)]

    def _new(self) -> _Process:
        """Start a process, in a place of the shared memory that none has which still runs."""
        place = next(at for at in range(sharing.PROCESSES) if at not in self._places or self._places[at].ended())
        self._places[place] = _Process(self._listener, self._shared, place)
        return self._places[place]

    def run(self) -> int:
        """Serve until a signal ends it; return the exit status."""
        while True:
            signals = signal.sigtimedwait(_SIGNALS, 0.2)
            if signals and signals.si_signo != signal.SIGHUP:
                return self._stop()
            self._reload_requested |= signals is not None
            if self._reload_requested and not self._starting:
                self._reload_requested = False
                logger.warning("Reload: new processes start")
                self._starting = self._start()
            self._check()
            if not self._ready and any(process.ended() for process in self._serving):
                return self._stop(status=1)  # a replacement would not start either

    def _check(self) -> None:
        for process in (*self._serving, *self._starting):
            process.check()
        if not self._ready and any(process.last_beat for process in self._serving):
            self._ready = True
            _welcome()
        self._finish_reload()
        if self._ready:
            self._serving = [self._replaced(each) if each.ended() else each for each in self._serving]
        self._ending = _drop_ended(self._ending)
        for place, process in self._places.items():
            if process.ended():
                self._counts[place] = 0

    def _replaced(self, process: _Process) -> _Process:
        logger.error("A process ended and is replaced", extra={"status": process.popen.returncode})
        process.close()
        return self._new()

    def _finish_reload(self) -> None:
        """Once all new processes are ready, let them replace the old ones; if one has failed, drop the new ones."""
        if any(process.ended() for process in self._starting):
            logger.error("Reload failed: a new process did not start; the old ones go on serving")
            for process in self._starting:
                process.close()
            self._starting = []
        elif self._starting and all(process.last_beat for process in self._starting):
            for process in self._serving:
                process.end()
            self._ending += self._serving
            self._serving, self._starting = self._starting, []

    def _stop(self, status: int = 0) -> int:
        ending = self._ending + self._serving + self._starting
        for process in ending:
            process.end()
        deadline = time.monotonic() + _STOP_SECONDS
        while ending and time.monotonic() < deadline:
            ending = _drop_ended(ending)
            time.sleep(0.05)
        for process in ending:
            process.close()
        return status


def _drop_ended(processes: Iterable[_Process]) -> list[_Process]:
    staying = []
    for process in processes:
        if process.ended():
            process.close()
        else:
            staying.append(process)
    return staying


def _welcome() -> None:
    """Print the demonstration's welcome text, if `manage.py demo prepare` has written one."""
    welcome = settings.DATA_DIR / "welcome.txt"
    if welcome.exists():
        bind = env.text("BIND", "127.0.0.1:8000")
        print(welcome.read_text(encoding="utf-8").replace("{url}", f"http://{bind}"), flush=True)  # noqa: T201


def _listen(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=sharing.BACKLOG)
    except (OSError, ValueError) as error:
        sys.exit(f"BIND is {bind!r}, and the server cannot listen there: {error}")


def main() -> int:
    """Run the server."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # run() waits for them
    logging.config.dictConfig(settings.LOGGING)
    if not (settings.STATIC_ROOT / "staticfiles.json").is_file():
        sys.exit(f"{settings.STATIC_ROOT} holds no static files: run `make setup`, or `manage.py collectstatic`.")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _Server(_listen(env.text("BIND", "127.0.0.1:8000")), web_workers()).run()


if __name__ == "__main__":
    sys.exit(main())
