"""Open the socket, start the processes that answer on it, and keep them alive.

SIGTERM and SIGINT end the server when the requests under way are answered. SIGHUP starts new processes, with the code
of now, and ends the old ones when the new ones answer. A process that dies, or whose event loop stands still, is
replaced. Processes end when this one is gone.
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

BEAT_SECONDS = 5
_STILL_SECONDS = 60  # without a beat: such a process is killed
_START_SECONDS = 300  # for models that are loaded from a slow disk
_STOP_SECONDS = 35  # a request's deadline, and some
_BACKLOG = 128
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

logger = logging.getLogger("faceplane.server")


@dataclass(eq=False)
class _Process:
    """A process that answers. It writes a byte to its pipe when it is ready, and again every few seconds."""

    listener: socket.socket
    started: float = field(default_factory=time.monotonic)
    beat: float = 0

    def __post_init__(self) -> None:
        self.pipe, child = os.pipe()
        os.set_blocking(self.pipe, False)
        numbers = (self.listener.fileno(), child)
        self.popen = subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-m", "config.server.process", *map(str, numbers)],
            stdin=subprocess.PIPE,  # which ends when we do
            pass_fds=numbers,
            process_group=0,  # a terminal's Ctrl-C is ours to handle
        )
        os.close(child)

    def look(self) -> None:
        """Take note of its beats; kill it when they stop."""
        if select.select([self.pipe], [], [], 0)[0] and os.read(self.pipe, 1000):
            self.beat = time.monotonic()
        late = time.monotonic() - (self.beat or self.started)
        if late > (_STILL_SECONDS if self.beat else _START_SECONDS):
            logger.error("A process stood still and is killed", extra={"pid": self.popen.pid})
            self.popen.kill()

    def gone(self) -> bool:
        """Say whether it has ended."""
        return self.popen.poll() is not None

    def end(self) -> None:
        """Ask it to answer what is under way and leave."""
        self.popen.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Let go of its pipes; what still runs is killed."""
        if not self.gone():
            self.popen.kill()
            self.popen.wait()
        os.close(self.pipe)
        if self.popen.stdin:
            self.popen.stdin.close()


class _Server:
    """The processes: those that answer, those that shall take their places, and those that leave."""

    def __init__(self, listener: socket.socket, size: int) -> None:
        self._listener = listener
        self._size = size
        self._serving = self._start()
        self._coming: list[_Process] = []
        self._leaving: list[_Process] = []
        self._answers = False  # some process has, since the start
        self._hung_up = False

    def _start(self) -> list[_Process]:
        return [_Process(self._listener) for _ in range(self._size)]

    def run(self) -> int:
        """Serve until a signal; return the exit status."""
        while True:
            signals = signal.sigtimedwait(_SIGNALS, 0.2)
            if signals and signals.si_signo != signal.SIGHUP:
                return self._stop()
            self._hung_up |= signals is not None
            if self._hung_up and not self._coming:
                self._hung_up = False
                logger.warning("New processes start and take the place of the old")
                self._coming = self._start()
            self._look()
            if not self._answers and any(process.gone() for process in self._serving):
                return self._stop(status=1)  # the next one would not start either

    def _look(self) -> None:
        for process in (*self._serving, *self._coming):
            process.look()
        if not self._answers and any(process.beat for process in self._serving):
            self._answers = True
            _welcome()
        self._coming = self._come(self._coming)
        if self._answers:
            self._serving = [self._replaced(each) if each.gone() else each for each in self._serving]
        self._leaving = _without_gone(self._leaving)

    def _replaced(self, process: _Process) -> _Process:
        logger.error("A process ended and is replaced", extra={"status": process.popen.returncode})
        process.close()
        return _Process(self._listener)

    def _come(self, coming: list[_Process]) -> list[_Process]:
        """Let new processes take their places once all of them answer; return those that are still to come."""
        if any(process.gone() for process in coming):
            logger.error("A new process did not start: those that serve stay")
            for process in coming:
                process.close()
            return []
        if not coming or not all(process.beat for process in coming):
            return coming
        for process in self._serving:
            process.end()
        self._leaving += self._serving
        self._serving = coming
        return []

    def _stop(self, status: int = 0) -> int:
        leaving = self._leaving + self._serving + self._coming
        for process in leaving:
            process.end()
        late = time.monotonic() + _STOP_SECONDS
        while leaving and time.monotonic() < late:
            leaving = _without_gone(leaving)
            time.sleep(0.05)
        for process in leaving:
            process.close()
        return status


def _without_gone(processes: Iterable[_Process]) -> list[_Process]:
    staying = []
    for process in processes:
        if process.gone():
            process.close()
        else:
            staying.append(process)
    return staying


def _welcome() -> None:
    """Tell whoever started the demonstration where to look (collections_app.management.commands.demo wrote it)."""
    welcome = settings.DATA_DIR / "welcome.txt"
    if welcome.exists():
        bind = env.text("BIND", "127.0.0.1:8000")
        print(welcome.read_text(encoding="utf-8").replace("{url}", f"http://{bind}"), flush=True)  # noqa: T201


def _listen(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except (OSError, ValueError) as error:
        sys.exit(f"BIND is {bind!r}, and nobody can listen there: {error}")


def main() -> int:
    """Run the server."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # they are waited for
    logging.config.dictConfig(settings.LOGGING)
    if not (settings.STATIC_ROOT / "staticfiles.json").is_file():
        sys.exit(f"{settings.STATIC_ROOT} holds no static files: run `make setup`, or `manage.py collectstatic`.")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    size = env.integer("WEB_WORKERS", min(os.cpu_count() or 1, 4), least=1)
    return _Server(_listen(env.text("BIND", "127.0.0.1:8000")), size).run()


if __name__ == "__main__":
    sys.exit(main())
