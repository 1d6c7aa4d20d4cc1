"""Group commit: what concurrent requests have to write is committed in one transaction, and each answers after it.

A commit waits for the disk, and entries of one tenant's audit log wait for each other. So one thread of a web process,
the committer, takes all work that has gathered while it committed the last one, and commits that together: by tenant,
in the order of their ids, so that two processes take locks in the same order. Row-level security is set to the tenant
whose work is done. Rows that are only inserted (`insert`), and audit entries, are written at the end of a tenant's
work, all with one statement each. If a piece of work fails, the transaction is rolled back and each is done alone, so
that only that piece fails. Elsewhere, in workers, commands and tests, each piece of work has its own transaction.
Rows for which no request waits (`defer`) are inserted along with the next work, or alone after DEFER_SECONDS.
"""

import atexit
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, close_old_connections, connection, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tenants import prepared, rls
from tenants.database import at_fault, reopen_if_replaced
from tenants.models import Tenant
from tenants.scope import TenantOwned

logger = logging.getLogger("faceplane.commits")
_MOST = 64  # pieces of work in one transaction
DEFER_SECONDS = 2.0
_MOST_DEFERRED = 10_000  # the oldest are dropped, if the database is away

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)
Lock = Callable[[Tenant, Sequence[int]], object]


@dataclass(slots=True)
class _Group:
    """What a tenant's work in one transaction leaves for its end: rows to insert, by model, and calls after it."""

    rows: dict[type[models.Model], list[Any]] = field(default_factory=dict)
    after: list[Callable[[], None]] = field(default_factory=list)


class _Current(threading.local):
    group: _Group | None = None


_current = _Current()


@dataclass(eq=False, slots=True)
class Work:
    """A piece of work for the committer, and what became of it; see `commit`."""

    tenant: Tenant
    do: Callable[[], Any]
    lock: Lock | None
    rows: Sequence[int]
    context: Context = field(default_factory=copy_context)  # the log lines of the work have the request's id
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    after: list[Callable[[], None]] = field(default_factory=list)
    error: Exception | None = None


def commit(tenant: Tenant, do: Callable[[], T], *, lock: Lock | None = None, rows: Sequence[int] = ()) -> T:
    """Do the work in a transaction, perhaps with others' work, and return its result once that is committed.

    The work may be done twice; it must leave nothing behind but rows. `rows` are ids of rows that it may lock. If more
    of the tenant's work is done with it, `lock` is called first with the rows of all, in ascending order.
    """
    if _committer is None or connection.in_atomic_block:
        with transaction.atomic(), _gathered() as group:
            result = do()
        for call in group.after:
            transaction.on_commit(call)
        return result
    work = Work(tenant, do, lock, rows)
    own = connections[DEFAULT_DB_ALIAS]
    _waiting.add(own)
    try:
        _committer.put(work)
        work.done.wait()  # at the request's deadline config.server shuts down the connection that it waits for
    finally:
        _waiting.discard(own)
    if work.error:
        raise work.error
    for call in work.after:
        call()
    return work.result  # type: ignore[no-any-return]


def waits_for(own: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """Return the connection for which the request with the connection `own` waits: the committer's, or its own."""
    return _databases[-1] if own in _waiting and _databases else own


def insert(row: TenantOwned) -> None:
    """Insert a row at the end of the tenant's work, with the others of its model; outside of `commit`, at once.

    They have their primary keys already.
    """
    if _current.group is None:
        prepared.insert([row])
    else:
        _current.group.rows.setdefault(type(row), []).append(row)


def defer(row: TenantOwned) -> None:
    """Insert a row with a later commit of this process; nobody waits for it, and a killed process loses it."""
    _deferred.append(row)


def write_deferred() -> None:
    """Insert the deferred rows now: where there is no committer."""
    _commit([])


def inserted(model: type[M]) -> list[M]:
    """Return the rows of a model that `insert` was called with and the database does not have yet."""
    return list(_current.group.rows[model]) if _current.group and model in _current.group.rows else []


def flush(model: type[models.Model]) -> None:
    """Write the rows of a model now."""
    if _current.group and model in _current.group.rows:
        prepared.insert(_current.group.rows.pop(model))


def after_commit(call: Callable[[], None]) -> None:
    """Call this in the request's own thread when its work is committed: it may wait for other services."""
    if _current.group is None:
        transaction.on_commit(call)
    else:
        _current.group.after.append(call)


@contextmanager
def _gathered() -> Iterator[_Group]:
    """Gather what a tenant's work leaves, and write it at the end."""
    outer, group = _current.group, _Group()
    _current.group = group
    try:
        yield group
        for model in list(group.rows):
            flush(model)
    finally:
        _current.group = outer


def keep_committing() -> None:
    """Start the committer of this process; what is deferred when it ends is inserted then."""
    global _committer  # noqa: PLW0603 -- one a process
    _committer = queue.SimpleQueue()
    threading.Thread(target=_run, args=(_committer,), name="committer", daemon=True).start()
    atexit.register(write_deferred)


_committer: "queue.SimpleQueue[Work] | None" = None


_deferred: deque[TenantOwned] = deque(maxlen=_MOST_DEFERRED)
_databases: list[BaseDatabaseWrapper] = []  # the committer's connection
_waiting: set[BaseDatabaseWrapper] = set()  # those of requests whose work is not done yet


def _run(works: "queue.SimpleQueue[Work]") -> None:
    _databases.append(connections[DEFAULT_DB_ALIAS])
    while True:
        gathered = []
        with suppress(queue.Empty):
            gathered.append(works.get(timeout=DEFER_SECONDS))
        while len(gathered) < _MOST and not works.empty():
            gathered.append(works.get())
        if not gathered and not _deferred:
            continue
        try:
            close_old_connections()
            reopen_if_replaced()
            _commit(gathered)
        except Exception as error:
            logger.exception("The committer failed")
            for work in gathered:
                work.error = work.error or error
        for work in gathered:
            work.done.set()


def _commit(gathered: Sequence[Work]) -> None:
    """Commit all of it, with the rows that were deferred; those are kept if the database is away."""
    rows = [_deferred.popleft() for _ in range(len(_deferred))]
    rows.sort(key=lambda row: row.tenant_id)
    late = {
        tenant: list(each)
        for tenant, each in groupby(rows, key=lambda row: row.tenant)  # one work for each tenant
    }
    works = [Work(tenant, partial(_insert, each), None, ()) for tenant, each in late.items()]
    if not (gathered or works):
        return
    together([*gathered, *works])
    for work, each in zip(works, late.values(), strict=True):
        if work.error and at_fault(work.error):
            _deferred.extend(each)
        elif work.error:
            logger.error("Deferred rows could not be inserted", exc_info=work.error)


def _insert(rows: Sequence[TenantOwned]) -> None:
    for row in rows:
        insert(row)


def together(gathered: Sequence[Work]) -> None:
    """Commit all of it together; if a piece of work fails, each alone. A database that is away fails all."""
    try:
        _transact(gathered)
    except Exception as error:  # noqa: BLE001 -- it is raised in the request
        if len(gathered) == 1 or at_fault(error):
            for work in gathered:
                work.error = error
            return
        for work in gathered:
            together([work])


def _transact(gathered: Sequence[Work]) -> None:
    with transaction.atomic():
        for _, works in groupby(sorted(gathered, key=lambda work: work.tenant.pk), key=lambda work: work.tenant.pk):
            _transact_tenant(list(works))


def _transact_tenant(works: Sequence[Work]) -> None:
    tenant = works[0].tenant
    with rls.one_tenant(tenant), _gathered() as group:
        if sum(bool(work.rows) for work in works) > 1 and connection.features.has_select_for_update:
            for lock in {work.lock for work in works if work.lock and work.rows}:
                lock(tenant, sorted({row for work in works if work.lock is lock for row in work.rows}))
        for work in works:
            work.after = group.after = []
            work.result = work.context.run(work.do)
