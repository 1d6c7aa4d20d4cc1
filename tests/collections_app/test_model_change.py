"""A collection's pack changes while it answers: filled, compared, switched, rolled back, ended with a receipt.

Longer than 300 lines: every test begins with the same change.
"""

import dataclasses
import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from collections_app import bulk, calibration, erasure, galleries
from collections_app.errors import InvalidRequest, JobNotFound
from collections_app.examine import analyse
from collections_app.jobs import engine
from collections_app.model_comparison import compare
from collections_app.models import BulkJob, Collection, Face, ModelChange, Receipt, SearchRecord
from collections_app.operations import bulk_jobs
from collections_app.operations.collections import delete_collection, find, update_collection
from collections_app.operations.erase import delete_face
from collections_app.operations.jobs import get_job
from collections_app.operations.model_changes import (
    begin_model_change,
    changed_answers,
    compare_again,
    end_model_change,
    get_model_change,
    must_come_again,
    roll_back_model,
    switch_model,
)
from collections_app.operations.search import search_by_image
from collections_app.tasks import calibrate_collection, finish_erasure, purge_collection, purge_due
from recognition import packs
from recognition.errors import Busy
from recognition.index import compaction, face_index, store
from recognition.index.lease import Lease
from recognition.models import Calibration, Embedding, Gallery, Tombstone
from tenants import signing
from tenants.access import Scope
from tenants.errors import ScopeMissing
from tenants.models import AuditEntry
from tests.collections_app.calibrated import close_people, enrol_people
from tests.collections_app.erasures import acme_with_images, enrol, stored
from tests.conftest import Customer
from tests.make import portrait, side_by_side

__all__ = ["acme_with_images", "stored"]
pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("obama", "sunak", "ardern_2018", "macron_2025")


@pytest.fixture
def filled(acme: Customer) -> Customer:
    """Four people, whose images are kept."""
    for name in NAMES:
        enrol(acme, name, name)
    return acme


def job_of(customer: Customer) -> BulkJob:
    rows = BulkJob.objects.of(customer.tenant).select_related("tenant", "collection__gallery__tenant")
    found: BulkJob = rows.order_by("-created_at")[0]
    return found


def worked(customer: Customer) -> BulkJob:
    """Do what is queued, as a worker does."""
    job = job_of(customer)
    engine.work(job, 60)
    job.refresh_from_db()
    return job


def ready(customer: Customer, **options: Any) -> None:
    """Begin a change, and do its job."""
    begin_model_change(customer.caller, collection="people", pack="accurate", **options)
    assert worked(customer).state == BulkJob.State.DONE


def who(customer: Customer, image: str) -> tuple[str | None, str]:
    """Return whom a search finds, and by which pack."""
    found = search_by_image(customer.caller, collection="people", image=portrait(image))
    return (found.matches[0].face.person.reference if found.matches else None), found.record.pack


def everybody(customer: Customer) -> list[tuple[int, str, int, str]]:
    faces = Face.objects.of(customer.tenant).order_by("number")
    return list(faces.values_list("pk", "uuid", "number", "person__reference"))


def held(customer: Customer, pack: str) -> set[int]:
    rows = Embedding.objects.of(customer.tenant).filter(gallery__pack=pack)
    return set(rows.values_list("face_id", flat=True))


def test_a_pack_changes_and_changes_back_and_all_else_stays(filled: Customer) -> None:
    before, policy = everybody(filled), find(filled.caller, "people")
    asked = begin_model_change(filled.caller, collection="people", pack="accurate", retention_days=3)
    assert (asked.change.state, asked.filled, asked.lacking_people) == ("filling", 0, 4)
    assert who(filled, "obama") == ("obama", "light")
    with pytest.raises(InvalidRequest):
        switch_model(filled.caller, collection="people")
    assert worked(filled).state == "done"
    now = get_model_change(filled.caller, collection="people")
    assert (now.change.state, now.filled, now.lacking_people) == ("ready", 4, 0)
    assert who(filled, "obama") == ("obama", "light")

    switched = switch_model(filled.caller, collection="people")
    assert switched.rolls_back_until
    assert timedelta(days=2) < switched.rolls_back_until - timezone.now() < timedelta(days=3)
    assert [who(filled, name) for name in NAMES] == [(name, "accurate") for name in NAMES]
    assert everybody(filled) == before
    after = find(filled.caller, "people")
    assert after.pack == after.gallery.pack == "accurate"
    assert after.threshold.score == pytest.approx(policy.threshold.score)
    assert after.similarity_threshold != policy.similarity_threshold

    roll_back_model(filled.caller, collection="people")
    assert who(filled, "sunak") == ("sunak", "light")
    back = find(filled.caller, "people")
    assert (back.pack, back.similarity_threshold) == ("light", policy.similarity_threshold)
    switch_model(filled.caller, collection="people")

    ended = end_model_change(filled.caller, collection="people")
    receipt = Receipt.objects.of(filled.tenant).get(uuid=ended.change.receipt)
    finish_erasure(receipt.pk)
    assert held(filled, "light")  # a search that began before may still read it
    Receipt.objects.of(filled.tenant).update(requested_at=timezone.now() - timedelta(minutes=2))
    finish_erasure(receipt.pk)
    receipt.refresh_from_db()
    signing.check(receipt.document)
    assert receipt.document["erased"] == {
        "kind": "templates",
        "id": receipt.subject,
        "collection": str(back.pk),
        "faces": 4,
    }
    assert {"store": "templates", "left": 0} in receipt.document["stores"]
    assert Gallery.objects.of(filled.tenant).get().pack == "accurate"
    assert Embedding.objects.of(filled.tenant).count() == 4
    assert who(filled, "macron_2025") == ("macron_2025", "accurate")
    enrol(filled, "ardern_2022", "later")
    assert [number for _, _, number, _ in everybody(filled)] == sorted(number for _, _, number, _ in everybody(filled))
    actions = list(AuditEntry.objects.of(filled.tenant).values_list("action", flat=True))
    assert {"model_change.begun", "model_change.compared", "model_change.ended"} <= set(actions)
    assert (actions.count("model_change.switched"), actions.count("model_change.rolled_back")) == (2, 1)
    with pytest.raises(JobNotFound):
        roll_back_model(filled.caller, collection="people")


def test_the_template_from_a_kept_crop_is_that_of_the_picture(acme: Customer) -> None:
    """Of one face, and of two in one picture: each is aligned by its own landmarks."""
    update_collection(acme.caller, collection="people", images="crop")
    enrol(acme, "obama", "obama")
    ready(acme)
    found, gallery = find(acme.caller, "people"), Gallery.objects.of(acme.tenant).get(pack="accurate")
    [face] = everybody(acme)
    [wanted] = analyse(acme.caller, portrait("obama"), pack="accurate").faces
    assert float(store.vector(gallery, face[0]) @ wanted.template) > 0.97
    assert found.pack == "light"


def test_what_is_enrolled_and_erased_meanwhile_is_so_in_both(filled: Customer) -> None:
    begin_model_change(filled.caller, collection="people", pack="accurate")
    new = enrol(filled, "ardern_2022", "new")
    assert held(filled, "accurate") == {new.pk}
    first = Face.objects.of(filled.tenant).get(person__reference="obama")
    delete_face(filled.caller, collection="people", face=first.uuid)
    assert worked(filled).state == "done"
    gone = Face.objects.of(filled.tenant).get(person__reference="sunak")
    delete_face(filled.caller, collection="people", face=gone.uuid)
    assert held(filled, "light") == held(filled, "accurate") == {face for face, *_ in everybody(filled)}
    for gallery in Gallery.objects.of(filled.tenant):
        assert gallery.size == 3
    assert Tombstone.objects.of(filled.tenant).filter(face_id=gone.pk).count() == 2
    switch_model(filled.caller, collection="people")
    later = enrol(filled, "obama", "obama")
    delete_face(filled.caller, collection="people", face=new.uuid)
    assert who(filled, "obama") == ("obama", "accurate")
    roll_back_model(filled.caller, collection="people")
    assert who(filled, "obama") == ("obama", "light")
    assert later.pk in held(filled, "light") & held(filled, "accurate")
    numbers = [number for _, _, number, _ in everybody(filled)]
    assert len(set(numbers)) == len(numbers)


def test_who_has_no_kept_image_must_come_again(filled: Customer) -> None:
    update_collection(filled.caller, collection="people", images="none")
    enrol(filled, "ardern_2022", "without")
    ready(filled)
    told = get_model_change(filled.caller, collection="people")
    assert (told.lacking_faces, told.lacking_people) == (1, 1)
    people, after = must_come_again(filled.caller, collection="people", limit=10)
    assert [(person.reference, person.lacking) for person in people] == [("without", 1)]
    assert after is None
    lines = [line for line in bulk_jobs.report(filled.caller, job=str(job_of(filled))) if "must_come_again" in line]
    face = Face.objects.of(filled.tenant).get(person__reference="without")
    assert [line["must_come_again"] for line in lines] == [[face.uuid]]
    with pytest.raises(InvalidRequest) as refused:
        switch_model(filled.caller, collection="people")
    assert "1 faces" in refused.value.problem

    again = enrol(filled, "ardern_2022", "without")  # she came again
    delete_face(filled.caller, collection="people", face=face.uuid)
    compare_again(filled.caller, collection="people")
    worked(filled)
    assert switch_model(filled.caller, collection="people").lacking_faces == 0
    assert who(filled, "ardern_2022")[1] == "accurate"
    assert again.pk in held(filled, "accurate")


def test_faces_are_left_out_only_if_the_caller_says_so(filled: Customer) -> None:
    update_collection(filled.caller, collection="people", images="none")
    enrol(filled, "ardern_2022", "without")
    ready(filled)
    switch_model(filled.caller, collection="people", leave_out=True)
    assert who(filled, "obama") == ("obama", "accurate")
    assert who(filled, "ardern_2022")[0] != "without"


def test_a_worker_killed_at_any_unit_loses_and_doubles_nothing(
    filled: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each settles one unit and is gone before the next; the last is killed while it compares."""
    monkeypatch.setattr("collections_app.jobs.reembed._FACES", 1)
    begin_model_change(filled.caller, collection="people", pack="accurate")
    settle, left = bulk.settle, iter(range(1, 100))

    def killed(*arguments: Any, **more: Any) -> None:
        if next(left) % 2:
            raise KeyboardInterrupt
        settle(*arguments, **more)

    def killed_once(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr("collections_app.model_comparison.compare", compare)
        raise KeyboardInterrupt

    monkeypatch.setattr(bulk, "settle", killed)
    monkeypatch.setattr(bulk, "LEASE", bulk.LEASE * 0)
    monkeypatch.setattr("collections_app.model_comparison.compare", killed_once)
    kills = 0
    for _ in range(30):
        try:
            job = worked(filled)
        except KeyboardInterrupt:
            kills += 1
            continue
        if job.state == "done":
            break
    assert kills >= 5
    assert get_job(filled.caller, job=str(job_of(filled))).rows_done == 4
    gallery = Gallery.objects.of(filled.tenant).get(pack="accurate")
    assert gallery.size == len(held(filled, "accurate")) == 4
    switch_model(filled.caller, collection="people")
    assert [who(filled, name) for name in NAMES] == [(name, "accurate") for name in NAMES]


def test_it_takes_the_scopes_and_says_what_is_wrong(filled: Customer) -> None:
    for lacks in (Scope.ADMIN, Scope.SCORES):
        caller = dataclasses.replace(filled.caller, scopes=filled.caller.scopes - {lacks})
        with pytest.raises(ScopeMissing):
            begin_model_change(caller, collection="people", pack="accurate")
    with pytest.raises(InvalidRequest):
        begin_model_change(filled.caller, collection="people", pack="light")
    with pytest.raises(JobNotFound):
        get_model_change(filled.caller, collection="people")
    begun = begin_model_change(filled.caller, collection="people", pack="accurate")
    again = begin_model_change(filled.caller, collection="people", pack="accurate")
    assert (again.change.pk, again.job) == (begun.change.pk, begun.job)
    with pytest.raises(InvalidRequest):
        compare_again(filled.caller, collection="people")


def test_a_change_is_abandoned_while_its_job_runs(filled: Customer) -> None:
    begin_model_change(filled.caller, collection="people", pack="accurate")
    enrol(filled, "ardern_2022", "new")
    job = job_of(filled)
    ended = end_model_change(filled.caller, collection="people")
    engine.work(job, 60)
    job.refresh_from_db()
    assert job.state == BulkJob.State.CANCELLED
    assert who(filled, "obama") == ("obama", "light")
    with pytest.raises(InvalidRequest):  # until its templates are erased
        begin_model_change(filled.caller, collection="people", pack="accurate")
    Receipt.objects.of(filled.tenant).update(requested_at=timezone.now() - timedelta(minutes=2))
    purge_due()
    assert Receipt.objects.of(filled.tenant).get(uuid=ended.change.receipt).completed_at
    assert Gallery.objects.of(filled.tenant).get().pack == "light"
    ready(filled)
    assert switch_model(filled.caller, collection="people").collection.pack == "accurate"


def test_the_old_templates_go_when_their_time_is_over(filled: Customer) -> None:
    ready(filled, retention_days=2)
    switch_model(filled.caller, collection="people")
    purge_due()
    assert ModelChange.objects.of(filled.tenant).get().state == "switched"
    ModelChange.objects.of(filled.tenant).update(switched_at=timezone.now() - timedelta(days=2, minutes=1))
    purge_due()
    assert ModelChange.objects.of(filled.tenant).get().state == "ended"
    Receipt.objects.of(filled.tenant).update(requested_at=timezone.now() - timedelta(minutes=2))
    purge_due()
    assert Receipt.objects.of(filled.tenant).get().completed_at
    assert held(filled, "light") == set()


def test_a_search_that_began_before_the_switch_ends_with_the_pack_that_it_began_with(filled: Customer) -> None:
    ready(filled)
    collection = find(filled.caller, "people")
    probe = analyse(filled.caller, portrait("obama"), pack=collection.pack).faces[0].template
    switch_model(filled.caller, collection="people")
    end_model_change(filled.caller, collection="people")
    [near, *_] = face_index().search(collection.gallery, probe, limit=1, floor=0.9)
    assert Face.objects.of(filled.tenant).get(pk=near.face_id).person.reference == "obama"


def test_an_enrolment_that_saw_only_the_former_pack_is_told_to_try_again(filled: Customer) -> None:
    """From before the change began to after the switch: its template is of no use to the searches that follow."""
    collection = find(filled.caller, "people")
    ready(filled)
    switch_model(filled.caller, collection="people")
    live = Gallery.objects.of(filled.tenant).get(pack="accurate")
    with pytest.raises(Busy):
        galleries.add(collection, live, {"light": {1: np.zeros(128, np.float32)}})


def test_a_policy_that_was_read_before_the_switch_changes_no_threshold(
    filled: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(filled)
    stale = find(filled.caller, "people")
    switch_model(filled.caller, collection="people")
    wanted = find(filled.caller, "people").similarity_threshold
    monkeypatch.setattr("collections_app.operations.collections.find", lambda *_: stale)
    with pytest.raises(Busy):
        update_collection(filled.caller, collection="people", face_limit=9)
    monkeypatch.undo()
    stale.false_match_rate = 1e-3
    calibration.renew(stale)
    assert find(filled.caller, "people").similarity_threshold == wanted


def test_both_packs_are_compared_on_the_collections_own_faces(filled: Customer) -> None:
    enrol(filled, "ardern_2022", "ardern_2018")
    ready(filled, false_match_rate=1e-2)
    found = get_model_change(filled.caller, collection="people").change.comparison
    json.dumps(found)
    assert (found["faces"], found["people"], found["rate"]) == (5, 4, 1e-2)
    for side, pack in (("old", "light"), ("new", "accurate")):
        assert found[side]["pack"] == pack
        assert (sum(found[side]["genuine"]), sum(found[side]["impostor"])) == (1, 9)
        assert found[side]["rate_tar"] is None  # nine strangers say nothing of one in a hundred
        assert found[side]["fmr"] == 0
    assert found["changed_counts"] == {"lost": 0, "gained": 0, "other": 0}
    assert changed_answers(filled.caller, collection="people") == []


def test_whose_answer_changes_is_listed(acme: Customer) -> None:
    """Two templates of one person are near each other only in the old gallery: the new model no longer finds him."""
    collection = acme.people
    templates = close_people(60)
    faces = enrol_people(collection, templates)
    Face.objects.of(acme.tenant).filter(pk=faces[1].pk).update(person=faces[0].person)
    new = Gallery.unscoped.create(tenant=acme.tenant, collection=collection, pack="accurate")
    random = np.random.default_rng(5)
    others = random.standard_normal((60, packs.get("accurate").dimension)).astype(np.float32)
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    face_index().add(new, {face.pk: vector for face, vector in zip(faces, others, strict=True)})
    found = compare(collection, collection.gallery, new, rate=1e-2)
    assert found["faces"] == 60
    assert found["new"]["rate_tar"] is not None
    assert {row["face"] for row in found["changed"]}
    assert all(row["new"] is None for row in found["changed"])
    old, anew = found["old"], found["new"]
    assert sum(old["impostor"]) == sum(anew["impostor"]) == 60 * 59 / 2 - 1


def test_scores_of_both_are_measured_and_what_the_other_holds_is_renewed(acme: Customer) -> None:
    """The mean of a gallery that searches do not read must not keep what was erased, either."""
    faces = enrol_people(acme.people, close_people(60))
    new = Gallery.unscoped.create(tenant=acme.tenant, collection=acme.people, pack="accurate")
    random = np.random.default_rng(6).standard_normal((60, packs.get("accurate").dimension)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    face_index().add(new, {face.pk: vector for face, vector in zip(faces, random, strict=True)})
    calibrate_collection(acme.people.pk)
    assert set(Calibration.objects.of(acme.tenant).values_list("gallery_id", flat=True)) == {acme.people.pk, new.pk}


def test_segments_of_both_galleries_are_built_and_read(filled: Customer) -> None:
    ready(filled)
    switch_model(filled.caller, collection="people")
    for gallery in Gallery.objects.of(filled.tenant).select_related("tenant"):
        Gallery.unscoped.filter(pk=gallery.pk).update(base=0)
        lease = Lease.take(gallery)
        assert lease
        state, _ = store.layout(gallery)
        compaction._publish_span(gallery, state, compaction.Span(0, state.head), lease)  # noqa: SLF001
        lease.release()
    assert [who(filled, name) for name in NAMES] == [(name, "accurate") for name in NAMES]


def test_a_collection_or_tenant_is_erased_in_the_midst_of_it(filled: Customer) -> None:
    ready(filled)
    receipt = delete_collection(filled.caller, name="people")
    purge_collection(filled.people.pk)
    receipt.refresh_from_db()
    assert receipt.completed_at
    assert Gallery.objects.of(filled.tenant).count() == Embedding.objects.of(filled.tenant).count() == 0
    assert ModelChange.objects.of(filled.tenant).count() == 0
    assert Collection.objects.of(filled.tenant).get(pk=filled.people.pk).gallery_id is None
    erasure.erase_tenant(filled.caller)
    assert ModelChange.objects.of(filled.tenant).count() == 0


def test_searches_keep_their_history(filled: Customer) -> None:
    who(filled, "obama")
    ready(filled)
    switch_model(filled.caller, collection="people")
    who(filled, "obama")
    packs = SearchRecord.objects.of(filled.tenant).order_by("at").values_list("pack", flat=True)
    assert list(packs) == ["light", "accurate"]


def test_two_faces_of_one_picture_are_filled_in_from_it(acme: Customer) -> None:
    from collections_app.operations.enrol import enrol_faces  # noqa: PLC0415

    enrol_faces(acme.caller, collection="people", image=side_by_side("obama", "sunak"), limit=2)
    ready(acme)
    switch_model(acme.caller, collection="people")
    for name in ("obama", "sunak"):
        found = search_by_image(acme.caller, collection="people", image=portrait(name))
        assert len(found.matches) == 1, name
