"""Signs of life of workers, schedule and queue, kept in the database, where every process and host sees them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from tenants.models import Heartbeat

BEAT_SECONDS = 15.0
LOST_SECONDS = 60.0
_WAITING_SECONDS = 300.0  # long tasks may occupy every worker thread for so long
_KEPT = timedelta(days=1)
_WORKER, _SCHEDULE, _QUEUE, _DONE = "worker:", "schedule:", "queue", "done:"
_RAN, _FAILED = "ran:", "failed:"


@dataclass(frozen=True, slots=True)
class Signs:
    """Seconds since the last sign of life of a worker, the schedule and the queue; None: never, or not for a day.

    `lag_seconds` is how long the last task waited in the queue.
    """

    worker: float | None
    schedule: float | None
    queue: float | None
    lag_seconds: float | None

    @property
    def faults(self) -> dict[str, str]:
        """A sentence for each part that is silent."""
        found = {}
        if self.worker is None or self.worker > LOST_SECONDS:
            found["workers"] = f"No worker has given a sign of life {_since(self.worker)}."
        if self.schedule is None or self.schedule > LOST_SECONDS:
            found["schedule"] = f"Nobody has sent scheduled work {_since(self.schedule)}."
        if self.queue is None or self.queue > _WAITING_SECONDS:
            found["queue"] = f"No worker has done scheduled work {_since(self.queue)}."
        return found


@dataclass(frozen=True, slots=True)
class Run:
    """When an entry of the schedule was last sent, when its task last succeeded, how long it took, and last failed."""

    sent_at: datetime | None
    ended_at: datetime | None
    seconds: float | None
    failed_at: datetime | None


def beat_worker(name: str) -> None:
    """Record that a worker is alive."""
    _record(_WORKER + name)


def worker_left(name: str) -> None:
    """Record that a worker was stopped."""
    Heartbeat.objects.filter(name=_WORKER + name).delete()


def beat_queue(sent_by: str) -> None:
    """Record that a worker ran a scheduled task, and how long the task waited in the queue."""
    sent = Heartbeat.objects.filter(name=_SCHEDULE + sent_by).values_list("at", flat=True).first()
    _record(_QUEUE, lag=(timezone.now() - sent).total_seconds() if sent else None)


def last_sent(entry: str, every: timedelta = timedelta(0)) -> datetime:
    """Return when an entry of the schedule was last sent; a new one counts as sent `every` ago."""
    row, _ = Heartbeat.objects.get_or_create(name=_SCHEDULE + entry, defaults={"at": timezone.now() - every})
    return row.at


def claim(entry: str, last: datetime) -> bool:
    """Return whether the caller is to send the entry: of several schedulers that saw the same `last`, one is."""
    return bool(Heartbeat.objects.filter(name=_SCHEDULE + entry, at=last).update(at=timezone.now()))


def note(deed: str) -> None:
    """Record that something happened just now: `audits` were checked, `audit_broken` was found, `backup` was made."""
    _record(_DONE + deed)


def noted(deed: str) -> datetime | None:
    """Return when it happened last, or None."""
    return Heartbeat.objects.filter(name=_DONE + deed).values_list("at", flat=True).first()


def ran(task: str, seconds: float, *, succeeded: bool) -> None:
    """Record that a task of the schedule has just ended, and how long it took."""
    _record((_RAN if succeeded else _FAILED) + task, took=seconds)


def run_of(entry: str, task: str) -> Run:
    """Return when an entry of the schedule was last sent, and how its task went."""
    names = [_SCHEDULE + entry, _RAN + task, _FAILED + task]
    rows = Heartbeat.objects.in_bulk(names)
    sent, ran_, failed = (rows.get(name) for name in names)
    return Run(
        sent_at=sent.at if sent else None,
        ended_at=ran_.at if ran_ else None,
        seconds=ran_.took_seconds if ran_ else None,
        failed_at=failed.at if failed and not (ran_ and ran_.at > failed.at) else None,
    )


def workers() -> dict[str, float]:
    """Return how many seconds ago each worker gave its last sign of life, for a day; negative: its clock is ahead."""
    now = timezone.now()
    rows = Heartbeat.objects.filter(name__startswith=_WORKER).order_by("name")
    return {row.name.removeprefix(_WORKER): (now - row.at).total_seconds() for row in rows}


def signs() -> Signs:
    """Return the current signs of life."""
    seen: dict[str, Heartbeat] = {}
    for row in Heartbeat.objects.order_by("at"):
        seen[row.name.partition(":")[0]] = row
    now = timezone.now()
    ages = {part: (now - row.at).total_seconds() for part, row in seen.items()}
    lag = seen[_QUEUE].lag_seconds if _QUEUE in seen else None
    return Signs(ages.get(_WORKER[:-1]), ages.get(_SCHEDULE[:-1]), ages.get(_QUEUE), lag)


def forget() -> None:
    """Delete workers that have been silent for a day."""
    Heartbeat.objects.filter(name__startswith=_WORKER, at__lt=timezone.now() - _KEPT).delete()


def _record(name: str, lag: float | None = None, took: float | None = None) -> None:
    values = {"at": timezone.now(), "lag_seconds": lag, "took_seconds": took}
    Heartbeat.objects.update_or_create(name=name, defaults=values)


def _since(seconds: float | None) -> str:
    return "yet" if seconds is None else f"for {seconds:.0f} s"
