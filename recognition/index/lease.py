"""Who may publish a gallery's segments, and how far the work is.

A lease ends by itself, so a killed worker blocks nobody for long. Its token is compared in the publishing
transaction, so a worker that slept through its lease cannot publish over the one that took the work over.
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
    """Another worker has the gallery now, or the gallery is not what it was when the work began."""


@dataclass
class Lease:
    """The right to publish, for as long as `progress` is called at least every two minutes."""

    gallery: Gallery
    token: int
    _said: tuple[str, float] = field(default=("", 0.0))

    @classmethod
    def take(cls, gallery: Gallery) -> Self | None:
        """Take the lease, or None: somebody has it."""
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
    def mark(self) -> str:
        """What the name of every file made under this lease begins with."""
        return _mark(self.gallery.pk, self.token)

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far the work is, and keep the lease; about once a second reaches the database.

        Raises:
            LeaseLost: somebody else has it.
        """
        before, at = self._said
        if stage == before and time.monotonic() < at + _EVERY and done < total:
            return
        now = timezone.now()
        said = {"stage": stage, "done": done, "total": total, "leased_until": now + timedelta(seconds=SECONDS)}
        if stage != before:
            said["stage_began_at"] = now
        if not self._mine().update(**said):
            raise LeaseLost
        self._said = (stage, time.monotonic())

    def hold(self) -> None:
        """Keep the lease to the end of the caller's transaction.

        Raises:
            LeaseLost: somebody else has it, or it has run out: receipts of erasure wait for it no longer.
        """
        if not self._mine().select_for_update().filter(leased_until__gt=timezone.now()).exists():
            raise LeaseLost

    def release(self, *, fault: str = "") -> None:
        """Give the lease back, with the work finished or with what went wrong.

        After a fault nobody tries again for as long as a lease lasts.
        """
        now = timezone.now()
        ended = {"leased_until": None, "finished_at": now}
        if fault:
            ended = {"leased_until": now + timedelta(seconds=SECONDS)}
        self._mine().update(stage="", done=0, total=0, fault=fault, **ended)

    def _mine(self) -> QuerySet[Compaction]:
        return Compaction.objects.of(self.gallery.tenant).filter(gallery=self.gallery, token=self.token)


def held(works: QuerySet[Compaction]) -> QuerySet[Compaction]:
    """Narrow to those that somebody is at: after a fault the lease runs on, and nobody is."""
    return works.filter(leased_until__gt=timezone.now(), fault="")


def marks(works: QuerySet[Compaction]) -> tuple[str, ...]:
    """Return the marks of those leases that are held."""
    return tuple(_mark(gallery_id, token) for gallery_id, token in held(works).values_list("gallery_id", "token"))


def _mark(gallery_id: int, token: int) -> str:
    return f"{gallery_id:016x}{token:08x}"
