"""Signs of life of the work behind the requests, in the database, where every process and host sees them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from tenants.models import Heartbeat

BEAT_SECONDS = 15.0
_LOST_SECONDS = 60.0
_WAITING_SECONDS = 300.0  # tasks that take minutes may hold every thread of the workers for so long
_KEPT = timedelta(days=1)
_WORKER, _SCHEDULE, _QUEUE = "worker:", "schedule:", "queue"


@dataclass(frozen=True, slots=True)
class Signs:
    """Seconds since workers, the schedule and work from the queue were last heard of; None: never, or not for a day.

    `lag_seconds` is how long the last task waited in the queue.
    """

    worker: float | None
    schedule: float | None
    queue: float | None
    lag_seconds: float | None

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong, in a sentence for each part that is silent."""
        found = {}
        if self.worker is None or self.worker > _LOST_SECONDS:
            found["workers"] = f"No worker has given a sign of life {_since(self.worker)}."
        if self.schedule is None or self.schedule > _LOST_SECONDS:
            found["schedule"] = f"Nobody has sent scheduled work {_since(self.schedule)}."
        if self.queue is None or self.queue > _WAITING_SECONDS:
            found["queue"] = f"No worker has done scheduled work {_since(self.queue)}."
        return found


def beat_worker(name: str) -> None:
    """Tell that a worker lives."""
    _tell(_WORKER + name)


def worker_left(name: str) -> None:
    """Tell that a worker stopped as it was told to."""
    Heartbeat.objects.filter(name=_WORKER + name).delete()


def beat_queue(sent_by: str) -> None:
    """Tell that a worker did what an entry of the schedule asked for, and how long that waited."""
    sent = Heartbeat.objects.filter(name=_SCHEDULE + sent_by).values_list("at", flat=True).first()
    _tell(_QUEUE, lag=(timezone.now() - sent).total_seconds() if sent else None)


def last_sent(entry: str) -> datetime:
    """Return when an entry of the schedule was last sent; one that never was counts from now."""
    row, _ = Heartbeat.objects.get_or_create(name=_SCHEDULE + entry, defaults={"at": timezone.now()})
    return row.at


def claim(entry: str, last: datetime) -> bool:
    """Tell whether it is ours to send the entry: of many schedulers that saw the same `last`, one is told yes."""
    return bool(Heartbeat.objects.filter(name=_SCHEDULE + entry, at=last).update(at=timezone.now()))


def signs() -> Signs:
    """Return who was last heard of when."""
    seen: dict[str, Heartbeat] = {}
    for row in Heartbeat.objects.order_by("at"):
        seen[row.name.partition(":")[0]] = row
    now = timezone.now()
    ages = {part: (now - row.at).total_seconds() for part, row in seen.items()}
    lag = seen[_QUEUE].lag_seconds if _QUEUE in seen else None
    return Signs(ages.get(_WORKER[:-1]), ages.get(_SCHEDULE[:-1]), ages.get(_QUEUE), lag)


def forget() -> None:
    """Delete the workers that are gone for a day."""
    Heartbeat.objects.filter(name__startswith=_WORKER, at__lt=timezone.now() - _KEPT).delete()


def _tell(name: str, lag: float | None = None) -> None:
    Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now(), "lag_seconds": lag})


def _since(seconds: float | None) -> str:
    return "yet" if seconds is None else f"for {seconds:.0f} s"
