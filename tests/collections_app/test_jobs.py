"""Bulk jobs: units are done once whatever happens to workers, and jobs are cancelled, resumed, bounded and erased."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collections_app import bulk, stores
from collections_app.erasure import erase_tenant
from collections_app.errors import JobNotFound, JobOver
from collections_app.jobs import engine
from collections_app.jobs.kind import Run
from collections_app.models import BulkJob, Face, JobFile, JobUnit, Receipt
from collections_app.operations import bulk_jobs, imports
from collections_app.operations.collections import delete_collection
from collections_app.operations.erase import delete_face
from collections_app.operations.imports import ImportOptions
from collections_app.operations.jobs import Job, get_job, list_jobs
from collections_app.tasks import finish_erasure, purge_collection, work_due, work_on_job
from recognition.admission import AdmissionQueue
from recognition.errors import Busy
from tenants import keys
from tenants.access import Scope, caller_for_key
from tenants.errors import QuotaExceeded, ScopeMissing
from tenants.models import ApiKey
from tests.collections_app.erasures import stored
from tests.conftest import Customer
from tests.make import blank, portrait

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]
__all__ = ["stored"]
PICTURES = {"obama/1.jpg": portrait("obama"), "sunak/1.jpg": portrait("sunak"), "nobody/1.png": blank()}


def archive(pictures: dict[str, bytes]) -> bytes:
    """Return a ZIP."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in pictures.items():
            file.writestr(name, content)
    return packed.getvalue()


def begun(customer: Customer, pictures: dict[str, bytes] = PICTURES, manifest: bytes = b"", **options: Any) -> BulkJob:
    """Return a started import."""
    content = archive(pictures) if pictures else b""
    job = imports.receive(
        customer.caller, collection="people", options=ImportOptions(**options), archive=content, manifest=manifest
    )
    return row(customer, job)


def row(customer: Customer, job: Job) -> BulkJob:
    found: BulkJob = (
        BulkJob.objects.of(customer.tenant)
        .select_related("tenant", "collection__gallery__tenant")
        .get(pk=int(job.id.partition("-")[2]))
    )
    return found


def done(job: BulkJob) -> BulkJob:
    """Do all of the job."""
    job.refresh_from_db()
    while engine.work(job, 30):
        pass
    job.refresh_from_db()
    return job


def _step(stage: str, run: Run) -> bool:
    """Do one step of a job only."""
    return engine._STEPS[BulkJob.Stage(stage)](run)  # noqa: SLF001 -- a worker that is killed after it


def told(customer: Customer, job: BulkJob) -> list[dict[str, Any]]:
    return list(bulk_jobs.report(customer.caller, job=str(job)))


def names(customer: Customer) -> list[str]:
    faces = Face.objects.of(customer.tenant).select_related("person").order_by("number")
    return [face.person.reference for face in faces]


def test_a_job_tells_what_it_does_and_what_came_of_it(acme: Customer) -> None:
    job = begun(acme)
    waiting = get_job(acme.caller, job=str(job))
    assert (waiting.state, waiting.stage, waiting.progress) == ("running", "plan", None)
    assert [each.id for each in list_jobs(acme.caller, limit=5).jobs] == [str(job)]
    assert _step(job.stage, Run(acme.caller, job, bulk.vault_of(job)))
    assert get_job(acme.caller, job=str(job)).rows_total == 3
    over = get_job(acme.caller, job=str(done(job)))
    assert (over.state, over.stage, over.progress, over.rows_done) == ("done", "", 1.0, 3)
    assert over.bulk
    assert over.bulk.counts == {"enrolled": 2, "refused": 1}
    assert over.bulk.rate
    assert names(acme) == ["obama", "sunak"]
    lines = told(acme, job)
    assert [line["outcome"] for line in lines] == ["enrolled", "enrolled", "refused"]
    assert lines[2]["error"] == "no_face"
    assert lines[0]["face"] == Face.objects.of(acme.tenant).get(person__reference="obama").uuid
    assert list_jobs(acme.caller, limit=5).jobs == ()
    assert [each.id for each in bulk_jobs.list_bulk_jobs(acme.caller, limit=5).jobs] == [str(job)]


def test_a_unit_whose_lease_ended_is_done_by_another_worker_and_once(acme: Customer) -> None:
    """A suspended worker wakes up with a lease that another has: what it did is rolled back."""
    job = begun(acme, {"obama/1.jpg": portrait("obama")})
    vault = bulk.vault_of(job)
    run, other = Run(acme.caller, job, vault), Run(acme.caller, job, vault)
    assert _step("plan", run)
    first = bulk.claim(job, vault, run.token, 1)
    assert first
    assert bulk.claim(job, vault, other.token, 1) == []
    JobUnit.objects.of(acme.tenant).update(leased_until=timezone.now() - timedelta(seconds=1))
    second = bulk.claim(job, vault, other.token, 1)
    engine.KINDS[job.kind].do(other, second)
    with pytest.raises(bulk.LeaseLost):
        engine.KINDS[job.kind].do(run, first)
    assert names(acme) == ["obama"]


def test_a_plan_that_was_killed_is_made_again_and_doubles_nothing(acme: Customer) -> None:
    job = begun(acme)
    vault = bulk.vault_of(job)
    bulk.add_units(job, vault, 0, list(engine.KINDS[job.kind].plan(Run(acme.caller, job, vault)))[:2])
    assert bulk.counts(done(job)) == {"enrolled": 2, "refused": 1}


def test_a_unit_that_kills_its_workers_is_given_up(acme: Customer) -> None:
    job = begun(acme, {"obama/1.jpg": portrait("obama")})
    assert _step("plan", Run(acme.caller, job, bulk.vault_of(job)))
    JobUnit.objects.of(acme.tenant).update(attempts=bulk.MOST_ATTEMPTS)
    done(job)
    assert told(acme, job)[0]["error"] == "not_finished"


def test_a_cancelled_job_goes_on_where_it_was(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.KINDS["import"], "AT_ONCE", 1)
    job = begun(acme)
    run = Run(acme.caller, job, bulk.vault_of(job))
    assert _step("plan", run)
    assert _step("work", run)
    assert bulk_jobs.cancel_job(acme.caller, job=str(job)).state == "cancelled"
    assert not engine.work(job, 30)
    assert names(acme) == ["obama"]
    assert bulk_jobs.cancel_job(acme.caller, job=str(job)).state == "cancelled"
    assert bulk_jobs.resume_job(acme.caller, job=str(job)).state == "running"
    assert done(job).state == "done"
    assert names(acme) == ["obama", "sunak"]


def test_refused_items_are_tried_again_and_nothing_else(acme: Customer) -> None:
    job = done(begun(acme))
    with pytest.raises(JobOver):
        bulk_jobs.resume_job(acme.caller, job=str(job))
    bulk_jobs.resume_job(acme.caller, job=str(job), refused=True)
    assert bulk.counts(job)[bulk.OPEN] == 1
    assert bulk.counts(done(job)) == {"enrolled": 2, "refused": 1}


def test_a_job_ends_with_the_rights_of_who_asked(acme: Customer) -> None:
    issued = keys.issue(acme.tenant, name="x", scopes=[Scope.READ, Scope.ENROL])
    job = begun(acme)
    BulkJob.objects.of(acme.tenant).update(actor_kind="key", actor_id=issued.key.pk)
    job.refresh_from_db()
    ApiKey.objects.of(acme.tenant).filter(pk=issued.key.pk).update(revoked_at=timezone.now())
    assert done(job).state == "failed"
    assert "no access" in job.fault
    assert names(acme) == []


def test_who_may_only_read_changes_no_job(acme: Customer, globex: Customer) -> None:
    job = begun(acme)
    reader = keys.issue(acme.tenant, name="x", scopes=[Scope.READ])
    caller = caller_for_key(reader.key.pk, reader.secret, via="native")
    for change in (bulk_jobs.cancel_job, bulk_jobs.resume_job):
        with pytest.raises(ScopeMissing):
            change(caller, job=str(job))
        with pytest.raises(JobNotFound):
            change(globex.caller, job=str(job))
    with pytest.raises(JobNotFound):
        get_job(globex.caller, job=str(job))


def test_a_tenant_has_few_jobs_at_once(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_ACTIVE", 1)
    done(begun(acme))
    begun(acme)
    with pytest.raises(QuotaExceeded, match="jobs"):
        begun(acme)


@pytest.mark.django_db(transaction=True)
def test_an_erased_face_leaves_nothing_in_its_job(acme: Customer, stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the job is under way the receipt waits, since the received archive shows the face."""
    monkeypatch.setattr(engine.KINDS["import"], "AT_ONCE", 1)
    job = begun(acme)
    run = Run(acme.caller, job, bulk.vault_of(job))
    assert _step("plan", run)
    assert _step("work", run)
    receipt = delete_face(acme.caller, collection="people", face=Face.objects.of(acme.tenant).get().uuid)
    finish_erasure.run(receipt.pk)
    receipt.refresh_from_db()
    assert receipt.completed_at is None
    assert told(acme, job)[0] == {"number": 1, "outcome": "enrolled"}
    done(job)
    assert JobFile.objects.of(acme.tenant).exists()  # a refused item may be tried again
    finish_erasure.run(receipt.pk)
    receipt.refresh_from_db()
    assert receipt.completed_at
    assert not JobFile.objects.of(acme.tenant).exists()
    assert not list((stored / "jobs").rglob("0*"))


@pytest.mark.django_db(transaction=True)
def test_a_deleted_collection_takes_its_jobs_along(acme: Customer, stored: Any) -> None:
    job = begun(acme)
    receipt = delete_collection(acme.caller, name="people")
    assert not engine.work(job, 30)
    purge_collection.run(acme.people.pk)
    assert not BulkJob.objects.of(acme.tenant).exists()
    assert [file for file in (stored / "jobs").rglob("*") if file.is_file()] == []
    found = Receipt.objects.of(acme.tenant).get(pk=receipt.pk)
    assert stores.JOBS.left(found) == 0


def test_what_is_past_its_time_is_removed(acme: Customer, stored: Any) -> None:
    job = done(begun(acme))
    long_ago = timezone.now() - timedelta(days=2)
    BulkJob.objects.of(acme.tenant).update(finished_at=long_ago)
    work_due.run()
    assert [file for file in (stored / "jobs").rglob("*") if file.is_file()] == []
    assert told(acme, job)
    BulkJob.objects.of(acme.tenant).update(finished_at=long_ago - timedelta(days=30))
    work_due.run()
    assert not BulkJob.objects.of(acme.tenant).exists()


def test_a_run_too_many_ends_at_once(acme: Customer, settings: Any) -> None:
    settings.COMPUTE_SLOTS = 0  # and one more
    job = begun(acme)
    assert _step("plan", Run(acme.caller, job, bulk.vault_of(job)))
    assert bulk.claim(job, bulk.vault_of(job), "another", 1)
    work_on_job.run(job.pk)
    assert names(acme) == []


def test_jobs_compute_only_where_no_request_has_to_wait(tmp_path: Any) -> None:
    queue = AdmissionQueue(tmp_path / "queue", slots=2, queue=8, seconds=0.5)
    with queue.admit(1, job=True), queue.admit(1, job=True):
        pass  # without requests both slots are free for jobs
    with queue.admit(7):
        pass
    with queue.admit(1, job=True):
        assert json.dumps(queue.counts()) == '{"held": 1, "waiting": 0}'
        with pytest.raises(Busy), queue.admit(2, job=True):
            pass  # a request came just now: one slot stays for the next
        with queue.admit(7):
            pass


@pytest.mark.django_db(transaction=True)
def test_a_tenant_that_is_erased_during_its_job_leaves_nothing(acme: Customer, stored: Any) -> None:
    job = begun(acme)
    run = Run(acme.caller, job, bulk.vault_of(job))
    assert _step("plan", run)
    erase_tenant(acme.caller)
    assert not engine.work(job, 30)
    with pytest.raises(bulk.LeaseLost):
        bulk.keep(job, run.token)
    assert not JobUnit.objects.of(acme.tenant).exists()
    assert [file for file in (stored / "jobs").rglob("*") if file.is_file()] == []


def test_the_same_import_twice_at_once_is_done_once(acme: Customer) -> None:
    first, second = begun(acme), begun(acme)
    assert _step("plan", Run(acme.caller, first, bulk.vault_of(first)))
    assert done(second).state == "failed"
    assert f"The job {first} is importing the same pictures" in second.fault
    assert done(first).state == "done"
    assert names(acme) == ["obama", "sunak"]
