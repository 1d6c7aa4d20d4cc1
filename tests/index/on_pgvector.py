"""What only the pgvector engine promises. tests.index.test_pgvector runs this file on a temporary server."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from io import StringIO
from threading import Event
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper

from collections_app.erasure import scrub
from collections_app.operations.collections import delete_collection
from collections_app.tasks import purge_collection
from recognition import tasks
from recognition.index import compaction, pgvector, pgvector_graph, pgvector_table, store
from recognition.index.local import LocalIndex
from recognition.index.pgvector import PgvectorIndex
from recognition.models import Embedding, Gallery, IndexSegment, Tombstone
from tenants import rls
from tests.conftest import Customer
from tests.index.gallery import enrol, erase, people

ALL = -2.0


@pytest.fixture
def index(db: None) -> PgvectorIndex:
    """The engine, with its table."""
    pgvector_table.prepare()
    return PgvectorIndex(LocalIndex(segmented=True))


@pytest.fixture
def committed(transactional_db: None) -> Iterator[PgvectorIndex]:
    """The engine outside of any transaction; its table is dropped again, since Django does not know and empty it."""
    pgvector_table.prepare()
    yield PgvectorIndex(LocalIndex(segmented=True))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE recognition_vector, recognition_graph")


def visible(tenant_id: int | None) -> int:
    """Count the vectors that a session sees that sets this tenant, or none, and has no WHERE clause."""
    with rls.reach(str(tenant_id or "")), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM recognition_vector")
        return int(cursor.fetchone()[0])


def test_the_database_is_a_second_wall(index: PgvectorIndex, acme: Customer, globex: Customer) -> None:
    """Check 5: no tenant set: 0 rows; one set: only its rows; writing another's is refused."""
    vectors = people(np.random.default_rng(1), 10, 1)
    enrol(index, acme.people, vectors)
    enrol(index, globex.people, vectors[:4])
    assert (visible(None), visible(acme.tenant.pk), visible(globex.tenant.pk)) == (0, 10, 4)
    with pytest.raises(ProgrammingError, match="row-level security"):
        give_away(acme, globex)


def give_away(giver: Customer, taker: Customer) -> None:
    """Try to write one tenant's rows into another's."""
    with rls.one_tenant(giver.tenant), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE recognition_vector SET tenant_id = %s", [taker.tenant.pk])


def test_a_vector_goes_with_its_template_whatever_engine_removes_it(index: PgvectorIndex, acme: Customer) -> None:
    ids = enrol(index, acme.people, people(np.random.default_rng(2), 10, 1))
    erase(LocalIndex(segmented=True), acme.people, ids[:3])
    assert visible(acme.tenant.pk) == 7


def test_galleries_move_both_ways_and_answer_alike(index: PgvectorIndex, acme: Customer) -> None:
    local, vectors = LocalIndex(segmented=True), people(np.random.default_rng(3), 80, 2)
    enrol(local, acme.people, vectors[:100])
    call_command("move_index", to="pgvector", verbosity=0)
    enrol(index, acme.people, vectors[100:150])
    assert visible(acme.tenant.pk) == 150
    enrol(local, acme.people, vectors[150:])
    for _ in range(3):
        for probe in vectors[::9]:
            right = local.search(acme.people.gallery, probe, limit=10, floor=ALL)
            assert index.search(acme.people.gallery, probe, limit=10, floor=ALL) == right
        call_command("move_index", to="pgvector", stdout=(disclosed := StringIO()))
    assert ": 0 templates copied" in disclosed.getvalue()  # all are there
    assert visible(acme.tenant.pk) == 160
    call_command("move_index", to="segments", verbosity=0)
    assert visible(acme.tenant.pk) == 0
    assert index.search(acme.people.gallery, vectors[3], limit=1, floor=ALL)[0].cosine == pytest.approx(1)


def test_a_gallery_moves_while_it_is_in_use(
    committed: PgvectorIndex, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Templates removed or added between reading and writing a batch: no error, no vector too many or too few.

    A purge does not take the gallery's lock, and may still be running after the move.
    """
    gallery, vectors = acme.people.gallery, people(np.random.default_rng(9), 100, 1)
    ids = enrol(LocalIndex(segmented=True), acme.people, vectors[:90])
    over = Event()

    def purge() -> None:
        with transaction.atomic():
            Embedding.unscoped.filter(face_id__in=ids[88:90]).delete()
            over.wait(30)

    def purge_at_once() -> None:
        Embedding.unscoped.filter(face_id__in=ids[86:88]).delete()

    meanwhile = iter(
        [
            lambda: erase(committed, acme.people, ids[:2]),
            lambda: ids.extend(enrol(committed, acme.people, vectors[90:])),
            purge,
            purge_at_once,
        ]
    )
    begun: list[Future[None]] = []
    read = store.rows

    def rows(*args: Any) -> Iterator[store.Rows]:
        for found in read(*args):
            for step in meanwhile:
                begun.append(beside.submit(closing, step))
                wait(begun[-1:], timeout=0.5)  # unless it waits for us
                break
            yield found

    monkeypatch.setattr(store, "rows", rows)
    monkeypatch.setattr(pgvector, "_COPIED", 20, raising=False)
    with ThreadPoolExecutor(4) as beside:
        call_command("move_index", to="pgvector", verbosity=0)
        over.set()
    assert [one.result() for one in begun] == [None] * 4
    gallery.refresh_from_db()
    assert gallery.mirrored
    found = committed.search(gallery, vectors[50], limit=1000, floor=ALL)
    assert {one.face_id for one in found} == {*ids[2:86], *ids[90:]}
    assert (visible(acme.tenant.pk), len(found)) == (94, 94)


def closing(step: Callable[[], object]) -> None:
    """Run it on a separate connection."""
    try:
        step()
    finally:
        connection.close()


def test_a_gallery_that_is_erased_meanwhile_is_passed_over(
    index: PgvectorIndex, acme: Customer, globex: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted([acme.people.gallery, globex.people.gallery], key=lambda gallery: gallery.pk)
    move = pgvector.move_in

    def moved(gallery: Gallery) -> int:
        Gallery.unscoped.filter(pk=first.pk).delete()
        return move(gallery)

    monkeypatch.setattr(pgvector, "move_in", moved)
    call_command("move_index", to="pgvector", verbosity=0)
    second.refresh_from_db()
    assert second.mirrored


def test_a_gallery_that_is_emptied_while_its_graph_is_made_stops_nothing(
    committed: PgvectorIndex, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(committed, acme.people, people(np.random.default_rng(9), 600, 2))
    monkeypatch.setattr(pgvector_graph, "GRAPH_ROWS", 1000)
    build = pgvector_graph._build  # noqa: SLF001 -- the moment between building and testing has no public name

    def emptied(gallery: Gallery, cursor: CursorWrapper) -> None:
        build(gallery, cursor)
        Embedding.objects.of(acme.tenant).delete()

    monkeypatch.setattr(pgvector_graph, "_build", emptied)
    pgvector.move_in(acme.people.gallery)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = %s", [pgvector_graph.name(acme.people.pk)])
        assert cursor.fetchone() == (0,)


def test_a_large_gallery_has_an_index_of_its_own_once_it_has_passed_the_gate(
    committed: PgvectorIndex, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 6 on pgvector: until the graph has passed, and if it cannot, the search is exact."""
    gallery, vectors = acme.people.gallery, people(np.random.default_rng(4), 1500, 2)
    ids = enrol(committed, acme.people, vectors)
    assert not indexed(gallery)
    monkeypatch.setattr(pgvector_graph, "GRAPH_ROWS", 1000)
    monkeypatch.setattr(pgvector_graph, "WIDTHS", (1,))
    monkeypatch.setattr(pgvector_graph, "MARGIN", 0)
    assert not indexed(gallery)
    assert not uses_graph(acme)
    assert not indexed(gallery)  # and it is not built again each time
    monkeypatch.undo()
    monkeypatch.setattr(pgvector_graph, "GRAPH_ROWS", 1000)
    ids += enrol(committed, acme.people, more := people(np.random.default_rng(5), 1600, 2))
    assert indexed(gallery)
    assert uses_graph(acme)
    local, vectors = LocalIndex(segmented=True), np.concatenate([vectors, more])
    for row in range(0, 6000, 300):
        near = committed.search(gallery, vectors[row], limit=5, floor=ALL)
        assert near[0].face_id == ids[row]
        assert near[:2] == local.search(gallery, vectors[row], limit=2, floor=ALL)


def test_a_graph_is_examined_again_when_its_gallery_has_grown(
    committed: PgvectorIndex, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is dropped with its collection."""
    gallery, random = acme.people.gallery, np.random.default_rng(8)
    monkeypatch.setattr(pgvector_graph, "GRAPH_ROWS", 1000)
    enrol(committed, acme.people, people(random, 600, 2))
    assert tasks.due() == {gallery.pk}
    assert indexed(gallery)
    assert tasks.due() == set()
    enrol(committed, acme.people, people(random, 500, 2))
    monkeypatch.setattr(pgvector_graph, "WIDTHS", (1,))
    monkeypatch.setattr(pgvector_graph, "MARGIN", 0)
    assert indexed(gallery)  # not yet twice as large
    enrol(committed, acme.people, people(random, 200, 2))
    assert not indexed(gallery)
    assert not uses_graph(acme)
    monkeypatch.undo()
    monkeypatch.setattr(pgvector_graph, "GRAPH_ROWS", 1000)
    enrol(committed, acme.people, people(random, 1500, 2))
    assert indexed(gallery)
    delete_collection(acme.caller, name="people")
    purge_collection.run(acme.people.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = %s", [pgvector_graph.name(gallery.pk)])
        assert cursor.fetchone() == (0,)
    assert visible(acme.tenant.pk) == 0
    assert "recognition_vector" in pgvector_table.tables()
    assert scrub() == "dead rows vacuumed"


def indexed(gallery: Gallery) -> bool:
    """Build or test the gallery's graph if that is due; say whether it is used now."""
    pgvector_graph.index_if_large(gallery)
    return pgvector_graph.width(gallery) > 0


def uses_graph(owner: Customer) -> bool:
    """Say whether a search of the gallery uses its HNSW index."""
    seen: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if sql == pgvector_table.nearest_query(owner.people.gallery):
            execute(f"EXPLAIN {sql}", params, many, context)
            seen.append(str(context["cursor"].fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        probe = people(np.random.default_rng(6), 1, 1)[0]
        PgvectorIndex(LocalIndex(segmented=True)).search(owner.people.gallery, probe, limit=5, floor=ALL)
    assert seen
    return pgvector_graph.name(owner.people.pk) in seen[0]


def test_segments_and_tombstones_that_are_no_longer_read_are_deleted(index: PgvectorIndex, acme: Customer) -> None:
    """Old segments and tombstones are deleted; a process that still searches locally sees no difference."""
    local, vectors = LocalIndex(segmented=True), people(np.random.default_rng(7), 200, 1)
    ids = enrol(local, acme.people, vectors)
    compaction.compact(acme.people.gallery)
    erase(local, acme.people, ids[:20])
    call_command("move_index", to="pgvector", verbosity=0)
    erase(index, acme.people, ids[20:40])
    assert local.search(acme.people.gallery, vectors[50], limit=1, floor=ALL)[0].face_id == ids[50]
    assert tasks.due() == {acme.people.pk}
    erase(index, acme.people, ids[50:51])
    tasks.compact_gallery.run(acme.people.pk)
    assert tasks.due() == set()
    assert not IndexSegment.objects.of(acme.tenant).exists()
    assert not Tombstone.objects.of(acme.tenant).exists()
    for engine in (local, index):
        found = engine.search(acme.people.gallery, vectors[50], limit=1000, floor=ALL)
        assert {one.face_id for one in found} == {*ids[40:50], *ids[51:]}
