"""Deliveries to webhooks: attempts that fail are repeated, and a webhook that fails holds up no other."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from django.utils import timezone

from collections_app import safe_http, tasks
from collections_app.operations.webhooks import create_webhook, list_deliveries, redeliver, switch_webhook
from tenants import events
from tenants.models import Delivery, Webhook
from tests.collections_app.receivers import Receiver, due_now, enrol
from tests.conftest import Customer, make_customer
from tests.make import flipped

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_failed_delivery_is_tried_again_later_and_later(acme: Customer, receiver: str) -> None:
    hook = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"]).webhook
    Receiver.answers[:] = [500, 302]
    enrol(acme)
    waits = []
    for _ in range(2):
        tasks.deliver_due()
        (delivery,) = list_deliveries(acme.caller, webhook=str(hook.pk), limit=10)
        assert delivery.next_at
        waits.append(round((delivery.next_at - timezone.now()).total_seconds()))
        tasks.deliver_due()  # not due: nobody is asked
        due_now(acme)
    assert waits == pytest.approx([15, 60], abs=3)
    assert [delivery.state, delivery.status, delivery.problem] == ["pending", 302, "answered 302"]
    tasks.deliver_due()
    (delivery,) = list_deliveries(acme.caller, webhook=str(hook.pk), limit=10)
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 3, 204)
    assert len(Receiver.received) == 3


def test_a_delivery_fails_in_the_end(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    Receiver.answers[:] = [500] * 20
    enrol(acme)
    for _ in range(12):
        due_now(acme)
        tasks.deliver_due()
    delivery = Delivery.objects.of(acme.tenant).get()
    assert (delivery.state, delivery.attempts) == ("failed", len(events.BACKOFF) + 1)
    assert len(Receiver.received) == delivery.attempts


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Take connections and never say a word; a second of it is enough."""
    monkeypatch.setattr(safe_http, "SILENT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def _happen(customer: Customer, times: int) -> None:
    for _ in range(times):
        with transaction.atomic():
            events.emit(customer.tenant, events.Kind.FACE_ENROLLED)


def test_a_silent_webhook_holds_up_nobody(acme: Customer, receiver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 40 due to it, and as many tasks in the queue, a worker's only thread is through after one attempt.

    Somebody else's webhook is told while that attempt goes on, although its event came last: it goes on until then.
    """
    monkeypatch.setattr(safe_http, "SILENT_SECONDS", 30.0)
    globex = make_customer("globex")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        hook = create_webhook(acme.caller, url=url, kinds=["face.enrolled"]).webhook
        create_webhook(globex.caller, url=receiver, kinds=["face.enrolled"])
        _happen(acme, 40)
        _happen(globex, 3)
        Receiver.meanwhile[:] = [silent.close, lambda: None, lambda: None]  # the last of three ends the attempt
        for _ in range(43):
            tasks.deliver_due()
    assert len(Receiver.received) == 3
    assert hook.deliveries.get(attempts=1).problem not in {"", "took too long"}
    assert sorted(hook.deliveries.values_list("attempts", flat=True)) == [0] * 39 + [1]


@pytest.mark.parametrize("freed", ["after a while", "switched on", "sent again"])
def test_a_webhook_that_did_not_answer_rests(acme: Customer, receiver: str, silent: str, freed: str) -> None:
    """For as long as its delivery does, or until somebody says that it is well again."""
    hook = create_webhook(acme.caller, url=silent, kinds=["face.enrolled"]).webhook
    _happen(acme, 2)
    tasks.deliver_due()
    hook.refresh_from_db()
    assert (hook.free_at - timezone.now()).total_seconds() == pytest.approx(15, abs=3)
    Webhook.objects.of(acme.tenant).update(url=receiver)
    tasks.deliver_due()
    assert Receiver.received == []
    if freed == "after a while":
        Webhook.objects.of(acme.tenant).update(free_at=timezone.now())
    elif freed == "switched on":
        switch_webhook(acme.caller, webhook=str(hook.pk), active=True)
    else:
        asked = hook.deliveries.get(attempts=1)
        redeliver(acme.caller, webhook=str(hook.pk), delivery=str(asked.pk))
    tasks.deliver_due()
    assert len(Receiver.received) == (2 if freed == "sent again" else 1)


def test_a_webhook_whose_secret_does_not_open_fails_alone(acme: Customer, receiver: str) -> None:
    """Its deliveries are settled like others that fail, in the end for good; other webhooks are told."""
    hook = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"]).webhook
    _happen(acme, 1)
    Webhook.objects.of(acme.tenant).update(sealed_secret=flipped(hook.sealed_secret))
    globex = make_customer("globex")
    create_webhook(globex.caller, url=receiver, kinds=["face.enrolled"])
    _happen(globex, 1)
    for _ in range(12):
        due_now(acme)
        Webhook.objects.of(acme.tenant).update(free_at=timezone.now())
        tasks.deliver_due()
    assert len(Receiver.received) == 1
    delivery = Delivery.objects.of(acme.tenant).get()
    assert (delivery.state, delivery.problem) == ("failed", "SealBroken")


def test_a_webhook_that_refuses_one_event_is_told_the_others(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    _happen(acme, 3)
    Receiver.answers[:] = [500]
    tasks.deliver_due()
    assert sorted(Delivery.objects.of(acme.tenant).values_list("state", flat=True)) == [
        "delivered",
        "delivered",
        "pending",
    ]


@pytest.mark.parametrize("then", [lambda: None, tasks.deliver_due], ids=["waiting", "taken up"])
def test_an_attempt_that_fails_after_send_again_says_nothing(
    acme: Customer, receiver: str, then: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the last of eight or the first, and its delivery waits again or was taken up: either way it is told.

    One is sent at once, so that the task leaves the database alone while the receiver uses it: the tests' database in
    memory has locks by table and fails at one that is held, where the product's files and servers wait.
    """
    monkeypatch.setattr(tasks, "_SENT_AT_ONCE", 1)
    monkeypatch.setattr(tasks, "_LOOK_SECONDS", 30)
    hook = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"]).webhook
    enrol(acme)
    delivery = Delivery.objects.of(acme.tenant).get()

    def send_again() -> None:
        asked = redeliver(acme.caller, webhook=str(hook.pk), delivery=str(delivery.pk))
        assert (asked.status, asked.problem, asked.delivered_at) == (None, "", None)
        then()

    for attempts in (len(events.BACKOFF), 0):
        Delivery.objects.of(acme.tenant).update(state="pending", attempts=attempts, next_at=timezone.now(), status=500)
        Receiver.received.clear()
        Receiver.answers[:] = [500]
        Receiver.meanwhile[:] = [send_again]
        tasks.deliver_due()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("delivered", 1)
        assert (delivery.status, delivery.problem, delivery.next_at) == (204, "", None)
        assert len(Receiver.received) == 2


def test_a_redelivered_task_tells_nothing_twice(acme: Customer, receiver: str) -> None:
    """Check 14: 100 forced redeliveries of the task, one after another: each event is told once."""
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    for image in ("obama", "sunak", "macron_2014"):
        enrol(acme, image)
    for _ in range(100):
        tasks.deliver_due()
    ids = [json.loads(content)["id"] for _, content in Receiver.received]
    assert len(ids) == len(set(ids)) == 3
