"""A bundle made by jobs: through the native API and the console, by several workers, and gone after an erasure."""

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from collections_app import bulk, bundle, tasks
from collections_app.bundle import Seal
from collections_app.errors import JobOver
from collections_app.jobs import engine
from collections_app.models import BulkJob, JobFile
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.exports import begin_export, fetch_bundle
from collections_app.operations.import_bundle import Place, import_collection
from tenants import keys
from tenants.access import ALL_SCOPES, Scope, caller_for_member, system
from tenants.errors import OwnerNeeded, ScopeMissing
from tenants.models import AuditEntry, Member
from tests.collections_app.erasures import acme_with_images, stored
from tests.collections_app.test_bundle import IDENTITY, SEAL
from tests.conftest import Customer
from tests.make import portrait

__all__ = ["acme_with_images", "stored"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def filled(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> Customer:
    """Two faces, which are exported as two pieces."""
    monkeypatch.setattr("collections_app.operations.export_bundle.FACES_A_PART", 1)
    for name in ("obama", "sunak"):
        enrol_face(acme.caller, collection="people", image=portrait(name), person=PersonDetails(reference=name))
    return acme


def worked(customer: Customer) -> BulkJob:
    """Do what is queued, as a worker does."""
    job: BulkJob = BulkJob.objects.of(customer.tenant).select_related("tenant", "collection__gallery").get()
    engine.work(job, 60)
    job.refresh_from_db()
    return job


def opened(customer: Customer, job: str) -> bundle.Bundle:
    _, content = fetch_bundle(customer.caller, job=job)
    return bundle.read(io.BytesIO(b"".join(content)), identity=str(IDENTITY))


def test_it_is_the_bundle_that_the_command_writes(filled: Customer, globex: Customer) -> None:
    asked = begin_export(filled.caller, collection="people", recipients=SEAL.recipients, images=True)
    with pytest.raises(JobOver):
        fetch_bundle(filled.caller, job=asked.id)
    assert worked(filled).state == BulkJob.State.DONE
    whole = opened(filled, asked.id)
    assert whole.manifest["counts"] == {"people": 2, "faces": 2, "images": 2}
    done = import_collection(globex.caller, bundle=whole, place=Place(ids="new", name="copy"))
    assert (done.added["faces"], done.added["images"]) == (2, 2)
    assert list(JobFile.objects.of(filled.tenant).values_list("name", flat=True)) == ["bundle"]
    actions = set(AuditEntry.objects.of(filled.tenant).values_list("action", flat=True))
    assert {"collection.exported", "job.ended", "job.bundle_read"} <= actions


def test_a_worker_killed_at_any_unit_or_while_joining_changes_nothing(
    filled: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each settles one unit and is gone before the next; at last two join the parts, of whom the first is killed."""
    asked = begin_export(filled.caller, collection="people", recipients=SEAL.recipients)
    settle, left = bulk.settle, iter(range(1, 100))

    def killed(*arguments: Any, **more: Any) -> None:
        if next(left) % 2:
            raise KeyboardInterrupt
        settle(*arguments, **more)

    monkeypatch.setattr(bulk, "settle", killed)
    job = BulkJob.objects.of(filled.tenant).select_related("tenant", "collection__gallery").get()
    monkeypatch.setattr(bulk, "LEASE", bulk.LEASE * 0)
    for _ in range(20):
        try:
            engine.work(job, 60)
        except KeyboardInterrupt:
            continue
        break
    monkeypatch.undo()
    job.refresh_from_db()
    assert job.state == BulkJob.State.DONE
    assert opened(filled, asked.id).manifest["counts"]["faces"] == 2


def test_parts_are_joined_again_after_a_kill(filled: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = begin_export(filled.caller, collection="people", recipients=SEAL.recipients)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(bundle.Writer, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            worked(filled)
    BulkJob.objects.of(filled.tenant).update(leased_until=None)
    assert worked(filled).state == BulkJob.State.DONE
    assert opened(filled, asked.id).manifest["counts"]["faces"] == 2


def test_an_erasure_removes_a_bundle_that_may_have_the_face(filled: Customer) -> None:
    asked = begin_export(filled.caller, collection="people", recipients=SEAL.recipients)
    worked(filled)
    face = filled.people.faces.first()
    assert face
    receipt = delete_face(filled.caller, collection="people", face=face.uuid)
    tasks.finish_erasure.run(receipt.pk)
    receipt.refresh_from_db()
    assert receipt.completed_at
    with pytest.raises(JobOver):
        fetch_bundle(filled.caller, job=asked.id)


def test_the_native_api(filled: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The passphrase is nowhere; the answer goes on from an offset."""
    monkeypatch.setattr(Seal, "under", classmethod(lambda cls, _: cls(SEAL.recipients, b"sealed identity")))
    token = keys.issue(filled.tenant, name="all", scopes=ALL_SCOPES).token
    http = Client(headers={"x-api-key": token})
    body = {"passphrase": "correct horse battery staple"}
    asked = http.post("/api/v1/collections/people/exports", json.dumps(body), content_type="application/json")
    assert asked.status_code == 202, asked.content
    assert asked.json()["bulk"]["options"].keys() == {"images", "recipients"}
    early = http.get(f"/api/v1/jobs/{asked.json()['id']}/bundle")
    assert (early.status_code, early.json()["code"]) == (409, "job_over")
    job = worked(filled)
    assert "horse" not in json.dumps(job.options)
    path = f"/api/v1/jobs/{asked.json()['id']}/bundle"
    whole = b"".join(http.get(path))
    assert b"".join(http.get(f"{path}?offset=1000")) == whole[1000:]
    assert b"sealed identity" in whole
    less = Client(headers={"x-api-key": filled.issued.token})
    refused = less.post("/api/v1/collections/people/exports", json.dumps(body), content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert less.get(path).status_code == 403
    for wrong in ({}, {"passphrase": "short"}, {"recipients": ["age1"]}, body | {"recipients": SEAL.recipients}):
        answer = http.post("/api/v1/collections/people/exports", json.dumps(wrong), content_type="application/json")
        assert answer.status_code == 422, answer.content


def test_members_must_be_owners(filled: Customer) -> None:
    for role in ("owner", "admin"):
        user = User.objects.create_user(role)
        Member.unscoped.create(tenant=filled.tenant, user=user, role=role)
        caller = caller_for_member(user, "acme")
        assert caller
        if role == "owner":
            begin_export(caller, collection="people", recipients=SEAL.recipients)
        else:
            with pytest.raises(OwnerNeeded):
                begin_export(caller, collection="people", recipients=SEAL.recipients)
    with pytest.raises(ScopeMissing):
        begin_export(system(filled.tenant, "tests", {Scope.ADMIN}), collection="people")
