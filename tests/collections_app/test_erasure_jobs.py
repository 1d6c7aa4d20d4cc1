"""Erasure by the worker: collections, tenants, retention, images that no face refers to, damaged templates."""

import json
import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from collections_app import erasure, storage, tasks
from collections_app.errors import Unavailable
from collections_app.models import Collection, Face, KeyedRequest, Person, Receipt, new_uuid
from collections_app.operations.collections import create_collection, delete_collection, update_collection
from collections_app.operations.data_subject import PersonDetails, delete_person
from collections_app.operations.enrol import enrol_face, enrol_person
from collections_app.operations.erase import delete_face, list_receipts
from collections_app.operations.search import search_by_image
from recognition.models import Embedding, Gallery, Tombstone
from tenants import audit, signing
from tenants.access import caller_for_key
from tenants.errors import MasterKeyUnusable, SealBroken, SignatureBroken, UnknownKey
from tenants.models import AuditEntry, DataKey, Tenant
from tenants.vault import Vault
from tests.collections_app.erasures import (
    acme_with_images,  # noqa: F401 -- a fixture
    enrol,
    files,
    found,
    storage_down,
)
from tests.conftest import Customer, make_customer
from tests.make import flipped, portrait

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_collection_is_erased_by_the_worker(acme: Customer, stored: Path) -> None:
    """Check 23: a collection's faces, people, templates and images go, and the receipt comes."""
    enrol(acme, "macron_2025", "em")
    enrol(acme, "obama", "bo")
    receipt = delete_collection(acme.caller, name="people")
    tasks.purge_due()
    receipt.refresh_from_db()
    signing.check(receipt.document)
    assert receipt.document["erased"]["faces"] == 2
    assert files(stored) == 0
    for model in (Face, Person, Embedding, Gallery):
        assert not model.objects.of(acme.tenant).exists()


def test_a_replaced_photo_is_erased_with_a_receipt_even_if_the_storage_is_away(
    acme: Customer, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 23: whoever is registered anew does not leave the old photo behind, and the log names the receipt."""
    person = PersonDetails(reference="em")
    register = partial(enrol_person, acme.caller, collection="people", person=person)
    old = register(images=[portrait("macron_2014")]).faces.get()
    with monkeypatch.context() as patch:
        patch.setattr(storage, "erase", storage_down)
        register(images=[portrait("macron_2025")])
        (receipt,) = list_receipts(acme.caller)
        with pytest.raises(Unavailable):
            tasks.finish_erasure(receipt.pk)
    assert (receipt.subject, receipt.searches, receipt.found_again, receipt.completed_at) == (old.uuid, 1, 0, None)
    assert files(stored) == 2
    tasks.purge_due()
    receipt.refresh_from_db()
    signing.check(receipt.document)
    assert [file.name for file in (stored / "images").rglob("*") if file.is_file()] == [
        Face.objects.of(acme.tenant).get().image
    ]
    entry = AuditEntry.objects.of(acme.tenant).filter(action="face.enrolled").latest("pk")
    assert (entry.facts["replaced"], entry.facts["receipts"]) == ([old.uuid], [receipt.uuid])


@pytest.mark.parametrize("whole", ["collection", "tenant"])
def test_an_image_that_no_face_names_goes_with_its_collection_and_its_tenant(
    acme: Customer, stored: Path, monkeypatch: pytest.MonkeyPatch, whole: str
) -> None:
    """Check 23: a process was killed before it committed; the receipt comes after a look at the whole folder."""
    storage.keep(acme.people, new_uuid(), b"orphan")
    enrol(acme, "obama", "bo")
    with monkeypatch.context() as patch:
        patch.setattr(storage, "erase", storage_down)
        if whole == "collection":
            receipt = delete_collection(acme.caller, name="people")
            tasks.purge_due()
        else:
            with pytest.raises(Unavailable):
                erasure.erase_tenant(acme.caller)
            (receipt,) = Receipt.objects.of(acme.tenant)
    receipt.refresh_from_db()
    assert (receipt.completed_at, files(stored)) == (None, 2)
    tasks.purge_due()
    receipt.refresh_from_db()
    signing.check(receipt.document)
    assert {"store": "kept images", "left": 0} in receipt.document["stores"]
    assert files(stored) == 0


def test_an_image_that_no_face_names_is_swept_after_an_hour(acme: Customer, stored: Path) -> None:
    """Check 23: a face's image stays however old it is, and so does one that is being enrolled, of any tenant."""
    globex = make_customer("globex")
    named = Path(enrol(acme, "obama", "bo").stored_image)
    fresh, *old = (
        Path(storage.keep(collection, new_uuid(), b"x")) for collection in [acme.people, acme.people, globex.people]
    )
    for name in [named, *old]:
        os.utime(stored / name, (0, 0))
    tasks.sweep_images()
    assert {file for file in (stored / "images").rglob("*") if file.is_file()} == {stored / named, stored / fresh}


def test_a_redelivered_task_changes_nothing(acme: Customer, stored: Path) -> None:
    """Check 14: 100 forced redeliveries of the job; one receipt, one signature, no row touched twice."""
    receipt = delete_face(acme.caller, collection="people", face=enrol(acme, "macron_2025", "em").uuid)
    kept = enrol(acme, "obama", "bo")
    tasks.finish_erasure(receipt.pk)
    receipt.refresh_from_db()
    for _ in range(100):
        tasks.finish_erasure(receipt.pk)
        tasks.purge_collection(acme.people.pk)
    again = Receipt.objects.of(acme.tenant).get()
    assert again.document == receipt.document
    assert found(acme, "obama") == [kept.uuid]


def test_retention_erases_what_is_due_and_nothing_else(acme: Customer, stored: Path) -> None:
    """Check 23: the expiry job removes every face that is due; 100 % of 3 due, 0 of 2 others."""
    update_collection(acme.caller, collection="people", retention_days=30)
    due = [enrol(acme, image, "em") for image in ("macron_2014", "macron_2025")] + [enrol(acme, "sunak", "rs")]
    young = enrol(acme, "obama", "bo")
    create_collection(acme.caller, name="unbounded")
    person = PersonDetails(reference="bo")
    other = enrol_face(acme.caller, collection="unbounded", image=portrait("obama"), person=person).faces[0]
    old = timezone.now() - timedelta(days=30, minutes=1)
    Face.objects.of(acme.tenant).exclude(pk=young.pk).update(created_at=old)
    tasks.expire_faces()
    tasks.purge_due()
    assert set(Face.objects.of(acme.tenant).values_list("pk", flat=True)) == {young.pk, other.pk}
    assert found(acme, "macron_2014") == []
    receipt = Receipt.objects.of(acme.tenant).get()
    assert (receipt.kind, receipt.face_count) == ("retention", len(due))
    signing.check(receipt.document)
    entry = AuditEntry.objects.of(acme.tenant).get(action="face.expired")
    assert (entry.actor_kind, entry.actor_id) == ("system", "retention")
    assert entry.facts["days"] == 30


def _damage(face: Face) -> None:
    rows = Embedding.objects.of(face.tenant).filter(face=face)
    rows.update(sealed=flipped(rows.get().sealed))


def test_a_damaged_template_is_erased_like_any_other(acme: Customer, stored: Path) -> None:
    """Check 23: by its face, by its person, by time, beside a sound one; the receipt counts the searches it could."""
    faces = [enrol(acme, image, image) for image in ("macron_2025", "obama", "sunak")]
    for face in faces[1:]:
        _damage(face)
    receipts = [delete_face(acme.caller, collection="people", face=faces[0].uuid)]
    receipts.append(delete_face(acme.caller, collection="people", face=faces[1].uuid))
    receipts.append(delete_person(acme.caller, collection="people", person="sunak"))
    _damage(enrol(acme, "obama", "bo"))
    update_collection(acme.caller, collection="people", retention_days=30)
    Face.objects.of(acme.tenant).update(created_at=timezone.now() - timedelta(days=31))
    tasks.expire_faces()
    assert not Embedding.objects.of(acme.tenant).exists()
    tasks.purge_due()
    documents = [receipt.document for receipt in Receipt.objects.of(acme.tenant)]
    assert [document["searched_again"]["searches"] for document in documents] == [1, 0, 0, 0]
    assert files(stored) == 0


def test_one_collection_s_failure_ends_no_other_s_retention(
    acme: Customer, stored: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Check 23: nor one receipt's another's, nor the removal of old keyed requests and events."""
    collections = [
        create_collection(acme.caller, name=name, retention_days=30).pk for name in ("first", "second", "third")
    ]
    begun: list[int] = []

    def failing(collection: Collection) -> bool:
        begun.append(collection.pk)
        raise OSError

    monkeypatch.setattr(tasks, "_expire_batch", failing)
    tasks.expire_faces()
    assert sorted(begun) == sorted(collections)
    for name in ("first", "second"):
        delete_collection(acme.caller, name=name)
    late = timezone.now() - timedelta(days=31)
    KeyedRequest.unscoped.create(tenant=acme.tenant, key="k", fingerprint="f")
    KeyedRequest.objects.of(acme.tenant).update(claimed_at=late)
    purge, finish = MagicMock(side_effect=OSError), MagicMock(side_effect=OSError)
    monkeypatch.setattr(tasks.purge_collection, "run", purge)
    monkeypatch.setattr(tasks.finish_erasure, "run", finish)
    tasks.purge_due()
    assert (purge.call_count, finish.call_count) == (2, 2)
    assert not KeyedRequest.objects.of(acme.tenant).exists()
    assert caplog.text.count("the rest goes on") == 7


def test_a_tenant_is_erased_with_its_keys(
    acme: Customer, stored: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check 23: the data keys are destroyed, so that what any backup holds stays unreadable; the receipt verifies."""
    globex = make_customer("globex")
    theirs = enrol_face(globex.caller, collection="people", image=portrait("obama"), person=PersonDetails()).faces[0]
    enrol(acme, "macron_2025", "em")
    sealed = bytes(Embedding.objects.of(acme.tenant).get().sealed)
    before = Vault.of(acme.tenant)
    call_command("erase_tenant", "acme", "--yes")
    printed = capsys.readouterr().out
    call_command("rotate_keys", "data", "--grace", "0")  # the others' go on changing
    assert DataKey.objects.of(globex.tenant).get().version == 2
    capsys.readouterr()

    file = tmp_path_factory.mktemp("receipt") / "receipt.json"
    file.write_text(printed)
    call_command("verify_receipt", str(file))
    assert "valid, signed with key" in capsys.readouterr().out
    document = json.loads(printed)
    assert (document["erased"]["kind"], document["erased"]["faces"]) == ("tenant", 1)
    assert {store["store"]: store["left"] for store in document["stores"]}["data keys"] == 0
    file.write_text(printed.replace('"faces": 1', '"faces": 0'))
    with pytest.raises(CommandError, match="NOT VALID"):
        call_command("verify_receipt", str(file))
    file.write_text(json.dumps({"id": "x", "state": "complete", "document": document}))  # as GET /receipts/ID answers
    call_command("verify_receipt", str(file))
    assert "valid, signed with key" in capsys.readouterr().out
    file.write_text(json.dumps({"id": "x", "state": "pending", "document": None}))
    with pytest.raises(CommandError, match="not signed yet"):
        call_command("verify_receipt", str(file))

    tenant = Tenant.objects.get(pk=acme.tenant.pk)
    assert (tenant.state, tenant.name) == ("erased", "")
    with pytest.raises(UnknownKey):
        caller_for_key(acme.issued.key.pk, acme.issued.secret, via="tests")
    for model in (Collection, Face, Person, Embedding, Gallery, Tombstone, DataKey):
        assert not model.objects.of(tenant).exists()
    with pytest.raises(SealBroken):
        Vault.of(tenant).open(sealed, "template:1")
    with pytest.raises(MasterKeyUnusable):
        Vault.of(tenant).seal(b"x", "y")
    assert before is not None
    assert files(stored) == 0
    assert audit.verify(tenant).sound

    found = search_by_image(globex.caller, collection="people", image=portrait("obama"))
    assert [match.face.uuid for match in found.matches] == [theirs.uuid]


def test_a_public_key_is_enough_to_check_a_receipt(
    acme: Customer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = delete_face(acme.caller, collection="people", face=enrol(acme, "obama", "bo").uuid)
    tasks.finish_erasure(receipt.pk)
    receipt.refresh_from_db()
    call_command("public_keys")
    pem = capsys.readouterr().out.encode()
    signing.check(receipt.document, signing.from_pem(pem))
    with pytest.raises(SignatureBroken):
        signing.from_pem(b"no key")
