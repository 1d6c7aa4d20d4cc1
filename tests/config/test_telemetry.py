"""Traces and errors reach the operator's receivers, and hold no name, image or secret."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.make import base64_of, portrait
from tests.processes import call, environment, prepare, web_server

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRETS = ("Ada Lovelace", "s3cret-of-a-frame", "in-the-arguments", "fp_")


class Receiver(BaseHTTPRequestHandler):
    """An operator's receiver of traces and errors: keeps what it gets."""

    received: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        """Keep it."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.received.append((self.path, gzip.decompress(content) if packed else content))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """Run the receiver; return its address."""
    Receiver.received.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def _spans() -> list[Any]:
    spans = []
    for path, content in Receiver.received:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    return spans


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_request_and_the_task_that_it_queues_are_spans_of_the_callers_trace(receiver: str, tmp_path: Path) -> None:
    exporter = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    env = environment(tmp_path, CELERY_BROKER_URL="filesystem://", **exporter)  # a queue that no other test shares
    key = prepare(env, acme="people")["acme"]
    headers = {"x-api-key": key, "traceparent": f"00-{TRACE}-{PARENT}-01"}
    command = [sys.executable, "-m", "celery", "--app", "config", "--quiet", "worker", "--pool", "threads"]
    with web_server(env, workers=1) as (url, _):
        faces = f"{url}/api/v1/collections/people/faces"
        body = {"image": base64_of(portrait("obama")), "person": {"name": "Ada Lovelace"}}
        status, face = call(faces, "POST", body, **headers)
        assert status == 201
        assert call(f"{faces}/{face['id']}", "DELETE", **headers)[0] == 202
        worker = subprocess.Popen(command, cwd=settings.BASE_DIR, env=env)
        try:
            _until(lambda: any(span.name.endswith("finish_erasure") for span in _spans()))
        finally:
            worker.terminate()
            worker.wait(timeout=40)
    spans = {span.name: span for span in _spans() if span.trace_id.hex() == TRACE}
    enrolled = spans["POST api/v1/collections/<name:collection>/faces"]
    deleted = spans["DELETE api/v1/collections/<name:collection>/faces/<str:face>"]
    (task,) = (span for name, span in spans.items() if name.endswith("finish_erasure"))
    assert enrolled.parent_span_id.hex() == deleted.parent_span_id.hex() == PARENT
    assert task.parent_span_id == deleted.span_id
    told = {one.key: one.value for one in enrolled.attributes}
    assert told["http.response.status_code"].int_value == 201
    assert {f"faceplane.stage.{name}.ms" for name in ("detect", "embed", "database")} <= told.keys()
    everything = b"".join(content for _, content in Receiver.received)
    assert not [secret for secret in (*SECRETS, face["id"]) if secret.encode() in everything]


FAILS = """
import django, logging
django.setup()
from config import telemetry
telemetry.start()

def fail(image):
    token = "s3cret-of-a-frame"
    raise LookupError("Ada Lovelace")

try:
    fail("fp_key.secret")
except LookupError as error:
    logger = logging.getLogger("faceplane.dialects")
    logger.error("Unforeseen %s", "in-the-arguments", exc_info=error, extra={"via": "nhn"})
logging.getLogger("faceplane.dialects").warning("Ada Lovelace")
import sentry_sdk
sentry_sdk.flush()
"""


def test_an_unforeseen_error_is_reported_without_names_or_values(receiver: str, tmp_path: Path) -> None:
    env = environment(tmp_path, SENTRY_DSN=f"http://key@{receiver}/1")
    subprocess.run([sys.executable, "-c", FAILS], cwd=settings.BASE_DIR, env=env, capture_output=True, check=True)
    ((path, envelope),) = Receiver.received
    assert path == "/api/1/envelope/"
    event = json.loads(envelope.splitlines()[2])
    (raised,) = event["exception"]["values"]
    assert (event["message"], raised["type"], event["tags"]["via"]) == ("Unforeseen %s", "LookupError", "nhn")
    assert [frame["function"] for frame in raised["stacktrace"]["frames"]] == ["<module>", "fail"]
    assert not [secret for secret in SECRETS if secret.encode() in envelope]


def test_a_variable_without_its_library_stops_the_start(tmp_path: Path) -> None:
    env = environment(tmp_path)
    start = "import sys, django; sys.modules[{!r}] = None; django.setup(); from config.telemetry import start; start()"
    for variable, library in (("SENTRY_DSN", "sentry_sdk"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry")):
        for given, failed in (({variable: "http://key@127.0.0.1:9/1"}, True), ({}, False)):
            command = [sys.executable, "-c", start.format(library)]
            done = subprocess.run(
                command,
                cwd=settings.BASE_DIR,
                env=os.environ | env | given,
                capture_output=True,
                text=True,
                check=False,
            )
            assert bool(done.returncode) == failed, done.stderr
            assert not failed or f"{variable} needs a library that is not installed" in done.stderr
