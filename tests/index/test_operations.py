"""What a tenant sees of its index, and what the schedule does for it."""

from typing import Any

import numpy as np
import pytest

from collections_app.errors import CollectionNotFound
from collections_app.operations.index import index_state, rebuild
from collections_app.operations.search import search_by_face
from recognition import packs, tasks
from recognition.index import files
from recognition.index.lease import Lease
from recognition.index.local import LocalIndex
from recognition.models import IndexSegment
from recognition.similarity import Threshold
from tests.conftest import Customer
from tests.index.gallery import enrol, people


def filled(customer: Customer, count: int = 100) -> list[int]:
    return enrol(LocalIndex(segmented=True), customer.people, people(np.random.default_rng(1), count, 1))


def test_the_state_of_a_new_collection_is_sound_and_empty(acme: Customer) -> None:
    state = index_state(acme.caller, collection="people")
    assert (state.sound, state.faces, state.segments, state.job.state) == (True, 0, (), "done")


def test_the_schedule_makes_segments_and_the_state_tells(acme: Customer) -> None:
    filled(acme)
    assert index_state(acme.caller, collection="people").waiting == 100
    tasks.compact_due.run()
    state = index_state(acme.caller, collection="people")
    assert (state.waiting, state.faces, [one.rows for one in state.segments]) == (0, 100, [100])
    assert state.job.finished_at is not None
    assert tasks.due() == set()


def test_the_work_can_be_watched(acme: Customer) -> None:
    lease = Lease.take(acme.people.gallery)
    assert lease is not None
    lease.progress("building", 1, 4)
    job = index_state(acme.caller, collection="people").job
    assert (job.stage, job.rows_done, job.rows_total) == ("building", 1, 4)
    assert job.seconds_left is not None
    assert job.seconds_left >= 0
    assert Lease.take(acme.people.gallery) is None


def test_a_rebuild_makes_every_segment_again(acme: Customer) -> None:
    filled(acme)
    tasks.compact_due.run()
    before = IndexSegment.objects.of(acme.tenant).get()
    assert rebuild(acme.caller, collection="people").state == "waiting"
    assert not index_state(acme.caller, collection="people").sound
    tasks.compact_due.run()
    assert index_state(acme.caller, collection="people").sound
    assert IndexSegment.objects.of(acme.tenant).get().name != before.name


def test_another_tenants_index_is_not_there(acme: Customer, globex: Customer) -> None:
    collection = globex.people
    collection.name = "theirs"
    collection.save()
    for operation in (index_state, rebuild):
        with pytest.raises(CollectionNotFound):
            operation(acme.caller, collection="theirs")


def test_without_room_the_database_answers(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = filled(acme)
    tasks.compact_due.run()
    segment = IndexSegment.objects.of(acme.tenant).get()
    files.discard(segment)
    monkeypatch.setattr(files, "_HEADROOM", 10**18)
    index = LocalIndex(segmented=True)
    vector = index.vector(acme.people.gallery, ids[7])
    assert index.search(acme.people.gallery, vector, limit=1, floor=0)[0].face_id == ids[7]
    segment.refresh_from_db()
    assert segment.condition == IndexSegment.Condition.SOUND


@pytest.mark.parametrize("score", [0, 92, 99])
def test_a_search_for_very_many_answers_as_one_for_a_few(score: float, acme: Customer, settings: Any) -> None:
    """Of many, only those that reach the threshold are read; the five recorded ones are still there."""
    settings.MATCHES_PER_FACE = 100_000  # the same face is searched for twice, with every other
    vectors = people(np.random.default_rng(2), 60, 5)
    enrol(LocalIndex(segmented=True), acme.people, vectors)
    face = acme.people.faces.order_by("number")[7].uuid
    threshold = Threshold(score)
    few = search_by_face(acme.caller, collection="people", face=face, limit=99, threshold=threshold)
    many = search_by_face(acme.caller, collection="people", face=face, limit=4096, threshold=threshold)
    right = int((np.delete(vectors @ vectors[7], 7) >= threshold.on(packs.get(acme.people.pack).similarity)).sum())
    assert len(many.matches) == right
    assert [one.face.pk for one in many.matches[:99]] == [one.face.pk for one in few.matches]
    assert len(many.record.candidates) == 5
    assert many.record.candidates == few.record.candidates
