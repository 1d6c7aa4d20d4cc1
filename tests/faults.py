"""A TCP forwarder that a test can slow down, pause and cut."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Link:
    """A forwarder on loopback. `pause` keeps connections open and passes nothing on, `cut` ends and refuses them."""

    def __init__(self, port: int) -> None:
        """Forward to the port."""
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self.delay = 0.0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def pause(self) -> None:
        """Forward nothing more, and keep connections open."""
        self._flowing.clear()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._refusing = True
        self._flowing.set()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Forward normally again."""
        self._refusing, self.delay = False, 0.0
        self._flowing.set()

    def close(self) -> None:
        """End for good."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                near.close()
                continue
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            self._open |= {near, far}
            back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
            back.start()
            self._pass(near, far)
            back.join()
            self._open -= {near, far}

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flowing.wait()
                time.sleep(self.delay)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def link_to(port: int) -> Iterator[Link]:
    """Yield a forwarder to a port on this machine."""
    link = Link(port)
    try:
        yield link
    finally:
        link.close()
