"""The embedded queue: neither a damaged file nor a full disk ends a worker, and a killed one loses no message."""

import json
import logging
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection
from kombu.exceptions import ChannelError

from config.file_queue import Channel, Transport
from tests.config.conftest import fill, worker
from tests.processes import environment, manage, prepare, sqlite, until

SIGN = "SELECT count(*) FROM tenants_heartbeat WHERE name = 'queue'"
SEND = "from tenants.tasks import pulse; pulse.delay()"
TRASH = {
    "00000000000000000000.empty.0": b"",
    "00000000000000000001.zeros.0": bytes(4096),
    "00000000000000000002.half.0": b'{"body": "W10=", "headers": {',
    "00000000000000000003.list.0": b"[1, 2, 3]",
    "00000000000000000004.bare.0": b"{}",
    "00000000000000000005.body.0": json.dumps(
        {
            "body": "A",
            "headers": {},
            "properties": {"delivery_tag": "x", "delivery_info": {}, "body_encoding": "base64"},
        }
    ).encode(),
    "00000000000000000006.bytes.0": b"\xff\xfe\x00",
    "no number": b"{}",
}


def connect(folder: Path) -> Channel:
    """Return a channel of its own, as each process has one."""
    connection = Connection(transport=Transport, transport_options={"folder": str(folder)})
    _connections.append(connection)
    channel: Any = connection.channel()
    channel.queue_declare("celery")
    assert isinstance(channel, Channel)
    return channel


_connections: list[Connection] = []


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    """Connect to an empty queue."""
    yield connect(tmp_path)
    while _connections:
        _connections.pop().release()


def publish(channel: Channel, text: str) -> None:
    """Put a message into the queue."""
    channel.basic_publish(channel.prepare_message(text, headers={}), exchange="", routing_key="celery")


def take(channel: Channel) -> Any:
    """Take the next message, or none."""
    return channel.basic_get("celery")


def text_of(message: Any) -> str:
    """Return what was published."""
    return bytes(message.body).decode()


def _pulsed(folder: Path) -> bool:
    """Return whether a worker has carried out SEND."""
    with closing(sqlite3.connect(folder / "data" / "faceplane.sqlite3", timeout=30)) as rows:
        return bool(rows.execute(SIGN).fetchone()[0])


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Limit this process's file size, like a disk that becomes full during a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_messages_come_in_order_and_once(channel: Channel, tmp_path: Path) -> None:
    other = connect(tmp_path)
    for text in ("a", "b", "c"):
        publish(channel, text)
    first, second, third = take(channel), take(other), take(channel)
    assert [text_of(message) for message in (first, second, third)] == ["a", "b", "c"]
    assert take(channel) is take(other) is None
    for message in (first, third, second):
        message.channel.basic_ack(message.delivery_tag)
    assert list((tmp_path / "messages" / "celery").iterdir()) == []


def test_an_unacknowledged_message_is_delivered_again_when_released(channel: Channel, tmp_path: Path) -> None:
    publish(channel, "a")
    other = connect(tmp_path)
    taken = take(channel)
    assert not taken.delivery_info["redelivered"]
    assert take(other) is None
    channel.basic_reject(taken.delivery_tag, requeue=True)
    again = take(other)
    assert again.delivery_info["redelivered"]
    other.close()
    assert text_of(take(channel)) == "a"


def test_a_process_that_is_killed_gives_its_message_back_at_once(channel: Channel, tmp_path: Path) -> None:
    publish(channel, "a")
    script = "import sys; from tests.config.test_file_queue import *; import time\n"
    script += "m = take(connect(Path(sys.argv[1]))); print(text_of(m), flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "a\n"
        assert take(channel) is None
        process.send_signal(signal.SIGKILL)
    assert text_of(take(channel)) == "a"


def test_unreadable_messages_are_set_aside_and_logged(
    channel: Channel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(channel, "a")
    for name, content in TRASH.items():
        (tmp_path / "messages" / "celery" / name).write_bytes(content)
    with caplog.at_level(logging.ERROR, "faceplane.queue"):
        assert text_of(take(channel)) == "a"
        assert take(channel) is None
    assert {file.name for file in (tmp_path / "damaged").iterdir()} == set(TRASH)
    named = {Path(record.__dict__["file"]) for record in caplog.records}
    assert named == {tmp_path / "damaged" / name for name in TRASH}


def test_a_message_that_kills_its_consumers_is_set_aside(channel: Channel, tmp_path: Path) -> None:
    publish(channel, "a")
    for _ in range(5):
        assert take(channel) is not None
        channel.close()
        channel = connect(tmp_path)
    assert take(channel) is None
    assert len(list((tmp_path / "damaged").iterdir())) == 1


def test_a_full_disk_refuses_a_message_and_leaves_nothing(channel: Channel, tmp_path: Path) -> None:
    with files_of_at_most(100), pytest.raises(ChannelError):
        publish(channel, "a" * 10_000)
    assert list((tmp_path / "messages" / "celery").iterdir()) == []
    assert take(channel) is None


def test_old_drafts_are_swept_and_no_queue_name_leaves_the_folder(channel: Channel, tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    old, new = (tmp_path / "messages" / "celery" / name for name in (".old", ".new"))
    publish(channel, "a")
    for draft in (old, new):
        draft.write_bytes(b"{")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    channel.queue_declare("celery")
    assert (old.exists(), new.exists()) == (False, True)
    with pytest.raises((ChannelError, Empty)):
        channel.basic_publish(channel.prepare_message("a"), exchange="", routing_key="../celery")


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_damaged_files_end_no_worker(tmp_path: Path, pool: str) -> None:
    """With kombu's own transport three empty messages end every worker, and an empty exchange file every start."""
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), CELERY_BROKER_URL="filesystem://")
    prepare(env)
    queue, control = tmp_path / "data" / "queue" / "messages" / "celery", tmp_path / "data" / "queue" / "control"
    for folder in (queue, control):
        folder.mkdir(parents=True)
    for name in ("celery.exchange", "celeryev.exchange", "celery.pidbox.exchange", "reply.celery.pidbox.exchange"):
        (control / name).touch()
    for name, content in TRASH.items():
        (queue / name).write_bytes(content)
    log = tmp_path / "log"
    with worker(env, "--pool", pool, "--concurrency", "2", log=log) as process:
        manage(env, "shell", "--verbosity", "0", "-c", SEND)
        until(lambda: _pulsed(tmp_path), log=log)
        assert process.poll() is None
    assert all(name in log.read_text() for name in TRASH)
    assert {file.name for file in (tmp_path / "data" / "queue" / "damaged").iterdir()} == set(TRASH)


def test_a_worker_survives_a_full_disk_and_works_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), CELERY_BROKER_URL="filesystem://")
    env["DATA_DIR"] = str(small_disk / "data")
    (tmp_path / "data").mkdir()
    prepare(env)
    log = tmp_path / "log"
    with worker(env, "--beat", "--pool", "threads", "--concurrency", "2", log=log) as process:
        until(lambda: "ready." in log.read_text(), log=log)
        # Messages that are done free their room, so the disk is filled until one finds none.
        until(lambda: bool(fill(small_disk)) and "takes no message" in log.read_text(), log=log)
        assert process.poll() is None
        left = list((small_disk / "data" / "queue" / "messages" / "celery").iterdir())
        assert all(file.stat().st_size for file in left)
        fill(small_disk).unlink()
        with closing(sqlite3.connect(tmp_path / "data" / "faceplane.sqlite3", timeout=30)) as rows, rows:
            rows.execute("DELETE FROM tenants_heartbeat WHERE name = 'queue'")
        manage(env, "shell", "--verbosity", "0", "-c", SEND)
        until(lambda: _pulsed(tmp_path), log=log)
        assert process.poll() is None
    assert not (small_disk / "data" / "queue" / "damaged").exists()
