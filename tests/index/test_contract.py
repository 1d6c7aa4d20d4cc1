"""What every engine promises."""

import numpy as np
import pytest
from django.conf import settings

from collections_app.tasks import verify_templates
from recognition import tasks
from recognition.errors import TemplateNotFound
from recognition.index import FaceIndex, compaction, pgvector_table
from recognition.index.local import LocalIndex
from recognition.index.pgvector import PgvectorIndex
from recognition.models import Embedding, IndexSegment
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.index.gallery import enrol, erase, people
from tests.make import flipped

ALL = -2.0


@pytest.fixture(params=["exact", "segments", "pgvector"])
def index(request: pytest.FixtureRequest, db: None) -> FaceIndex:
    """Each engine in turn; pgvector where the database has it (tests.index.test_pgvector starts one)."""
    if request.param != "pgvector":
        return LocalIndex(segmented=request.param == "segments")
    if settings.FACE_INDEX != "pgvector":
        pytest.skip("test_pgvector.py runs this on a server of its own")
    pgvector_table.prepare()
    return PgvectorIndex(LocalIndex(segmented=True))


def faces(count: int, each: int = 1) -> np.ndarray:
    return people(np.random.default_rng(1), count, each)


def test_an_empty_gallery_answers_with_nobody(index: FaceIndex, acme: Customer) -> None:
    assert index.search(acme.people.gallery, faces(1)[0], limit=5, floor=ALL) == []


def test_what_was_added_is_found_by_the_next_search_best_first(index: FaceIndex, acme: Customer) -> None:
    vectors = faces(20, 3)
    ids = enrol(index, acme.people, vectors)
    near = index.search(acme.people.gallery, vectors[4], limit=5, floor=ALL)
    assert near[0].face_id == ids[4]
    assert near[0].cosine == pytest.approx(1, abs=1e-6)
    assert {one.face_id for one in near[:3]} == set(ids[3:6])
    assert [one.cosine for one in near] == sorted((one.cosine for one in near), reverse=True)


def test_what_was_removed_is_never_found_again(index: FaceIndex, acme: Customer) -> None:
    vectors = faces(10)
    ids = enrol(index, acme.people, vectors)
    assert index.search(acme.people.gallery, vectors[2], limit=1, floor=ALL)[0].face_id == ids[2]
    erase(index, acme.people, [ids[2]])
    assert ids[2] not in {one.face_id for one in index.search(acme.people.gallery, vectors[2], limit=10, floor=ALL)}
    with pytest.raises(TemplateNotFound):
        index.vector(acme.people.gallery, ids[2])


def test_the_floor_is_kept_and_so_is_the_limit(index: FaceIndex, acme: Customer) -> None:
    vectors = faces(30)
    ids = enrol(index, acme.people, vectors)
    assert [one.face_id for one in index.search(acme.people.gallery, vectors[0], limit=9, floor=0.9)] == [ids[0]]
    assert len(index.search(acme.people.gallery, vectors[0], limit=9, floor=ALL)) == 9
    assert len(index.search(acme.people.gallery, vectors[0], limit=99, floor=ALL)) == 30


def test_a_gallery_sees_only_its_own(index: FaceIndex, acme: Customer, globex: Customer) -> None:
    vectors = faces(10)
    ours, theirs = enrol(index, acme.people, vectors), enrol(index, globex.people, vectors)
    for vector in vectors:
        assert {one.face_id for one in index.search(acme.people.gallery, vector, limit=20, floor=ALL)} == set(ours)
        assert {one.face_id for one in index.search(globex.people.gallery, vector, limit=20, floor=ALL)} == set(theirs)


def test_a_template_comes_back_as_it_went_in(index: FaceIndex, acme: Customer) -> None:
    vectors = faces(2)
    ids = enrol(index, acme.people, vectors)
    assert np.array_equal(index.vector(acme.people.gallery, ids[1]), vectors[1])


@pytest.mark.parametrize("broken", [np.zeros(128), np.full(128, np.nan), np.ones(128), np.ones(64) / 8])
def test_a_vector_that_no_search_could_find_is_refused(index: FaceIndex, acme: Customer, broken: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\("):
        enrol(index, acme.people, [broken.astype(np.float32)])


def test_the_promises_hold_across_a_compaction(index: FaceIndex, acme: Customer) -> None:
    """A process that searched before, one that never did, and one that starts later give the same answer."""
    collection, vectors = acme.people, faces(200)
    ids = enrol(index, collection, vectors)
    index.search(collection.gallery, vectors[0], limit=1, floor=ALL)
    erase(index, collection, ids[:20])
    compaction.compact(collection.gallery)
    late = faces(230)[200:]
    ids += enrol(index, collection, late)
    erase(index, collection, ids[20:25] + ids[200:205])
    everything = np.concatenate([vectors, late])
    left = set(ids[25:200] + ids[205:])
    for engine in (index, LocalIndex(segmented=True), LocalIndex(segmented=False)):
        for row in range(0, 230, 7):
            near = engine.search(collection.gallery, everything[row], limit=300, floor=ALL)
            assert {one.face_id for one in near} == left
            assert near[0].face_id == ids[row] or ids[row] not in left


@pytest.mark.parametrize("compacted", [False, True])
def test_a_damaged_template_is_told_of_and_hides_no_other(
    index: FaceIndex, acme: Customer, caplog: pytest.LogCaptureFixture, *, compacted: bool
) -> None:
    """Check 10: damaged before and after the index was built; the schedule alerts the tenant with the face's id."""
    vectors = faces(20)
    ids = enrol(index, acme.people, vectors)
    damaged = Embedding.objects.of(acme.tenant).filter(face_id__in=ids[:2])
    if compacted:
        compaction.compact(acme.people.gallery)
    for template in damaged:
        template.sealed = flipped(template.sealed)
        template.save()
    for _ in range(2):
        for probe in vectors:
            near = index.search(acme.people.gallery, probe, limit=18, floor=ALL)
            assert {one.face_id for one in near} == set(ids[2:])
        tasks.rebuild_index.run(acme.people.pk)
    assert "A template is damaged" in caplog.text
    verify_templates()
    alert = AuditEntry.objects.of(acme.tenant).get(action="alert.templates_damaged")
    uuids = acme.people.faces.filter(pk__in=ids[:2]).values_list("uuid", flat=True)
    assert alert.facts == {"damaged": 2, "faces": sorted(uuids)}
    damaged.delete()
    verify_templates()
    assert AuditEntry.objects.of(acme.tenant).filter(action="alert.templates_damaged").count() == 1


def test_compaction_takes_in_the_tombstones(segments: LocalIndex, acme: Customer) -> None:
    collection = acme.people
    ids = enrol(segments, collection, faces(100))
    compaction.compact(collection.gallery)
    erase(segments, collection, ids[:30])
    assert collection.gallery.tombstones.count() == 30
    compaction.compact(collection.gallery)
    assert collection.gallery.tombstones.count() == 0
    assert IndexSegment.objects.of(acme.tenant).get().rows == 70
