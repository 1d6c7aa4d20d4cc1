"""A whole tenant leaves as a sealed bundle; elsewhere its audit log is verified, and goes on."""

import io
from pathlib import Path
from typing import Any

import pyrage
import pytest
from django.core.management import CommandError, call_command

from collections_app import bundle, tasks
from collections_app.bundle import Bundle, Seal
from collections_app.errors import InvalidRequest
from collections_app.models import Collection, Face, Receipt
from collections_app.operations.collections import create_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.export_tenant import export_tenant
from collections_app.operations.import_tenant import import_tenant
from collections_app.operations.keys import issue_key, rotate_key
from collections_app.operations.search import search_by_image
from collections_app.operations.webhooks import create_webhook
from tenants import audit, events, keys, signing
from tenants.access import ALL_SCOPES, Scope, caller_for_key, system
from tenants.errors import ScopeMissing, UnknownKey
from tenants.models import ApiKey, AuditEntry, Tenant, Webhook
from tests.conftest import Customer
from tests.make import portrait

IDENTITY = pyrage.x25519.Identity.generate()
SEAL = Seal.towards(str(IDENTITY.to_public()))


@pytest.fixture
def left(acme: Customer) -> Customer:
    """The tenant with two collections, a face in each, an erasure, a webhook, and a key that issued another."""
    create_collection(acme.caller, name="gate", images="original")
    for name in ("people", "gate"):
        person = PersonDetails(reference=name)
        enrol_face(acme.caller, collection=name, image=portrait("obama"), person=person)
    gone = enrol_face(acme.caller, collection="gate", image=portrait("sunak"), person=PersonDetails()).faces[0]
    tasks.finish_erasure.run(delete_face(acme.caller, collection="gate", face=gone.uuid).pk)
    create_webhook(acme.caller, url="https://example.com/hook", kinds=["face.enrolled"])
    issuer = caller_for_key(acme.issued.key.pk, acme.issued.secret, via="tests")
    issue_key(issuer, name="door", scopes=["search"], collections=["gate"])
    keys.issue(acme.tenant, name="sdk", scopes=["search"], signs=True)
    acme.tenant.face_quota = 1_000
    acme.tenant.save()
    return acme


def exported(customer: Customer) -> bytes:
    out = io.BytesIO()
    counts = export_tenant(customer.caller, out=out, seal=SEAL, images=True)
    assert (counts["collections"], counts["faces"]) == (2, 2)
    return out.getvalue()


def opened(content: bytes) -> Bundle:
    return bundle.read(io.BytesIO(content), identity=str(IDENTITY))


def forgotten(customer: Customer) -> None:
    """Make the ids free, as they are on another server."""
    for model in (Collection, Receipt, Webhook, ApiKey, AuditEntry):
        model.objects.of(customer.tenant).all().delete()


@pytest.mark.django_db(transaction=True)
def test_it_arrives_as_it_was(left: Customer) -> None:
    before = list(audit.chained(left.tenant).order_by("number").values_list("digest", flat=True))
    face = search_by_image(left.caller, collection="gate", image=portrait("obama")).matches[0].face.uuid
    secret = events.secret_of(Webhook.objects.of(left.tenant).get())
    content = exported(left)
    forgotten(left)
    tenant, _ = import_tenant(opened(content), "moved")
    assert (tenant.name, tenant.face_quota) == ("Acme", 1_000)
    caller = system(tenant, "tests")
    assert search_by_image(caller, collection="gate", image=portrait("obama")).matches[0].face.uuid == face
    hook = Webhook.objects.of(tenant).get()
    assert (hook.active, hook.url, events.secret_of(hook)) == (False, "https://example.com/hook", secret)
    after = list(audit.chained(tenant).order_by("number").values_list("digest", flat=True))
    assert after[: len(before)] == before
    assert audit.verify(tenant).sound
    receipt = Receipt.objects.of(tenant).get()
    signing.check(receipt.document)
    assert receipt.collection == Collection.objects.of(tenant).get(name="gate")


@pytest.mark.django_db(transaction=True)
def test_keys_come_without_secrets(left: Customer) -> None:
    content = exported(left)
    assert left.issued.secret.encode() not in content
    forgotten(left)
    tenant, _ = import_tenant(opened(content), "moved")
    found = {key.name: key for key in ApiKey.objects.of(tenant)}
    door = found["door"]
    assert (door.parent, door.scopes) == (found["tests"], ["search"])
    assert door.collections == [Collection.objects.of(tenant).get(name="gate").pk]
    assert found["sdk"].signs
    with pytest.raises(UnknownKey):
        caller_for_key(left.issued.key.pk, left.issued.secret, via="tests")
    new = rotate_key(system(tenant, "tests"), key=left.issued.key.pk)
    assert caller_for_key(new.key.pk, new.secret, via="tests").tenant == tenant


@pytest.mark.django_db(transaction=True)
def test_a_copy_beside_it_and_an_import_that_was_stopped(left: Customer) -> None:
    """The ids are taken, so each gets another one; stopped after each part, as if killed, it is finished."""
    whole = opened(exported(left))
    with pytest.raises(InvalidRequest, match="new ids"):
        import_tenant(whole, "moved")
    for end in range(1, len(whole.parts) + 1):
        if whole.parts[end - 1].kind in {"tenant", "audit"}:
            continue
        cut = Bundle(whole.manifest, whole.parts[:end], *(getattr(whole, name) for name in whole.__slots__[2:]))
        tenant, _ = import_tenant(cut, "copy", "new")
    assert (Face.objects.of(tenant).count(), ApiKey.objects.of(tenant).count()) == (2, 3)
    assert Receipt.objects.of(tenant).count() == Webhook.objects.of(tenant).count() == 1
    assert audit.verify(tenant).sound
    assert not set(Face.objects.of(tenant).values_list("uuid")) & set(Face.objects.of(left.tenant).values_list("uuid"))


def test_a_log_that_was_changed_makes_no_tenant(acme: Customer) -> None:
    """Who has the key of the bundle can change its rows, but not the log: it is proven before anything is made."""
    out = io.BytesIO()
    export_tenant(acme.caller, out=out, seal=SEAL)
    old, changed = opened(out.getvalue()), io.BytesIO()
    writer = bundle.Writer(changed, SEAL, "tenant")
    for part in old.parts:
        rows = old.rows(part)
        if part.kind == "audit":
            rows[0]["actor_name"] = "somebody else"
        writer.add(*bundle.seal_part(SEAL, writer.next_number, part.kind, part.collection, rows))
    writer.finish({name: old.manifest[name] for name in ("id", "packs")}, dict)
    with pytest.raises(InvalidRequest, match="audit log"):
        import_tenant(opened(changed.getvalue()), "moved")
    assert not Tenant.objects.filter(slug="moved").exists()


def test_it_takes_the_whole_tenant(acme: Customer) -> None:
    for missing in (Scope.ADMIN, Scope.SCORES, Scope.AUDIT):
        with pytest.raises(ScopeMissing):
            export_tenant(system(acme.tenant, "tests", ALL_SCOPES - {missing}), out=io.BytesIO(), seal=SEAL)


def test_the_commands(acme: Customer, tmp_path: Path) -> None:
    file, key, said = tmp_path / "acme.bundle", tmp_path / "key", io.StringIO()
    key.write_text(str(IDENTITY))
    call_command("export_tenant", "acme", str(file), recipient=SEAL.recipients, stderr=io.StringIO())
    read: Any = ("import_bundle", "copy", str(file), "--ids", "new", "--identity-file", str(key))
    call_command(*read, stdout=said)
    assert "Tenant copy: rotate its keys" in said.getvalue()
    call_command("verify_audit", "--tenant", "copy", stdout=said)
    assert "copy: whole" in said.getvalue()
    with pytest.raises(CommandError, match="slug"):
        call_command("import_bundle", "acme", str(file), "--ids", "new", "--identity-file", str(key))
