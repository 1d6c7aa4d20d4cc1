"""Workers over each available broker: a hundred deliveries do the work once, and a kill leaves no half of it."""

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from amqp.exceptions import ChannelError
from celery import Celery
from django.conf import settings

from tests.index.conftest import Stage
from tests.index.test_server import repeated
from tests.make import base64_of, portrait
from tests.processes import call, manage, web_server
from tests.services import RABBITMQ_PORT, REDIS_PORT, redis_database, wanted

SOAK = bool(os.environ.get("SOAK"))
REDELIVERIES = 100
KILLS = 40 if SOAK else 4
FILES = "filesystem://"
BROKERS: dict[str, Callable[[], str]] = {"files": lambda: FILES} | {
    name: url
    for name, port, url in (
        ("redis", REDIS_PORT, redis_database),
        ("rabbitmq", RABBITMQ_PORT, lambda: f"amqp://guest:guest@127.0.0.1:{RABBITMQ_PORT}//"),
    )
    if wanted(port)
}
NO_ROWS = [(0,)]
OPEN = "SELECT count(*) FROM collections_app_receipt WHERE completed_at IS NULL"
UNTOLD = "SELECT count(*) FROM tenants_delivery WHERE state <> 'delivered'"
UNSOUND = "SELECT count(*) FROM recognition_indexsegment WHERE condition <> 'sound'"
AT_WORK = "SELECT count(*) FROM recognition_compaction WHERE stage <> ''"
RECEIPTS = "SELECT id FROM collections_app_receipt ORDER BY id"
WORK = """
import json, sys
import numpy as np
from collections_app import erasure
from collections_app.models import Collection
from collections_app.operations.collections import create_collection, delete_collection
from collections_app.operations.erase import delete_face
from collections_app.operations.webhooks import create_webhook
from recognition.index import face_index
from tenants import access, events, usage
from tests.index import gallery

collection = Collection.unscoped.select_related("tenant", "gallery__tenant").get(name="a")
caller = access.system(collection.tenant, "tests")
create_webhook(caller, url=sys.stdin.read(), kinds=list(events.Kind))
ids = gallery.enrol(face_index(), collection, gallery.people(np.random.default_rng(1), 80, 1))
gone = create_collection(caller, name="gone")
gallery.enrol(face_index(), gone, gallery.people(np.random.default_rng(2), 30, 1))
delete_collection(caller, name="gone")
receipt = delete_face(caller, collection="a", face=str(collection.faces.get(pk=ids[0]).uuid))
for _ in range(7):
    usage.count(collection.tenant, "tests")
usage.flush()
print(json.dumps({"collection": collection.pk, "gone": gone.pk, "receipt": receipt.pk}))
"""


class Receiver(BaseHTTPRequestHandler):
    """A customer's server: keeps the ids and kinds of the events it receives."""

    received: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        """Take a delivery."""
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((event["id"], event["type"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """Run the server; return its URL."""
    Receiver.received.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


class Queue:
    """The product's queue, seen from outside."""

    def __init__(self, stage: Stage, url: str) -> None:
        """Point the stage's processes to the broker, and empty it."""
        stage.env |= {"CELERY_BROKER_URL": url, "ALLOW_PRIVATE_URLS": "true"}
        self._env = stage.env
        self._url = url  # passed at each use: a Celery app takes CELERY_BROKER_URL from the environment instead
        self._app = Celery()
        if url == FILES:
            self._app.conf.broker_transport = "config.file_queue:Transport"
            self._app.conf.broker_transport_options = {"folder": str(stage.folder / "data" / "queue")}
        with self._app.connection_for_write(url) as connection:
            self._app.control.purge(connection)

    def send(self, task: str, *ids: int, again: int = 1) -> None:
        """Send a task; `again` and again the same message."""
        with self._app.connection_for_write(self._url) as connection:
            for _ in range(again):
                self._app.send_task(task, args=ids, task_id=f"{task}-{ids}", connection=connection)

    def waiting(self) -> int:
        """Return how many messages no worker has taken yet."""
        with self._app.connection_for_read(self._url) as connection, connection.channel() as channel:
            queue: Any = channel
            try:
                return int(queue.queue_declare("celery", passive=True).message_count)
            except ChannelError:
                return 0  # Redis knows no empty queue

    def until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until workers have done something."""
        ends = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < ends, f"{self.waiting()} messages wait"
            time.sleep(0.3)

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        command = [sys.executable, "-m", "celery", "--app", "config", "worker", "--pool", "threads"]
        command += ["--concurrency", "3", "--loglevel", "ERROR", "--without-mingle", "--without-gossip"]
        command += ["--hostname", f"{secrets.token_hex(4)}@%h"]  # RabbitMQ rejects a second one of the same name
        return subprocess.Popen(command, cwd=settings.BASE_DIR, env=self._env, stdout=subprocess.DEVNULL)

    @contextmanager
    def workers(self, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run workers; let them finish their tasks at the end."""
        running = [self.worker() for _ in range(count)]
        try:
            yield running
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(timeout=60)


@pytest.mark.parametrize("broker", BROKERS)
def test_what_is_delivered_a_hundred_times_at_once_is_done_once(stage: Stage, receiver: str, broker: str) -> None:
    """Check 14: two workers with three threads each take 100 deliveries of each task from the broker: duplicates 0."""
    queue = Queue(stage, BROKERS[broker]())
    ids = json.loads(manage(stage.env, "shell", "--verbosity", "0", "-c", WORK, stdin=receiver))
    for turn in range(REDELIVERIES // 10):
        del turn  # the tasks take turns, so that unlike ones run beside each other too
        queue.send("recognition.tasks.compact_gallery", ids["collection"], again=10)
        queue.send("collections_app.tasks.purge_collection", ids["gone"], again=10)
        queue.send("collections_app.tasks.finish_erasure", ids["receipt"], again=10)
        queue.send("collections_app.tasks.deliver_due", again=10)
    queue.until(lambda: queue.waiting() >= 4 * REDELIVERIES)
    before = stage.rows(RECEIPTS)
    with queue.workers(2):
        queue.until(lambda: queue.waiting() == 0, 120)
    with queue.workers(1):  # the schedule queues again what a task found not ready yet
        queue.send("collections_app.tasks.purge_due")
        queue.send("collections_app.tasks.deliver_due")
        queue.until(lambda: stage.rows(OPEN) == NO_ROWS)
        queue.until(lambda: stage.rows(UNTOLD) == NO_ROWS)
    disclosed = [event for event, _ in Receiver.received]
    assert len(disclosed) == len(set(disclosed))
    assert sorted(kind for _, kind in Receiver.received) == ["collection.index_ready", "face.deleted"]
    assert stage.rows("SELECT rows, low, high FROM recognition_indexsegment") == [
        (79, 0, 81)
    ]  # the face that left was the 81st change
    assert stage.sealed_files() == stage.published()
    assert stage.rows(RECEIPTS) == before
    assert stage.rows("SELECT count(*), count(DISTINCT collection_id) FROM collections_app_face") == [(79, 1)]
    assert stage.rows("SELECT sum(calls) FROM tenants_usageday WHERE operation = 'tests'") == [(7,)]


SILENT = """
import sys
from django.db import transaction
from collections_app.models import Collection
from collections_app.operations.erase import delete_face
from collections_app.operations.webhooks import create_webhook
from recognition.index import face_index
from tenants import access, events
from tests.index import gallery
import numpy as np

collection = Collection.unscoped.select_related("tenant", "gallery__tenant").get(name="a")
caller = access.system(collection.tenant, "tests")
create_webhook(caller, url=sys.stdin.read(), kinds=["face.enrolled"])
with transaction.atomic():
    for _ in range(40):
        events.emit(collection.tenant, events.Kind.FACE_ENROLLED)
ids = gallery.enrol(face_index(), collection, gallery.people(np.random.default_rng(1), 1, 1))
print(delete_face(caller, collection="a", face=str(collection.faces.get(pk=ids[0]).uuid)).pk)
"""


def test_a_silent_webhook_does_not_delay_an_erasure(stage: Stage) -> None:
    """With 40 deliveries due to it and their 40 tasks before it in the queue, a receipt is signed at once."""
    queue = Queue(stage, FILES)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        receipt = json.loads(manage(stage.env, "shell", "--verbosity", "0", "-c", SILENT, stdin=url))
        queue.send("collections_app.tasks.deliver_due", again=40)
        queue.send("collections_app.tasks.finish_erasure", receipt)
        with queue.workers(1):
            queue.until(lambda: stage.rows("SELECT count(*) FROM tenants_delivery WHERE attempts > 0") == [(1,)], 30)
            queue.until(lambda: stage.rows(OPEN) == NO_ROWS, 8)
            assert stage.rows("SELECT sum(attempts) FROM tenants_delivery") == [(1,)]


@pytest.mark.parametrize("broker", list(BROKERS) if SOAK else sorted({"files", list(BROKERS)[-1]}))
def test_killed_workers_lose_nothing_and_the_next_one_does_their_work(stage: Stage, broker: str) -> None:
    """Check 9: kill -9 of a worker 4 times (soak 40), while faces come and go: what was acknowledged holds.

    The worker after the last one signs every receipt and publishes what was half made, with no file left over.
    """
    dice = random.Random(3)  # noqa: S311
    queue = Queue(stage, BROKERS[broker]())
    actor = stage.actor()
    actor("enrol", name="a", seeds=list(range(120)))
    key = {"x-api-key": stage.keys["a"]}
    collection = stage.rows("SELECT id FROM collections_app_collection WHERE name = 'a'")[0][0]
    kept: set[str] = set()
    gone: set[str] = set()
    refused: list[Any] = []
    with web_server(stage.env, workers=1) as (url, _), queue.workers(1) as workers:

        def come_and_go() -> None:
            body = {"collectionId": "a", "userName": "x", "faceImage": base64_of(portrait("sunak"))}
            status, answer = call(f"{url}/faces", "POST", body, **key)
            if status == 200 and dice.random() < 0.5:
                status, _ = call(f"{url}/faces?collectionId=a&faceId={answer['faceId']}", "DELETE", **key)
                gone.add(answer["faceId"])
            elif status == 200:
                kept.add(answer["faceId"])
            if status != 200:
                refused.append(answer)

        with repeated(come_and_go):
            for _ in range(KILLS):
                workers.append(queue.worker())
                queue.send("recognition.tasks.rebuild_index", collection, again=3)
                queue.until(lambda: queue.waiting() == 0)
                time.sleep(dice.random())
                victim = workers.pop(0)
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                stage.expire_leases()
    assert refused == []
    with queue.workers(1):
        queue.send("recognition.tasks.rebuild_index", collection)

        def tidied() -> bool:
            if not stage.rows(UNSOUND) == stage.rows(AT_WORK) == NO_ROWS:
                return False
            actor("sweep")  # as the schedule does when ten minutes have passed
            queue.send("collections_app.tasks.purge_due")
            return stage.rows(OPEN) == NO_ROWS

        queue.until(tidied)
    there = {uuid for (uuid,) in stage.rows("SELECT uuid FROM collections_app_face")}
    assert kept <= there
    assert not gone & there
    assert len(gone) == stage.rows("SELECT count(*) FROM collections_app_receipt")[0][0]
    found = {face for face, _ in actor("search", name="a", seed=1, limit=5_000)}
    assert found == {face for (face,) in stage.rows("SELECT id FROM collections_app_face")}
    actor("sweep")
    assert stage.sealed_files() == stage.published() != set()
