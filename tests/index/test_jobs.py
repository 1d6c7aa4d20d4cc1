"""Jobs: background work is reported correctly, and only to its tenant."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from collections_app.errors import JobNotFound
from collections_app.models import HealthReport, Receipt
from collections_app.operations.collections import create_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.health import examine
from collections_app.operations.index import rebuild
from collections_app.operations.jobs import Job, get_job, list_jobs
from collections_app.tasks import finish_erasure
from recognition import tasks
from recognition.index.lease import Lease
from recognition.index.local import LocalIndex
from recognition.models import Compaction
from tenants import keys
from tenants.access import Caller, Scope, caller_for_key
from tests.conftest import Customer
from tests.index.gallery import enrol, people
from tests.make import portrait


def _ids(caller: Caller) -> list[str]:
    return [job.id for job in list_jobs(caller, limit=50).jobs]


def _by_twos(caller: Caller) -> list[Job]:
    """Return every job, read in pages of two."""
    seen: list[Job] = []
    more = True
    while more:
        page = list_jobs(caller, limit=2, before=seen[-1].place if seen else None)
        seen += page.jobs
        more = page.more
    return seen


def _indexed(customer: Customer) -> None:
    """Give the customer's collection one segment."""
    enrol(LocalIndex(segmented=True), customer.people, people(np.random.default_rng(1), 100, 1))
    tasks.compact_due.run()


def _erased(customer: Customer, collection: str = "people") -> Receipt:
    face = enrol_face(customer.caller, collection=collection, image=portrait("obama"), person=PersonDetails()).faces[0]
    return delete_face(customer.caller, collection=collection, face=face.uuid)


def test_a_rebuild_waits_runs_and_is_done(acme: Customer) -> None:
    """Rows done, seconds left and times are those of the work; the list holds only jobs that are not over."""
    _indexed(acme)
    job = rebuild(acme.caller, collection="people")
    assert (job.state, job.started_at, job.finished_at, job.rows_done) == ("waiting", None, None, None)
    assert _ids(acme.caller) == [job.id]

    lease = Lease.take(acme.people.gallery)
    assert lease
    assert get_job(acme.caller, job=job.id).state == "running"
    lease.progress("building", 25, 100)
    Compaction.objects.of(acme.tenant).update(stage_began_at=timezone.now() - timedelta(seconds=10))
    running = get_job(acme.caller, job=job.id)
    assert (running.state, running.stage, running.rows_done, running.rows_total) == ("running", "building", 25, 100)
    assert running.progress == 0.25
    assert running.seconds_left == pytest.approx(30, abs=1)
    assert running.started_at
    assert _ids(acme.caller) == [job.id]

    lease.release()
    assert get_job(acme.caller, job=job.id).state == "waiting"
    tasks.compact_due.run()
    done = get_job(acme.caller, job=job.id)
    assert (done.state, done.stage, done.rows_done, done.seconds_left) == ("done", "", None, None)
    assert done.started_at
    assert done.finished_at
    assert done.started_at <= done.finished_at
    assert _ids(acme.caller) == []


def test_what_failed_waits_and_says_why(acme: Customer) -> None:
    lease = Lease.take(acme.people.gallery)
    assert lease
    lease.progress("building", 1, 4)
    lease.release(fault="OSError")
    (job,) = list_jobs(acme.caller, limit=50).jobs
    assert (job.state, job.fault, job.stage) == ("waiting", "OSError", "")
    assert Compaction.objects.of(acme.tenant).get().finished_at is None
    Compaction.objects.of(acme.tenant).update(leased_until=None)
    again = Lease.take(acme.people.gallery)
    assert again
    assert get_job(acme.caller, job=job.id).fault == ""
    again.release()
    assert get_job(acme.caller, job=job.id).finished_at
    assert _ids(acme.caller) == []


def test_the_work_of_a_killed_worker_waits(acme: Customer) -> None:
    lease = Lease.take(acme.people.gallery)
    assert lease
    lease.progress("building", 1, 4)
    Compaction.objects.of(acme.tenant).update(leased_until=timezone.now() - timedelta(seconds=1))
    (job,) = list_jobs(acme.caller, limit=50).jobs
    assert (job.state, job.started_at, job.seconds_left) == ("waiting", None, None)


def test_a_collection_that_needs_no_segments_is_done_at_once(acme: Customer) -> None:
    job = rebuild(acme.caller, collection="people")
    assert (job.state, job.started_at) == ("done", None)
    assert get_job(acme.caller, job=job.id) == job
    assert _ids(acme.caller) == []


def test_a_look_at_the_health_tells_how_far_it_is(acme: Customer) -> None:
    report = examine(acme.caller, collection="people")
    (waiting,) = list_jobs(acme.caller, limit=50).jobs
    assert (waiting.state, waiting.progress, waiting.started_at) == ("waiting", 0, None)
    began = timezone.now() - timedelta(seconds=20)
    reports = HealthReport.objects.of(acme.tenant)
    reports.update(state="running", progress=40, began_at=began)
    running = get_job(acme.caller, job=waiting.id)
    assert (running.state, running.progress, running.started_at) == ("running", 0.4, began)
    assert running.seconds_left == pytest.approx(30, abs=1)
    reports.update(state="failed")
    failed = get_job(acme.caller, job=f"health-{report.pk}")
    assert (failed.state, failed.seconds_left) == ("failed", None)
    assert _ids(acme.caller) == []


@pytest.mark.django_db(transaction=True)
def test_an_erasure_waits_until_nothing_is_left(acme: Customer) -> None:
    receipt = _erased(acme)
    (job,) = list_jobs(acme.caller, limit=50).jobs
    assert (job.id, job.state, job.finished_at) == (f"erasure-{receipt.uuid}", "waiting", None)
    finish_erasure.run(receipt.pk)
    done = get_job(acme.caller, job=job.id)
    assert done.state == "done"
    assert done.finished_at
    assert _ids(acme.caller) == []


def test_pages_join_without_gap_or_overlap(acme: Customer) -> None:
    """Jobs of three kinds, in one order."""
    create_collection(acme.caller, name="other")
    _erased(acme)
    examine(acme.caller, collection="people")
    lease = Lease.take(acme.people.gallery)
    assert lease
    _erased(acme, "other")
    examine(acme.caller, collection="other")
    assert [job.kind for job in _by_twos(acme.caller)] == ["health", "erasure", "index", "health", "erasure"]
    now = timezone.now()
    Receipt.objects.of(acme.tenant).update(requested_at=now)
    HealthReport.objects.of(acme.tenant).update(created_at=now)
    Compaction.objects.of(acme.tenant).update(began_at=now)
    at_once = [job.id for job in _by_twos(acme.caller)]
    assert (len(at_once), set(at_once)) == (5, set(_ids(acme.caller)))


def test_a_key_of_one_collection_sees_its_jobs_only_and_a_stranger_none(acme: Customer, globex: Customer) -> None:
    """Check 4: neither in the list nor by id."""
    other = create_collection(acme.caller, name="other")
    _erased(acme)
    examine(acme.caller, collection="people")
    assert Lease.take(acme.people.gallery)
    mine = _ids(acme.caller)
    assert len(mine) == 3
    issued = keys.issue(acme.tenant, name="other", scopes=list(Scope), collections=[other.pk])
    narrow = caller_for_key(issued.key.pk, issued.secret, via="tests")
    for caller in (narrow, globex.caller):
        assert _ids(caller) == []
        for job in mine:
            with pytest.raises(JobNotFound):
                get_job(caller, job=job)
