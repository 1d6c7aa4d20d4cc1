"""Events for webhooks: written in the transaction of the change (an outbox), and delivered afterwards.

A rolled-back change leaves no events; those of a committed one stay until each subscribed webhook has accepted them or
was given up. This module knows no HTTP: it says what is sent, how it is signed and when to retry. Signatures follow
Standard Webhooks 1.0.0 (symmetric), so that receivers can verify them with a library.
"""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import timedelta
from enum import StrEnum

from django.utils import timezone

from tenants import commits
from tenants.models import Delivery, Event, Tenant, Webhook
from tenants.prepared import Prepared
from tenants.queue import enqueue
from tenants.task_names import Task
from tenants.vault import Vault

_ACTIVE = Prepared(lambda tenant: Webhook.objects.of(Tenant(pk=tenant)).filter(active=True), int)
_SECRET_PREFIX = "whsec_"  # noqa: S105 -- the specification's prefix, not a secret
# Waits after each attempt: 15 seconds, a minute, ... 12 hours; then the delivery has failed.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 1800, 7200, 21_600, 43_200))
LEASE = timedelta(seconds=60)  # an attempt that has not ended by then is lost
_LONGEST_REST = timedelta(minutes=5)
SCHEDULED_SECONDS = 10  # the schedule queues deliveries this often


class Kind(StrEnum):
    """The kinds of events that webhooks can subscribe to."""

    FACE_ENROLLED = "face.enrolled"
    FACE_DELETED = "face.deleted"
    SEARCH_MATCHED = "search.matched"
    SEARCH_REVIEW = "search.review"
    COLLECTION_INDEX_READY = "collection.index_ready"
    COLLECTION_CALIBRATED = "collection.calibrated"
    CAPTURE_COMPLETED = "capture.completed"
    AUDIT_ALERT = "audit.alert"


TEST = "webhook.test"  # sent to one webhook, on request; nothing else emits it


def send_test(hook: Webhook) -> Delivery:
    """Write a test event for one webhook, whatever it subscribes to, in the caller's transaction."""
    now = timezone.now()
    event = Event.unscoped.create(tenant=hook.tenant, kind=TEST, at=now, data={"webhook": str(hook.pk)})
    delivery = Delivery.unscoped.create(tenant=hook.tenant, webhook=hook, event=event, next_at=now)
    commits.after_commit(lambda: enqueue(Task.DELIVER_DUE, expires=SCHEDULED_SECONDS))
    return delivery


def emit(tenant: Tenant, kind: Kind, **data: object) -> None:
    """Write an event for the subscribed webhooks, in the caller's transaction; `data` is ids and plain JSON."""
    hooks = [hook for hook in _ACTIVE(tenant.pk) if kind in hook.kinds]
    if not hooks:
        return
    now = timezone.now()
    event = Event.unscoped.create(tenant=tenant, kind=kind, at=now, data=data)
    Delivery.unscoped.bulk_create(Delivery(tenant=tenant, webhook=hook, event=event, next_at=now) for hook in hooks)
    commits.after_commit(lambda: enqueue(Task.DELIVER_DUE, expires=SCHEDULED_SECONDS))


def new_secret() -> str:
    """Return a signing secret in the specification's form."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def seal_secret(hook: Webhook, secret: str) -> None:
    """Store the secret in the webhook, sealed."""
    hook.sealed_secret = Vault.of(hook.tenant).seal(secret.encode(), _context(hook))


def secret_of(hook: Webhook) -> str:
    """Return the secret, for a signature or a sealed bundle."""
    return Vault.of(hook.tenant).open(bytes(hook.sealed_secret), _context(hook)).decode()


def body(event: Event) -> bytes:
    """Return the body to send."""
    content = {
        "id": str(event.pk),
        "type": event.kind,
        "timestamp": event.at.isoformat(),
        "tenant": event.tenant.slug,
        "data": event.data,
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def headers(hook: Webhook, event: Event, content: bytes) -> dict[str, str]:
    """Return the headers by which the receiver verifies sender, time and content."""
    secret = secret_of(hook)
    moment = str(int(timezone.now().timestamp()))
    return {
        "content-type": "application/json",
        "webhook-id": str(event.pk),
        "webhook-timestamp": moment,
        "webhook-signature": signature(secret, str(event.pk), moment, content),
    }


def signature(secret: str, event: str, moment: str, content: bytes) -> str:
    """Sign `id.timestamp.body` with HMAC-SHA-256."""
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    value = hmac.new(key, f"{event}.{moment}.".encode() + content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(value).decode()}"


def settle(delivery: Delivery, *, status: int | None, problem: str = "") -> None:
    """Store the result of an attempt and the time of the next one; ignore results of superseded attempts.

    A webhook that answered, with any status, is free for its next delivery; one that did not rests for a while.
    """
    now = timezone.now()
    wait = BACKOFF[min(delivery.attempts, len(BACKOFF)) - 1]
    values: dict[str, object] = {"status": status, "problem": problem[:200], "next_at": None}
    if not problem:
        values |= {"state": Delivery.State.DELIVERED, "delivered_at": now}
    elif delivery.attempts > len(BACKOFF):
        values["state"] = Delivery.State.FAILED
    else:
        values["next_at"] = now + wait
    claimed = {"pk": delivery.pk, "attempts": delivery.attempts, "next_at": delivery.next_at}
    Delivery.objects.of(delivery.webhook.tenant).filter(**claimed).update(**values)
    hook = Webhook.objects.of(delivery.webhook.tenant).filter(pk=delivery.webhook_id, free_at=delivery.next_at)
    hook.update(free_at=now if status else now + min(wait, _LONGEST_REST))


def _context(hook: Webhook) -> str:
    return f"webhook:{hook.pk}"
