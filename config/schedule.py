"""Who sends scheduled work: as many beats as there are, and each entry once.

When an entry was last sent lies in the database. A beat that finds it due moves that time, and only the one that moved
it sends: a second beat, of another host or left behind by a worker that was killed, sends nothing twice. There is no
lock that outlives its holder and no file that a full disk could damage.
"""

from celery import beat
from django.db import DatabaseError, close_old_connections

from tenants import heartbeat


class SharedScheduler(beat.Scheduler):
    """Celery's scheduler, with the database for a memory."""

    def setup_schedule(self) -> None:
        """Count from when entries were last sent, so that a night's work is done after a night without a beat."""
        super().setup_schedule()
        for entry in self.schedule.values():
            try:
                entry.last_run_at = heartbeat.last_sent(str(entry.name))
            except DatabaseError as error:  # they are asked for again when they are due
                self.logger.warning("When scheduled work was last sent cannot be read yet: %s", error)
                break

    def is_due(self, entry: beat.ScheduleEntry) -> tuple[bool, float]:
        """Tell whether an entry is due and ours to send. What fails, the caller logs and asks again soon."""
        close_old_connections()
        last = entry.last_run_at = heartbeat.last_sent(str(entry.name))
        due, seconds = entry.is_due()
        if due and not heartbeat.claim(str(entry.name), last):
            return False, 1.0
        return due, seconds
