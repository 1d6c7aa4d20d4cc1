"""Webhooks: URLs that receive a tenant's events, and their deliveries.

A webhook receives events of all collections, so callers that reach only some of them are refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from collections_app import safe_http
from collections_app.errors import InvalidRequest, WebhookNotFound
from tenants import audit, events
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.models import Delivery, Webhook
from tenants.queue import enqueue
from tenants.scope import as_id, random_id
from tenants.task_names import Task

MOST = 20  # webhooks of a tenant: every event is saved and sent for each


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook and its signing secret, which only this answer shows."""

    webhook: Webhook
    secret: str


def create_webhook(caller: Caller, *, url: str, kinds: Sequence[str]) -> NewWebhook:
    """Send events of these kinds to a URL from now on.

    Raises:
        InvalidRequest: the URL is malformed or leads to an address that is not allowed.
        QuotaExceeded: the tenant has MOST webhooks already.
    """
    caller.require(Scope.ADMIN)
    caller.require_whole_tenant()
    _check_url(url)
    secret = events.new_secret()
    hook = Webhook(id=random_id(), tenant=caller.tenant, url=url, kinds=sorted(set(kinds)))
    events.seal_secret(hook, secret)
    with transaction.atomic():
        caller.tenant.lock()
        if Webhook.objects.of(caller.tenant).count() >= MOST:
            raise QuotaExceeded("webhooks", MOST)
        hook.save(force_insert=True)
        audit.record(caller, "webhook.created", hook, kinds=hook.kinds)
    return NewWebhook(hook, secret)


def list_webhooks(caller: Caller) -> QuerySet[Webhook]:
    """Return the tenant's webhooks, oldest first."""
    caller.require(Scope.ADMIN)
    caller.require_whole_tenant()
    return Webhook.objects.of(caller.tenant).order_by("created_at", "pk")


def get_webhook(caller: Caller, *, webhook: str) -> Webhook:
    """Return a webhook.

    Raises:
        WebhookNotFound: the tenant has no webhook with this id.
    """
    caller.require(Scope.ADMIN)
    return _find(caller, webhook)


def switch_webhook(caller: Caller, *, webhook: str, active: bool) -> Webhook:
    """Switch a webhook off or on; events that happen while it is off are not sent later.

    Raises:
        WebhookNotFound: the tenant has no webhook with this id.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        hook = _find(caller, webhook)
        hook.active, hook.free_at = active, timezone.now()
        hook.save(update_fields=["active", "free_at"])
        audit.record(caller, "webhook.switched", hook, active=active)
        transaction.on_commit(lambda: enqueue(Task.DELIVER_DUE))
    return hook


def update_webhook(caller: Caller, *, webhook: str, url: str, kinds: Sequence[str]) -> Webhook:
    """Send events of these kinds to this URL from now on; waiting deliveries go there too. The secret stays.

    Raises:
        WebhookNotFound: the tenant has no webhook with this id.
        InvalidRequest: the URL is malformed or leads to an address that is not allowed.
    """
    caller.require(Scope.ADMIN)
    _check_url(url)
    with transaction.atomic():
        hook = _find(caller, webhook)
        moved = hook.url != url
        hook.url, hook.kinds = url, sorted(set(kinds))
        hook.save(update_fields=["url", "kinds"])
        audit.record(caller, "webhook.changed", hook, kinds=hook.kinds, url_changed=moved)
    return hook


def try_webhook(caller: Caller, *, webhook: str) -> Delivery:
    """Send a test event to a webhook; its delivery is listed like any other.

    Raises:
        WebhookNotFound: the tenant has no webhook with this id.
        InvalidRequest: the webhook is switched off.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        hook = _find(caller, webhook)
        if not hook.active:
            raise InvalidRequest("webhook", "is switched off")
        hook.tenant = caller.tenant
        audit.record(caller, "webhook.tested", hook)
        return events.send_test(hook)


def _check_url(url: str) -> None:
    try:
        safe_http.check(url, safe_http.PORTS)
    except safe_http.UrlRefused as error:
        raise InvalidRequest("url", f"cannot be sent to: {error.reason}") from error


def delete_webhook(caller: Caller, *, webhook: str) -> None:
    """Delete a webhook and its pending deliveries.

    Raises:
        WebhookNotFound: the tenant has no webhook with this id.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        hook = _find(caller, webhook)
        audit.record(caller, "webhook.deleted", hook)
        hook.delete()


def list_deliveries(caller: Caller, *, webhook: str, limit: int) -> QuerySet[Delivery]:
    """Return the newest deliveries of a webhook, with their events.

    Raises:
        WebhookNotFound: the tenant has no webhook with this id.
    """
    caller.require(Scope.ADMIN)
    return _find(caller, webhook).deliveries.select_related("event").order_by("-event__at")[:limit]


def redeliver(caller: Caller, *, webhook: str, delivery: str) -> Delivery:
    """Send an event to a webhook again, with a full set of attempts; the result of a running attempt is ignored.

    Raises:
        WebhookNotFound: the tenant has no such webhook, or the webhook no such delivery.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        hook = _find(caller, webhook)
        found: Delivery | None = hook.deliveries.select_for_update().filter(pk=as_id(delivery) or 0).first()
        if found is None:
            raise WebhookNotFound
        found.state, found.attempts, found.next_at = Delivery.State.PENDING, 0, timezone.now()
        found.status, found.problem, found.delivered_at = None, "", None
        found.save(update_fields=["state", "attempts", "next_at", "status", "problem", "delivered_at"])
        hook.free_at = timezone.now()
        hook.save(update_fields=["free_at"])
        audit.record(caller, "webhook.redelivered", hook, event=str(found.event_id))
        transaction.on_commit(lambda: enqueue(Task.DELIVER_DUE))
    return found


def _find(caller: Caller, webhook: str) -> Webhook:
    caller.require_whole_tenant()
    found: Webhook | None = Webhook.objects.of(caller.tenant).filter(pk=as_id(webhook) or 0).first()
    if found is None:
        raise WebhookNotFound
    return found
