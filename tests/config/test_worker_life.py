"""The children of a killed worker, and what several beats send."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from celery.beat import ScheduleEntry
from django.conf import settings
from django.utils import timezone

from config.celery import app
from config.schedule import SharedScheduler
from tenants import heartbeat
from tenants.models import Heartbeat
from tests.config.conftest import worker
from tests.processes import environment, prepare, sqlite, until


def children(pid: int) -> set[int]:
    """Return the child processes, from /proc."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child), *children(int(child))}
    return found


def lives(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_the_children_of_a_killed_worker_end(tmp_path: Path, pool: str) -> None:
    """Otherwise the embedded beat lives on and sends: twenty of them filled the queue with 1,206 messages."""
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path), CELERY_BROKER_URL="filesystem://")
    prepare(env)
    log = tmp_path / "log"
    with worker(env, "--beat", "--pool", pool, "--concurrency", "2", log=log) as process:
        until(lambda: "ready." in log.read_text(), log=log)
        left = children(process.pid)
        assert len(left) >= {"threads": 1, "prefork": 3}[pool]
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not any(map(lives, left)), 20, log=log)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what schedulers send."""
    names: list[str] = []

    def send(self: SharedScheduler, entry: ScheduleEntry, **_: object) -> None:
        names.append(str(entry.name))

    monkeypatch.setattr(SharedScheduler, "apply_async", send)
    return names


def age(seconds: float) -> None:
    """Make every sign of life this old."""
    for row in Heartbeat.objects.all():
        row.at -= timedelta(seconds=seconds)
        row.save()


@pytest.mark.django_db
def test_of_twenty_beats_one_sends_each_entry(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.schedule.close_old_connections", lambda: None)  # the test's own must stay

    def sent_by_twenty() -> list[str]:
        sent.clear()
        for beat in [SharedScheduler(app) for _ in range(20)]:
            while beat.tick() == 0:
                pass
        return sorted(sent)

    schedule = settings.CELERY_BEAT_SCHEDULE
    assert sent_by_twenty() == sorted(name for name in schedule if isinstance(schedule[name]["schedule"], timedelta))
    assert sent_by_twenty() == []
    age(11)
    assert sent_by_twenty() == ["deliver", "work"]  # what is sent every 10 s
    age(24 * 3600)  # a night without any: what was due in it is sent when one starts
    assert sent_by_twenty() == sorted(schedule)


@pytest.mark.django_db
def test_a_beat_survives_a_lost_database(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError  # noqa: PLC0415

    def away(entry: str, every: timedelta) -> None:
        raise OperationalError(entry)

    monkeypatch.setattr("config.schedule.close_old_connections", lambda: None)
    with monkeypatch.context() as broken:
        broken.setattr(heartbeat, "last_sent", away)
        beat = SharedScheduler(app)
        for entry in beat.schedule.values():
            entry.last_run_at = timezone.now() - timedelta(days=2)
        for _ in range(30):
            assert beat.tick() <= settings.CELERY_BEAT_MAX_LOOP_INTERVAL
    assert sent == []


def test_every_scheduled_message_expires_before_the_next_or_within_the_day() -> None:
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        every = entry["schedule"]
        most = every.total_seconds() if isinstance(every, timedelta) else 24 * 3600
        assert 0 < entry["options"]["expires"] <= most, name


@pytest.mark.django_db
def test_each_silent_part_of_the_background_is_named() -> None:
    assert set(heartbeat.signs().faults) == {"workers", "schedule", "queue"}
    heartbeat.beat_worker("celery@a")
    heartbeat.last_sent("pulse")
    heartbeat.beat_queue("pulse")
    signs = heartbeat.signs()
    assert signs.faults == {}
    assert signs.lag_seconds is not None
    age(100)
    assert set(heartbeat.signs().faults) == {"workers", "schedule"}
    heartbeat.beat_worker("celery@b")
    assert set(heartbeat.signs().faults) == {"schedule"}
    heartbeat.worker_left("celery@b")
    assert "workers" in heartbeat.signs().faults
    age(2 * 24 * 3600)
    heartbeat.forget()
    assert not Heartbeat.objects.filter(name__startswith="worker:").exists()
    assert Heartbeat.objects.filter(name="schedule:pulse", at__lt=timezone.now()).exists()
