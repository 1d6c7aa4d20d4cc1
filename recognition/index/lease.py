"""The lease: which worker may publish a gallery's segments, and how far its work is.

A lease expires unless it is renewed, so a killed worker blocks the gallery for two minutes at most. Each lease has a
new token (a fencing token). The publishing transaction compares it, so a worker that was suspended beyond its lease
cannot publish over the worker that took the next lease.
"""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from recognition.models import Compaction, Gallery

SECONDS = 120
_EVERY = 1.0


class LeaseLost(Exception):
    """Another worker has the lease, or the gallery's layout has changed since the work began."""


@dataclass
class Lease:
    """The right to publish; it lasts as long as `progress` is called at least every two minutes."""

    gallery: Gallery
    token: int
    _reported: tuple[str, float] = field(default=("", 0.0))

    @classmethod
    def take(cls, gallery: Gallery) -> Self | None:
        """Take the lease; return None if another worker has it."""
        mine = Compaction.objects.of(gallery.tenant).filter(gallery=gallery)
        if not mine.exists():
            fresh = Compaction(tenant_id=gallery.tenant_id, gallery=gallery)
            Compaction.unscoped.bulk_create([fresh], ignore_conflicts=True)
        now = timezone.now()
        free = mine.filter(Q(leased_until=None) | Q(leased_until__lt=now))
        until = now + timedelta(seconds=SECONDS)
        if not free.update(token=F("token") + 1, leased_until=until, began_at=now, fault=""):
            return None
        return cls(gallery, mine.values_list("token", flat=True).get())

    @property
    def prefix(self) -> str:
        """The prefix of the names of all files made under this lease."""
        return _prefix(self.gallery.pk, self.token)

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report how far the work is and renew the lease; the database is written about once a second.

        Raises:
            LeaseLost: another worker has it.
        """
        before, at = self._reported
        if stage == before and time.monotonic() < at + _EVERY and done < total:
            return
        now = timezone.now()
        values = {"stage": stage, "done": done, "total": total, "leased_until": now + timedelta(seconds=SECONDS)}
        if stage != before:
            values["stage_began_at"] = now
        if not self._mine().update(**values):
            raise LeaseLost
        self._reported = (stage, time.monotonic())

    def hold(self) -> None:
        """Lock the lease until the caller's transaction ends.

        Raises:
            LeaseLost: another worker has it, or it has expired: erasure receipts no longer wait for this worker.
        """
        if not self._mine().select_for_update().filter(leased_until__gt=timezone.now()).exists():
            raise LeaseLost

    def release(self, *, fault: str = "") -> None:
        """Give the lease back, with the work finished or with the fault that stopped it.

        After a fault the gallery stays leased for two more minutes, so that the work is not retried at once.
        """
        now = timezone.now()
        ended = {"leased_until": None, "finished_at": now}
        if fault:
            ended = {"leased_until": now + timedelta(seconds=SECONDS)}
        self._mine().update(stage="", done=0, total=0, fault=fault, **ended)

    def _mine(self) -> QuerySet[Compaction]:
        return Compaction.objects.of(self.gallery.tenant).filter(gallery=self.gallery, token=self.token)


def held(works: QuerySet[Compaction]) -> QuerySet[Compaction]:
    """Narrow to those that a worker is doing; after a fault the lease goes on without a worker."""
    return works.filter(leased_until__gt=timezone.now(), fault="")


def prefixes(works: QuerySet[Compaction]) -> tuple[str, ...]:
    """Return the file name prefixes of the leases that are held."""
    return tuple(_prefix(gallery_id, token) for gallery_id, token in held(works).values_list("gallery_id", "token"))


def _prefix(gallery_id: int, token: int) -> str:
    return f"{gallery_id:016x}{token:08x}"
