"""Erasures with their receipts, exports for data subjects, webhooks."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from collections_app import storage, tasks
from collections_app.models import Collection, Person, Receipt
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.webhooks import create_webhook, delete_webhook
from tenants import audit
from tenants.models import AuditEntry, Delivery, Webhook
from tests.collections_app.receivers import Receiver, receiver  # noqa: F401 -- a fixture
from tests.collections_app.web_server import content, served
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in
from tests.make import portrait

pytestmark = pytest.mark.django_db(transaction=True)


def _erased(acme: Customer, crowd: Collection, client: Any) -> Receipt:
    person = crowd.people.get(reference="Macron")
    page = page_url("person_erase", alias=crowd.alias, person=person.pk)
    assert client.post(page, {"typed": "Macron", "reason": "asked to"}).status_code == 400
    assert crowd.people.filter(pk=person.pk).exists()
    answer = client.post(page, {"typed": "Emmanuel Macron", "reason": "asked to"})
    receipt: Receipt = Receipt.objects.of(acme.tenant).get(kind="person")
    assert answer["Location"] == page_url("receipt", receipt=receipt.uuid)
    return receipt


def test_a_person_is_erased_under_their_typed_name_and_the_receipt_is_shown(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    receipt = _erased(acme, crowd, operator)
    assert not crowd.people.filter(reference="Macron").exists()
    assert AuditEntry.objects.of(acme.tenant).get(action="person.deleted").facts["reason"] == "asked to"
    tasks.finish_erasure.run(receipt.pk)
    page = operator.get(page_url("receipt", receipt=receipt.uuid)).content.decode()
    assert "Searched for again 2 times after the erasure: found 0 times." in page
    assert "index files" in page
    assert "fully erased" in operator.get(page_url("receipts")).content.decode()


def test_somebody_whose_reference_is_another_s_id_is_not_erased_in_their_place(
    acme: Customer, crowd: Collection
) -> None:
    """The console names people by our ids; only the API looks up references first."""
    meant = crowd.people.get(reference="Macron")
    crowd.people.filter(reference="Sunak").update(reference=str(meant.pk))
    page = page_url("person_erase", alias=crowd.alias, person=meant.pk)
    form = {"typed": meant.name, "reason": ""}
    assert signed_in(member(acme, "operator")).post(page, form).status_code == 303
    assert not crowd.people.filter(pk=meant.pk).exists()
    assert crowd.people.filter(name="Rishi Sunak").exists()


def test_whoever_looks_at_a_kept_image_is_told_of_in_the_log(acme: Customer, crowd: Collection) -> None:
    """Check 24: a page tells of its thumbnails in one entry; a picture, or what is asked for past a page, itself."""
    face = crowd.faces.first()
    assert face
    client = signed_in(member(acme, "operator"))
    page = client.get(page_url("faces", alias=crowd.alias)).content.decode()
    entries = AuditEntry.objects.of(acme.tenant).filter(actor_name="operator@acme")
    assert [entry.action for entry in entries] == ["face.shown"]
    assert {*entries[0].facts["faces"]} == {*crowd.faces.values_list("uuid", flat=True)}
    of_page = unescape(re.findall(rf'src="([^"]+{face.uuid}/thumbnail/[^"]*)"', page)[0])
    assert client.get(of_page).status_code == 200
    assert entries.count() == 1
    others = of_page.replace(face.uuid, crowd.faces.exclude(pk=face.pk)[0].uuid)
    bare = page_url("face_thumbnail", alias=crowd.alias, face=face.uuid)
    for address in (page_url("face_image", alias=crowd.alias, face=face.uuid), bare, f"{bare}?ticket=x", others):
        assert client.get(address).status_code == 200
    assert [entry.action for entry in entries.order_by("number")[1:]] == ["image.viewed"] * 4
    storage.erase(face.stored_image)
    assert client.get(page_url("face_image", alias=crowd.alias, face=face.uuid)).status_code == 404


def test_a_receipt_is_verified_and_one_that_was_changed_is_not(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    receipt = _erased(acme, crowd, operator)
    page = page_url("receipt", receipt=receipt.uuid)
    document = page_url("receipt_document", receipt=receipt.uuid)
    Receipt.objects.of(acme.tenant).update(completed_at=None, document={})
    assert "It is not signed yet." in operator.get(page, {"check": "signature"}).content.decode()
    assert operator.get(document).status_code == 404
    tasks.finish_erasure.run(receipt.pk)
    assert "The signature is valid" in operator.get(page, {"check": "signature"}).content.decode()
    signed = json.loads(operator.get(document).content)
    assert signed["erased"]["faces"] == 2
    signed["erased"]["faces"] = 3
    Receipt.objects.of(acme.tenant).update(document=signed)
    assert (
        "The signature is not valid"
        in operator.get(page, {"check": "signature"}, headers={"HX-Request": "true"}).content.decode()
    )


def test_receipts_follow_one_another_page_by_page(acme: Customer, monkeypatch: Any) -> None:
    monkeypatch.setattr("collections_app.console.views.receipts._PAGE", 2)
    auditor = signed_in(member(acme, "auditor"))
    made = [
        Receipt.unscoped.create(tenant=acme.tenant, kind="face", subject=str(n), requested_by="x").uuid
        for n in range(5)
    ]
    seen: list[str] = []
    query: dict[str, str] = {}
    for _ in range(3):
        context = auditor.get(page_url("receipts"), query).context
        seen += [receipt.uuid for receipt in context["receipts"]]
        query = {"before": str(context["after"])}
    assert seen == made[::-1]
    assert context["after"] is None


def test_everything_about_a_person_is_handed_out_and_noted(acme: Customer, crowd: Collection) -> None:
    admin = signed_in(member(acme, "admin"))
    person = crowd.people.get(reference="Macron")
    answer = admin.get(page_url("person_export", alias=crowd.alias, person=person.pk))
    assert answer["Content-Disposition"] == f'attachment; filename="person-{person.pk}.json"'
    record = json.loads(answer.content)
    assert record["person"]["name"] == "Emmanuel Macron"
    assert len(record["faces"]) == len(record["images"]) == 2
    assert AuditEntry.objects.of(acme.tenant).filter(action="person.exported").count() == 1
    lost = person.faces.order_by("number")[0]
    default_storage.delete(lost.stored_image)
    answer = admin.get(page_url("person_export", alias=crowd.alias, person=person.pk))
    assert json.loads(answer.content)["images"].keys() == record["images"].keys() - {lost.image}


def _enrol(acme: Customer) -> Person:
    named = PersonDetails(name="Rishi")
    return enrol_face(acme.caller, collection="people", image=portrait("sunak"), person=named).faces[0].person


def test_a_webhook_is_made_told_switched_off_and_told_again(
    acme: Customer,
    receiver: str,  # noqa: F811 -- the fixture
) -> None:
    admin = signed_in(member(acme, "admin"))
    made = admin.post(page_url("webhooks"), {"url": receiver, "kinds": ["face.enrolled"]}, follow=True)
    secret = made.context["made"]["secret"]
    assert secret in made.content.decode()
    assert secret not in admin.get(page_url("webhooks")).content.decode()
    hook = Webhook.objects.of(acme.tenant).get()
    page, switch = (page_url(name, webhook=hook.pk) for name in ("webhook", "webhook_switch"))

    Receiver.answers[:] = [500]
    _enrol(acme)
    tasks.deliver_due()
    shown = admin.get(page).content.decode()
    assert "being sent" in shown
    assert "500</td>" in shown
    admin.post(switch)
    Delivery.objects.of(acme.tenant).update(next_at=hook.created_at)
    _enrol(acme)  # while it is off
    tasks.deliver_due()
    assert len(Receiver.received) == 1
    admin.post(switch, {"active": ""})
    tasks.deliver_due()
    assert len(Receiver.received) == 2
    assert "delivered" in admin.get(page).content.decode()

    delivery = Delivery.objects.of(acme.tenant).get()
    admin.post(page_url("redeliver", webhook=hook.pk, delivery=delivery.pk))
    tasks.deliver_due()
    (_, first), (_, second), (_, third) = Receiver.received
    assert first == second == third
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)

    admin.post(page_url("webhook_delete", webhook=hook.pk))
    assert not Webhook.objects.of(acme.tenant).exists()
    assert audit.verify(acme.tenant).sound


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://example.com/"}, {"url": "https://user@example.com/"}, {"kinds": []}, {"kinds": ["x"]}]
)
def test_a_webhook_that_could_never_be_told_is_not_made(acme: Customer, wrong: dict[str, Any]) -> None:
    admin = signed_in(member(acme, "admin"))
    sent = {"url": "https://example.com/", "kinds": ["audit.alert"], **wrong}
    assert admin.post(page_url("webhooks"), sent).status_code == 400
    assert not Webhook.objects.of(acme.tenant).exists()


def test_an_image_is_fetched_by_url_under_the_same_guard_as_the_apis(acme: Customer, settings: Any) -> None:
    client, page = signed_in(member(acme, "operator")), page_url("playground_picture")
    settings.ALLOW_PRIVATE_URLS = True
    with served(content(portrait("obama"))) as picture, served(content(b"<script>alert(1)</script>")) as script:
        fetched = client.post(page, {"url": f"http://127.0.0.1:{picture}/"})
        assert fetched.content == portrait("obama")
        assert fetched["Content-Type"] == "image/jpeg"
        refused = client.post(page, {"url": f"http://127.0.0.1:{script}/"})
        assert (refused.status_code, refused["Content-Type"]) == (422, "text/plain; charset=utf-8")
        settings.ALLOW_PRIVATE_URLS = False
        for url in (f"http://127.0.0.1:{picture}/", "file:///etc/passwd", ""):
            refused = client.post(page, {"url": url})
            assert refused.status_code == 400
            assert refused.content.decode().startswith("This address cannot be fetched.")


def test_a_person_to_merge_with_is_found_by_name(acme: Customer, crowd: Collection) -> None:
    """Or by reference, or by the label that the picker offers; never by another person's id."""
    operator = signed_in(member(acme, "operator"))
    twin = crowd.people.get(reference="twin")
    shown = operator.get(page_url("people_named", alias=crowd.alias), {"other": "b. obama"}).content.decode()
    assert re.findall(r'value="([^"]+)"', shown) == ["B. Obama · twin"]
    obama = crowd.people.get(reference="Obama")
    page = page_url("person_merge", alias=crowd.alias, person=obama.pk)
    for typed in ("nobody", str(twin.pk)):
        refused = operator.post(page, {"typed": typed}, headers={"Referer": f"http://testserver{page}"})
        assert refused.status_code == 400
        assert f'href="http://testserver{page}"' in refused.content.decode()
        assert "has the name or reference" in refused.content.decode()
    merged = operator.post(page, {"typed": "B. Obama · twin"})
    assert merged["Location"] == page_url("person", alias=crowd.alias, person=obama.pk)
    assert crowd.faces.filter(person=obama).count() == 2


def test_a_tenant_has_twenty_webhooks_at_most(acme: Customer, globex: Customer) -> None:
    """The page and the API refuse more; another tenant has its own twenty, and deleting one makes room."""
    url, kinds = "https://example.com/", ["face.enrolled"]
    made = [create_webhook(acme.caller, url=url, kinds=kinds).webhook for _ in range(20)]
    admin, sent = signed_in(member(acme, "admin")), {"url": url, "kinds": kinds}
    refused = admin.post(page_url("webhooks"), sent)
    assert refused.status_code == 409
    assert refused.context["form"].non_field_errors() == ["The quota of this tenant is used up: 20."]
    path, body = "/api/v1/webhooks", {"url": url, "events": kinds}
    theirs, others = (
        Client().post(path, body, content_type="application/json", headers={"x-api-key": customer.issued.token})
        for customer in (acme, globex)
    )
    refusal = theirs.json()
    assert (theirs.status_code, refusal["code"], refusal["quota"], refusal["limit"]) == (
        403,
        "quota_exceeded",
        "webhooks",
        20,
    )
    assert others.status_code == 201
    delete_webhook(acme.caller, webhook=str(made[0].pk))
    assert admin.post(page_url("webhooks"), sent).status_code == 303
