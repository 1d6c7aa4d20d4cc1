"""What a kind of bulk job has to offer, and what it works with."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from collections_app import bulk, job_files
from collections_app.bulk import Unit
from collections_app.job_files import FileLost
from collections_app.models import BulkJob, JobFile, new_uuid
from tenants.access import Caller
from tenants.vault import Vault


class JobFailed(Exception):
    """The job cannot go on, for a reason that its owner can read. It holds no personal data."""


@dataclass(eq=False, slots=True)
class Run:
    """A worker's run on a job: who asked for the job, the vault of its units and files, and the token of its leases."""

    caller: Caller
    job: BulkJob
    vault: Vault
    token: str = field(default_factory=new_uuid)
    _readers: dict[str, io.BufferedReader] = field(default_factory=dict)

    def keep(self) -> None:
        """Renew the lease of the job, in the midst of a long plan or finish.

        Raises:
            LeaseLost: another worker has it, or the job was stopped.
        """
        bulk.keep(self.job, self.token)

    def file(self, name: str) -> JobFile | None:
        """Return a file of the job, if there is one of that name."""
        return job_files.of(self.job).filter(name=name).first()

    def names(self, prefix: str) -> list[str]:
        """Return the names of the job's files that begin so, in their order."""
        files = job_files.of(self.job).filter(name__startswith=prefix)
        return list(files.order_by("name").values_list("name", flat=True))

    def reader(self, name: str) -> io.BufferedReader:
        """Return a file of the job, opened once a run.

        Raises:
            FileLost: there is no such file.
        """
        if name not in self._readers:
            file = self.file(name)
            if file is None:
                raise FileLost(name)
            self._readers[name] = job_files.opened(self.vault, file)
        return self._readers[name]


class Kind(Protocol):
    """A kind of bulk job; a module can be one. `AT_ONCE`: how many units a worker takes at once."""

    AT_ONCE: int

    def plan(self, run: Run) -> Iterator[Mapping[str, Any]]:
        """Yield what each unit is to do, in an order that does not depend on when it is called.

        Raises:
            JobFailed: nothing can be made of what the job received.
        """

    def do(self, run: Run, units: Sequence[Unit]) -> None:
        """Do units and settle each (bulk.settle), in the transaction of what it changes.

        Units that are not settled when it returns or raises are open again.

        Raises:
            JobFailed: the job cannot go on.
            LeaseLost: a unit went to another worker; nothing was changed.
            Busy: no computing slot was free in time.
        """

    def finish(self, run: Run) -> None:
        """Do what remains once every unit is settled. May be called again."""
