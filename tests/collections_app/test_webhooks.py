"""Webhooks: events are sent after the commit, signed, to the webhooks that asked for them."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from django.utils import timezone

from collections_app import tasks
from collections_app.operations.erase import delete_face
from collections_app.operations.search import search_by_image
from collections_app.operations.webhooks import create_webhook
from recognition.index.local import LocalIndex
from recognition.tasks import compact_gallery
from tenants import audit
from tenants.models import AuditHead, Delivery, Event, Webhook
from tenants.tasks import verify_audits
from tests.collections_app.receivers import Receiver, enrol
from tests.conftest import Customer, make_customer
from tests.dialects.clients import NativeClient
from tests.index import gallery
from tests.make import flipped, portrait

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_happens_is_told_and_signed(acme: Customer, receiver: str) -> None:
    made = create_webhook(acme.caller, url=receiver, kinds=["face.enrolled", "search.matched", "face.deleted"])
    face = enrol(acme)
    search_by_image(acme.caller, collection="people", image=portrait("obama"))
    search_by_image(acme.caller, collection="people", image=portrait("sunak"))  # matches nobody: no event
    delete_face(acme.caller, collection="people", face=face)
    tasks.deliver_due()
    disclosed = [json.loads(content) for _, content in Receiver.received]
    assert {one["type"] for one in disclosed} == {"face.enrolled", "search.matched", "face.deleted"}
    assert len(disclosed) == 3
    assert {one["tenant"] for one in disclosed} == {"acme"}
    assert next(one for one in disclosed if one["type"] == "face.enrolled")["data"]["face"] == face
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    for headers, content in Receiver.received:
        answered = {name.lower(): value for name, value in headers.items()}
        signed = f"{answered['webhook-id']}.{answered['webhook-timestamp']}.".encode() + content
        value = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert answered["webhook-signature"] == f"v1,{value}"
        assert abs(int(answered["webhook-timestamp"]) - timezone.now().timestamp()) < 30
        assert answered["webhook-id"] == json.loads(content)["id"]


def test_an_alert_is_told(acme: Customer, receiver: str) -> None:
    """Check 21: whoever asks again and again about one face is told of where somebody looks."""
    create_webhook(acme.caller, url=receiver, kinds=["audit.alert"])
    with transaction.atomic():
        entry = audit.alert(acme.caller, "alert.probing", face="x", probes=51)
    tasks.deliver_due()
    ((_, content),) = Receiver.received
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
    assert Receiver.received == []  # nothing is published yet
    compact_gallery(acme.people.pk)
    tasks.deliver_due()
    ((_, content),) = Receiver.received
    disclosed = json.loads(content)
    assert disclosed["type"] == "collection.index_ready"
    assert disclosed["data"] == {"collection_id": str(acme.people.pk), "faces": 60}


def test_the_log_of_deliveries_is_kept_for_thirty_days(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    enrol(acme)
    enrol(acme, "sunak")
    old = Event.objects.of(acme.tenant).order_by("at")[0]
    Event.objects.of(acme.tenant).filter(pk=old.pk).update(at=timezone.now() - timedelta(days=31))
    tasks.purge_due()
    assert [event.pk for event in Event.objects.of(acme.tenant)] != [old.pk]
    assert Event.objects.of(acme.tenant).count() == Delivery.objects.of(acme.tenant).count() == 1


def test_nothing_that_was_rolled_back_is_told(acme: Customer, receiver: str) -> None:
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    with transaction.atomic():
        enrol(acme)
        transaction.set_rollback(True)
    tasks.deliver_due()
    assert Receiver.received == []
    assert not Event.objects.of(acme.tenant).exists()


def test_a_webhook_hears_only_what_it_asked_for_and_only_of_its_tenant(acme: Customer, receiver: str) -> None:
    globex = make_customer("globex")
    create_webhook(globex.caller, url=receiver, kinds=["face.enrolled"])
    create_webhook(acme.caller, url=receiver, kinds=["search.matched"])
    enrol(acme)
    tasks.deliver_due()
    assert Receiver.received == []


def test_an_alert_about_a_chain_that_cannot_be_opened_is_told(acme: Customer, receiver: str) -> None:
    """Check 24: it cannot be written down where it belongs, so it has no number."""
    create_webhook(acme.caller, url=receiver, kinds=["audit.alert"])
    head = AuditHead.objects.of(acme.tenant).get()
    AuditHead.objects.of(acme.tenant).update(wrapped_key=flipped(head.wrapped_key))
    verify_audits()
    tasks.deliver_due()
    ((_, content),) = Receiver.received
    assert json.loads(content)["data"] == {"alert": "audit_broken", "entry": None, "facts": {"broken_at": 1}}


def test_a_webhook_cannot_be_used_to_reach_inside(acme: Customer, receiver: str, settings: Any) -> None:
    """Check 19: the guard of images by URL also stands before deliveries."""
    create_webhook(acme.caller, url=receiver, kinds=["face.enrolled"])
    settings.ALLOW_PRIVATE_URLS = False
    enrol(acme)
    tasks.deliver_due()
    assert Receiver.received == []
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
