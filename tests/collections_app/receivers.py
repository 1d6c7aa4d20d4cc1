"""A server that receives webhooks, and what its tests do to a customer."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from django.db import connections
from django.utils import timezone

from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from tenants.models import Delivery
from tests.conftest import Customer
from tests.make import portrait


class Receiver(BaseHTTPRequestHandler):
    """A customer's server: keeps what it receives, calls the next of `meanwhile`, answers as `answers` say."""

    received: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    answers: ClassVar[list[int]] = []
    meanwhile: ClassVar[list[Callable[[], None]]] = []

    def do_POST(self) -> None:
        """Take a delivery."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((dict(self.headers.items()), content))
        status = self.answers.pop(0) if self.answers else 204
        if self.meanwhile:
            self.meanwhile.pop()()
            connections.close_all()
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(settings: Any) -> Iterator[str]:
    """Run the server; return its URL. Local addresses are allowed, as in development."""
    settings.ALLOW_PRIVATE_URLS = True
    Receiver.received.clear()
    Receiver.answers.clear()
    Receiver.meanwhile.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


def enrol(acme: Customer, image: str = "obama") -> str:
    return enrol_face(acme.caller, collection="people", image=portrait(image), person=PersonDetails()).faces[0].uuid


def due_now(acme: Customer) -> None:
    Delivery.objects.of(acme.tenant).filter(state="pending").update(next_at=timezone.now())
