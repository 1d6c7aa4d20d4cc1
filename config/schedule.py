"""A scheduler for any number of celery beats, which together send each entry once.

The database stores when each entry was last sent. A beat that finds an entry due updates that time, on condition that
it still has its former value, and only the beat whose update succeeded sends. A second beat, on another host or left
behind by a killed worker, sends nothing twice. No lock outlives its holder; no file can be damaged by a full disk.
"""

from datetime import datetime, timedelta

from celery import beat
from django.db import DatabaseError, close_old_connections

from tenants import heartbeat


class SharedScheduler(beat.Scheduler):
    """Celery's scheduler, which keeps its times in the database."""

    def setup_schedule(self) -> None:
        """Load when entries were last sent, so that nightly work is done late after a night without a beat."""
        super().setup_schedule()
        for entry in self.schedule.values():
            try:
                entry.last_run_at = _last_sent(entry)
            except DatabaseError as error:  # they are read again when they are due
                self.logger.warning("When scheduled work was last sent cannot be read yet: %s", error)
                break

    def is_due(self, entry: beat.ScheduleEntry) -> tuple[bool, float]:
        """Return whether this beat is to send the entry now. On an exception Celery logs it and asks again soon."""
        close_old_connections()
        last = entry.last_run_at = _last_sent(entry)
        due, seconds = entry.is_due()
        if due and not heartbeat.claim(str(entry.name), last):
            return False, 1.0
        return due, seconds


def _last_sent(entry: beat.ScheduleEntry) -> datetime:
    """Return when it was last sent. In a new database each interval is due at once, so that readiness is known soon."""
    return heartbeat.last_sent(str(entry.name), getattr(entry.schedule, "run_every", timedelta(0)))
