"""Erasure: no search finds the face at once, nothing is left after the job, and a receipt proves it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.utils import timezone

from collections_app import erasure, tasks
from collections_app.errors import FaceNotFound
from collections_app.models import Face, Person, Receipt
from collections_app.operations.collections import delete_collection, update_collection
from collections_app.operations.data_subject import delete_person
from collections_app.operations.erase import delete_face, delete_faces, get_receipt, list_receipts
from collections_app.operations.faces import get_face
from collections_app.stores import STORES, Rows
from recognition.models import Embedding
from tenants import signing
from tenants.models import AuditEntry
from tests.collections_app.erasures import (
    acme_with_images,  # noqa: F401 -- a fixture
    enrol,
    files,
    found,
)
from tests.conftest import Customer

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_face_is_gone_at_once_and_a_signed_receipt_says_so(acme: Customer, stored: Path) -> None:
    """Check 23: delete -> not found at once, nothing left in any store, a certificate."""
    kept, erased = enrol(acme, "obama", "bo"), enrol(acme, "macron_2025", "em")
    receipt = delete_face(acme.caller, collection="people", face=erased.uuid)
    assert found(acme, "macron_2014") == []
    assert found(acme, "obama") == [kept.uuid]
    assert (receipt.searches, receipt.found_again, receipt.completed_at) == (1, 0, None)

    tasks.finish_erasure(receipt.pk)
    document = get_receipt(acme.caller, receipt=receipt.uuid).document
    signing.check(json.loads(json.dumps(document)))
    assert document["erased"] == {
        "kind": "face",
        "id": erased.uuid,
        "collection": str(acme.people.pk),
        "faces": 1,
    }
    assert {store["left"] for store in document["stores"]} == {0}
    assert document["searched_again"] == {"searches": 1, "erased_faces_found": 0}
    assert document["requested_by"] == f"{acme.caller.kind}:{acme.caller.id}"
    assert files(stored) == 1
    with pytest.raises(FaceNotFound):
        get_face(acme.caller, collection="people", face=erased.uuid)


def test_what_was_in_the_way_for_a_moment_delays_a_receipt_by_seconds(acme: Customer, stored: Path) -> None:
    """A young open receipt is tried again every twenty seconds, an older one with everything that is due."""
    young = delete_face(acme.caller, collection="people", face=enrol(acme, "obama", "bo").uuid)
    older = delete_face(acme.caller, collection="people", face=enrol(acme, "macron_2025", "em").uuid)
    Receipt.objects.of(acme.tenant).filter(pk=older.pk).update(requested_at=timezone.now() - timedelta(minutes=11))
    tasks.finish_due()
    young.refresh_from_db()
    older.refresh_from_db()
    assert (young.completed_at is not None, older.completed_at) == (True, None)
    assert settings.CELERY_BEAT_SCHEDULE["finish"]["schedule"] == timedelta(seconds=20)
    tasks.purge_due()
    older.refresh_from_db()
    assert older.completed_at is not None


def test_a_person_goes_with_every_face_and_image(acme: Customer, stored: Path) -> None:
    """Check 23: the same for somebody with several faces."""
    for image in ("macron_2014", "macron_2025"):
        enrol(acme, image, "em")
    receipt = delete_person(acme.caller, collection="people", person="em")
    assert found(acme, "macron_2014") == []
    assert not Person.objects.of(acme.tenant).exists()
    tasks.finish_erasure(receipt.pk)
    receipt.refresh_from_db()
    assert receipt.document["erased"]["faces"] == receipt.document["searched_again"]["searches"] == 2
    assert files(stored) == 0


def test_faces_that_go_together_have_a_receipt_each(acme: Customer, stored: Path) -> None:
    """Check 23: what was erased is named, every face of it, and no receipt tells of anybody else."""
    faces = [enrol(acme, image, image) for image in ("macron_2025", "obama", "sunak")]
    uuids = [face.uuid for face in faces]
    with pytest.raises(FaceNotFound):
        delete_faces(acme.caller, collection="people", faces=[*uuids, "00000000-0000-0000-0000-000000000000"])
    assert not list_receipts(acme.caller)
    receipts = delete_faces(acme.caller, collection="people", faces=[*uuids, uuids[0]], reason="asked to")
    tasks.purge_due()
    documents = [get_receipt(acme.caller, receipt=receipt.uuid).document for receipt in receipts]
    assert [document["erased"]["id"] for document in documents] == uuids
    for document in documents:
        signing.check(document)
        assert (document["erased"]["faces"], document["searched_again"]["searches"]) == (1, 1)
        assert sum(uuid in json.dumps(document) for uuid in uuids) == 1
    entries = AuditEntry.objects.of(acme.tenant).filter(action="face.deleted").order_by("pk")
    assert [(entry.facts["faces"], entry.facts["receipt"], entry.facts["reason"]) for entry in entries] == [
        ([uuid], receipt.uuid, "asked to") for uuid, receipt in zip(uuids, receipts, strict=True)
    ]
    assert files(stored) == 0


def test_a_receipt_names_the_stores_that_were_looked_at_and_no_other(acme: Customer, stored: Path) -> None:
    """Check 23: a face's says nothing of the person, who may remain, and only a tenant's of keys."""
    for image in ("macron_2014", "macron_2025"):
        face = enrol(acme, image, "em")
    delete_face(acme.caller, collection="people", face=face.uuid)
    assert Person.objects.of(acme.tenant).exists()
    delete_person(acme.caller, collection="people", person="em")
    update_collection(acme.caller, collection="people", retention_days=30)
    enrol(acme, "obama", "bo")
    Face.objects.of(acme.tenant).update(created_at=timezone.now() - timedelta(days=31))
    tasks.expire_faces()
    delete_collection(acme.caller, name="people")
    tasks.purge_due()
    erasure.erase_tenant(acme.caller)
    faces, others = ["face records", "templates", "kept answers"], ["kept images", "index files"]
    many = ["face records", "people", "templates", "kept answers"]
    assert {
        receipt.kind: [store["store"] for store in receipt.document["stores"]]
        for receipt in Receipt.objects.of(acme.tenant)
    } == {
        "face": faces + others,
        "person": [*faces, "people", *others],
        "retention": faces + others,
        "collection": many + others,
        "tenant": [*many, "data keys", *others],
    }


def test_whatever_refers_to_a_face_or_a_person_is_a_store() -> None:
    """Or an erasure would neither purge nor count it."""
    listed = {store.model for store in STORES if isinstance(store, Rows)}
    referring = {
        model
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.related_model in {Face, Person}
    }
    assert referring
    assert referring <= listed


def test_receipts_of_one_moment_are_all_listed(acme: Customer) -> None:
    for n in range(5):
        Receipt.unscoped.create(tenant=acme.tenant, kind="face", subject=str(n), requested_by="x")
    Receipt.objects.of(acme.tenant).update(requested_at=timezone.now())
    seen: list[Receipt] = []
    while page := list(list_receipts(acme.caller, before=seen[-1].pk if seen else None, limit=2)):
        seen += page
    assert sorted(receipt.subject for receipt in seen) == ["0", "1", "2", "3", "4"]


def test_a_receipt_is_not_signed_while_anything_is_left(acme: Customer, stored: Path) -> None:
    """Check 23: a certificate is never given for what is not so."""
    face = enrol(acme, "macron_2025", "em")
    template = Embedding.objects.of(acme.tenant).get()
    receipt = delete_face(acme.caller, collection="people", face=face.uuid)
    # As if a row had survived: brought back behind the product's back.
    person = Person.unscoped.create(tenant=acme.tenant, collection=acme.people, reference="x")
    face.person = person
    face.save(force_insert=True)
    template.save(force_insert=True)
    tasks.finish_erasure(receipt.pk)
    receipt.refresh_from_db()
    assert (receipt.completed_at, receipt.document) == (None, {})
    face.delete()
    tasks.purge_due()
    receipt.refresh_from_db()
    assert receipt.completed_at is not None
