"""Idempotency: a request that is repeated with its Idempotency-Key gets the answer of the first one.

The first request claims the key and does the work. Its answer is saved in the transaction of the work, so no crash can
leave one without the other. Requests that come in the meantime wait for it. A refusal is not saved, so that the client
can correct the request and use the key again.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from collections_app.errors import KeyInUse, KeyReused
from collections_app.models import AnsweredFace, Face, KeyedRequest, new_uuid
from tenants.access import Caller, Scope
from tenants.vault import Vault

R = TypeVar("R")
_LEASE = timedelta(seconds=60)  # the work takes less, so a process without an answer by then is dead
_PATIENCE = 20.0  # seconds to wait for another request's answer
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer as JSON, and whether it is that of an earlier request."""

    answer: Any
    replayed: bool


def once(
    caller: Caller,
    *,
    key: str,
    fingerprint: str,
    work: Callable[[Callable[[R], None]], R],
    render: Callable[[R], Any],
    about: Callable[[R], Iterable[Face]],
) -> Outcome:
    """Do the work, unless a request with this key did; return the first answer. With an empty key, just do it.

    `work` gets a function that it must call with its result, in its transaction. Requests with different `fingerprint`
    are different. When one of the faces that `about` returns is erased, the answer is too, and the key is free again.

    Raises:
        KeyReused: the key was used before with another request.
        KeyInUse: the first request has no answer yet.
    """
    caller.require(Scope.ENROL)
    if not key:
        return Outcome(render(work(_no_settlement)), replayed=False)
    mine = _claimed(caller, f"{caller.kind}:{caller.id}:{key}", fingerprint)
    if mine.answer is not None:
        return Outcome(json.loads(Vault.of(caller.tenant).open(bytes(mine.answer), _context(mine))), replayed=True)
    rendered: Any = None

    def settle(result: R) -> None:
        nonlocal rendered
        rendered = render(result)
        content = json.dumps(rendered).encode()
        sealed = Vault.of(caller.tenant).seal(content, _context(mine))
        if not _held(caller, mine).update(answer=sealed):
            raise KeyInUse  # this took longer than _LEASE, and another request took over
        told = ({"collection_id": face.collection_id, "face_id": face.pk} for face in about(result))
        AnsweredFace.unscoped.bulk_create(AnsweredFace(tenant=caller.tenant, request=mine, **face) for face in told)

    try:
        work(settle)
    except BaseException:
        _held(caller, mine).filter(answer=None).delete()
        raise
    return Outcome(rendered, replayed=False)


def once_on_rows(
    caller: Caller,
    *,
    key: str,
    fingerprint: str,
    work: Callable[[], R],
    render: Callable[[R], Any],
    about: Callable[[R], Iterable[Face]],
) -> Outcome:
    """Do work that changes only rows, as `once` does; this function opens the transaction."""
    caller.require(Scope.ENROL)

    def settled(settle: Callable[[R], None]) -> R:
        with transaction.atomic():
            result = work()
            settle(result)
        return result

    return once(caller, key=key, fingerprint=fingerprint, work=settled, render=render, about=about)


def _claimed(caller: Caller, key: str, fingerprint: str) -> KeyedRequest:
    """Return the key's row: claimed by this request, or with an answer."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with transaction.atomic():
                return KeyedRequest.unscoped.create(tenant=caller.tenant, key=key, fingerprint=fingerprint)
        except IntegrityError:
            row: KeyedRequest | None = KeyedRequest.objects.of(caller.tenant).filter(key=key).first()
        if row is None:
            continue  # the other request was refused just now: try to claim
        if row.claimed_at < timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS):
            _held(caller, row).delete()
            continue
        if row.fingerprint != fingerprint:
            raise KeyReused
        if row.answer is not None or _take_over(caller, row):
            return row
        if time.monotonic() > until:
            raise KeyInUse
        time.sleep(_PAUSE)


def _take_over(caller: Caller, row: KeyedRequest) -> bool:
    """Claim the row of a dead process; of several requests that try, one succeeds."""
    now = timezone.now()
    if row.claimed_at > now - _LEASE:
        return False
    claim = new_uuid()
    taken = _held(caller, row).filter(answer=None).update(claim=claim, claimed_at=now)
    row.claim = claim
    return bool(taken)


def _no_settlement(result: object) -> None:
    """Save no answer: there is no key."""


def _held(caller: Caller, row: KeyedRequest) -> Any:  # noqa: ANN401 -- a queryset of a tenant's rows
    return KeyedRequest.objects.of(caller.tenant).filter(pk=row.pk, claim=row.claim)


def _context(row: KeyedRequest) -> str:
    return f"answer:{row.pk}"
