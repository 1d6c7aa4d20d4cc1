"""Webhooks: what happened is told once it is so, signed, again and again until somebody hears it."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from django.db import connections, transaction
from django.utils import timezone

from collections_app import safe_http, tasks
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.search import search_by_image
from collections_app.operations.webhooks import create_webhook, list_deliveries, redeliver, switch_webhook
from recognition.index.local import LocalIndex
from recognition.tasks import compact_gallery
from tenants import audit, events
from tenants.models import AuditHead, Delivery, Event, Webhook
from tenants.tasks import verify_audits
from tests.conftest import Customer, make_customer
from tests.dialects.clients import NativeClient
from tests.index import gallery
from tests.make import flipped, portrait

pytestmark = pytest.mark.django_db(transaction=True)


class Receiver(BaseHTTPRequestHandler):
    """Somebody's server: keeps what it is sent and answers what it is told to, when what is to happen meanwhile has."""

    heard: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    answers: ClassVar[list[int]] = []
    meanwhile: ClassVar[list[Callable[[], None]]] = []

    def do_POST(self) -> None:
        """Take a delivery."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((dict(self.headers.items()), content))
        status = self.answers.pop(0) if self.answers else 204
        if self.meanwhile:
            self.meanwhile.pop()()
            connections.close_all()
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(settings: Any) -> Iterator[str]:
    """Run the server; return its URL. Local addresses are allowed, as in development."""
    settings.ALLOW_PRIVATE_URLS = True
    Receiver.heard.clear()
    Receiver.answers.clear()
    Receiver.meanwhile.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


@pytest.fixture
def acme(transactional_db: None) -> Customer:
    """The customer, in transactions that end."""
    return make_customer("acme")


def _enrol(acme: Customer, image: str = "obama") -> str:
    return enrol_face(acme.caller, collection="people", image=portrait(image), person=PersonDetails()).faces[0].uuid


def _due_now(acme: Customer) -> None:
    Delivery.objects.of(acme.tenant).filter(state="pending").update(next_at=timezone.now())


def test_what_happens_is_told_and_signed(acme: Customer, receiver: str) -> None:
    made = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled", "search.matched", "face.deleted"])
    face = _enrol(acme)
    search_by_image(acme.caller, collection="people", image=portrait("obama"))
    search_by_image(acme.caller, collection="people", image=portrait("sunak"))  # matches nobody: no event
    delete_face(acme.caller, collection="people", face=face)
    tasks.deliver_due()
    told = [json.loads(content) for _, content in Receiver.heard]
    assert {one["type"] for one in told} == {"face.enrolled", "search.matched", "face.deleted"}
    assert len(told) == 3
    assert {one["tenant"] for one in told} == {"acme"}
    assert next(one for one in told if one["type"] == "face.enrolled")["data"]["face"] == face
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    for headers, content in Receiver.heard:
        said = {name.lower(): value for name, value in headers.items()}
        signed = f"{said['webhook-id']}.{said['webhook-timestamp']}.".encode() + content
        value = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert said["webhook-signature"] == f"v1,{value}"
        assert abs(int(said["webhook-timestamp"]) - timezone.now().timestamp()) < 30
        assert said["webhook-id"] == json.loads(content)["id"]


def test_an_alert_is_told(acme: Customer, receiver: str) -> None:
    """Check 21: whoever asks again and again about one face is told of where somebody looks."""
    create_webhook(acme.caller, url=receiver, kinds=["audit.alert"])
    with transaction.atomic():
        entry = audit.alert(acme.caller, "alert.probing", face="x", probes=51)
    tasks.deliver_due()
    ((_, content),) = Receiver.heard
    assert json.loads(content)["data"] == {
        "alert": "probing",
        "entry": entry,
        "facts": {"face": "x", "probes": 51},
    }


def test_a_published_index_is_told(acme: Customer, receiver: str, settings: Any, tmp_path: Path) -> None:
    settings.INDEX_DIR, settings.INDEX_OPEN_DIR, settings.INDEX_DELTA_ROWS = tmp_path / "index", tmp_path / "open", 50
    create_webhook(acme.caller, url=receiver, kinds=["collection.index_ready"])
    index = LocalIndex(segmented=True)
    gallery.enrol(index, acme.people, gallery.people(np.random.default_rng(1), 60, 1))
    tasks.deliver_due()
    assert Receiver.heard == []  # nothing is published yet
    compact_gallery(acme.people.pk)
    tasks.deliver_due()
    ((_, content),) = Receiver.heard
    told = json.loads(content)
    assert told["type"] == "collection.index_ready"
    assert told["data"] == {"collection_id": str(acme.people.pk), "faces": 60}


def test_the_log_of_deliveries_is_kept_for_thirty_days(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    _enrol(acme)
    _enrol(acme, "sunak")
    old = Event.objects.of(acme.tenant).order_by("at")[0]
    Event.objects.of(acme.tenant).filter(pk=old.pk).update(at=timezone.now() - timedelta(days=31))
    tasks.purge_due()
    assert [event.pk for event in Event.objects.of(acme.tenant)] != [old.pk]
    assert Event.objects.of(acme.tenant).count() == Delivery.objects.of(acme.tenant).count() == 1


def test_nothing_that_was_rolled_back_is_told(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    with transaction.atomic():
        _enrol(acme)
        transaction.set_rollback(True)
    tasks.deliver_due()
    assert Receiver.heard == []
    assert not Event.objects.of(acme.tenant).exists()


def test_a_webhook_hears_only_what_it_asked_for_and_only_of_its_tenant(acme: Customer, receiver: str) -> None:
    globex = make_customer("globex")
    create_webhook(globex.caller, url=receiver, kinds=["face.enrolled"])
    create_webhook(acme.caller, url=receiver, kinds=["search.matched"])
    _enrol(acme)
    tasks.deliver_due()
    assert Receiver.heard == []


def test_a_failed_delivery_is_tried_again_later_and_later(acme: Customer, receiver: str) -> None:
    hook = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"]).webhook
    Receiver.answers[:] = [500, 302]
    _enrol(acme)
    waits = []
    for _ in range(2):
        tasks.deliver_due()
        (delivery,) = list_deliveries(acme.caller, webhook=str(hook.pk), limit=10)
        assert delivery.next_at
        waits.append(round((delivery.next_at - timezone.now()).total_seconds()))
        tasks.deliver_due()  # not due: nobody is asked
        _due_now(acme)
    assert waits == pytest.approx([15, 60], abs=3)
    assert [delivery.state, delivery.status, delivery.problem] == ["pending", 302, "answered 302"]
    tasks.deliver_due()
    (delivery,) = list_deliveries(acme.caller, webhook=str(hook.pk), limit=10)
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 3, 204)
    assert len(Receiver.heard) == 3


def test_a_delivery_fails_in_the_end(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    Receiver.answers[:] = [500] * 20
    _enrol(acme)
    for _ in range(12):
        _due_now(acme)
        tasks.deliver_due()
    delivery = Delivery.objects.of(acme.tenant).get()
    assert (delivery.state, delivery.attempts) == ("failed", len(events.BACKOFF) + 1)
    assert len(Receiver.heard) == delivery.attempts


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
    assert len(Receiver.heard) == 3
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
    assert Receiver.heard == []
    if freed == "after a while":
        Webhook.objects.of(acme.tenant).update(free_at=timezone.now())
    elif freed == "switched on":
        switch_webhook(acme.caller, webhook=str(hook.pk), active=True)
    else:
        asked = hook.deliveries.get(attempts=1)
        redeliver(acme.caller, webhook=str(hook.pk), delivery=str(asked.pk))
    tasks.deliver_due()
    assert len(Receiver.heard) == (2 if freed == "sent again" else 1)


def test_a_webhook_whose_secret_does_not_open_fails_alone(acme: Customer, receiver: str) -> None:
    """Its deliveries are settled like others that fail, in the end for good; other webhooks are told."""
    hook = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"]).webhook
    _happen(acme, 1)
    Webhook.objects.of(acme.tenant).update(sealed_secret=flipped(hook.sealed_secret))
    globex = make_customer("globex")
    create_webhook(globex.caller, url=receiver, kinds=["face.enrolled"])
    _happen(globex, 1)
    for _ in range(12):
        _due_now(acme)
        Webhook.objects.of(acme.tenant).update(free_at=timezone.now())
        tasks.deliver_due()
    assert len(Receiver.heard) == 1
    delivery = Delivery.objects.of(acme.tenant).get()
    assert (delivery.state, delivery.problem) == ("failed", "SealBroken")


def test_an_alert_about_a_chain_that_cannot_be_opened_is_told(acme: Customer, receiver: str) -> None:
    """Check 24: it cannot be written down where it belongs, so it has no number."""
    create_webhook(acme.caller, url=receiver, kinds=["audit.alert"])
    head = AuditHead.objects.of(acme.tenant).get()
    AuditHead.objects.of(acme.tenant).update(wrapped_key=flipped(head.wrapped_key))
    verify_audits()
    tasks.deliver_due()
    ((_, content),) = Receiver.heard
    assert json.loads(content)["data"] == {"alert": "audit_broken", "entry": None, "facts": {"broken_at": 1}}


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
    _enrol(acme)
    delivery = Delivery.objects.of(acme.tenant).get()

    def send_again() -> None:
        asked = redeliver(acme.caller, webhook=str(hook.pk), delivery=str(delivery.pk))
        assert (asked.status, asked.problem, asked.delivered_at) == (None, "", None)
        then()

    for attempts in (len(events.BACKOFF), 0):
        Delivery.objects.of(acme.tenant).update(state="pending", attempts=attempts, next_at=timezone.now(), status=500)
        Receiver.heard.clear()
        Receiver.answers[:] = [500]
        Receiver.meanwhile[:] = [send_again]
        tasks.deliver_due()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("delivered", 1)
        assert (delivery.status, delivery.problem, delivery.next_at) == (204, "", None)
        assert len(Receiver.heard) == 2


def test_a_redelivered_task_tells_nothing_twice(acme: Customer, receiver: str) -> None:
    """Check 14: 100 forced redeliveries of the task, one after another: each event is told once."""
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    for image in ("obama", "sunak", "macron_2014"):
        _enrol(acme, image)
    for _ in range(100):
        tasks.deliver_due()
    ids = [json.loads(content)["id"] for _, content in Receiver.heard]
    assert len(ids) == len(set(ids)) == 3


def test_a_webhook_cannot_be_used_to_reach_inside(acme: Customer, receiver: str, settings: Any) -> None:
    """Check 19: the guard of images by URL also stands before deliveries."""
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    settings.ALLOW_PRIVATE_URLS = False
    _enrol(acme)
    tasks.deliver_due()
    assert Receiver.heard == []
    assert Delivery.objects.of(acme.tenant).get().problem == "address not allowed"


def test_webhooks_over_the_api(acme: Customer) -> None:
    native = NativeClient(acme.issued.token)
    body = {"url": "https://example.com/hook", "events": ["face.enrolled"]}
    made = native("POST", "/webhooks", body)
    assert made.status_code == 201
    shown = {name: value for name, value in made.json().items() if name != "secret"}
    assert made.json()["secret"].startswith("whsec_")
    assert native("GET", "/webhooks").json() == {"webhooks": [shown]}
    assert native("GET", f"/webhooks/{shown['id']}").json() == shown | {"deliveries": []}
    hook = Webhook.objects.of(acme.tenant).get()
    assert made.json()["secret"].encode() not in bytes(hook.sealed_secret)
    assert native("DELETE", f"/webhooks/{shown['id']}").status_code == 204
    assert native("GET", f"/webhooks/{shown['id']}").json()["code"] == "webhook_not_found"
    for url in ("ftp://example.com/", "https://user@example.com/", "http://example.com:25/"):
        assert native("POST", "/webhooks", body | {"url": url}).json()["code"] == "invalid_request"
    assert native("POST", "/webhooks", body | {"events": ["nothing"]}).status_code == 422
