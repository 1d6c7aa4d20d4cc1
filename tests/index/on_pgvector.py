"""What only pgvector's engine promises. tests.index.test_pgvector runs this file on a server of its own."""

from collections.abc import Iterator

import numpy as np
import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction

from recognition.index import pgvector
from recognition.index.local import LocalIndex
from recognition.index.pgvector import PgvectorIndex
from tenants import wall
from tests.conftest import Customer
from tests.index.gallery import enrol, erase, people

ALL = -2.0


@pytest.fixture
def index(db: None) -> PgvectorIndex:
    """The engine, with its table."""
    pgvector.prepare()
    return PgvectorIndex(LocalIndex(segmented=True))


@pytest.fixture
def committed(transactional_db: None) -> Iterator[PgvectorIndex]:
    """The engine outside of any transaction; its table goes again, since Django cannot empty what it does not know."""
    pgvector.prepare()
    yield PgvectorIndex(LocalIndex(segmented=True))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE recognition_vector")


def visible(tenant_id: int | None) -> int:
    """Count the vectors that a session sees which says this tenant, or none, and no WHERE."""
    with wall.saying(str(tenant_id or "")), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM recognition_vector")
        return int(cursor.fetchone()[0])


def test_the_database_is_a_second_wall(index: PgvectorIndex, acme: Customer, globex: Customer) -> None:
    """Check 5: no tenant said: 0 rows; one said: its rows alone; writing another's is refused."""
    vectors = people(np.random.default_rng(1), 10, 1)
    enrol(index, acme.people, vectors)
    enrol(index, globex.people, vectors[:4])
    assert (visible(None), visible(acme.tenant.pk), visible(globex.tenant.pk)) == (0, 10, 4)
    with pytest.raises(ProgrammingError, match="row-level security"):
        give_away(acme, globex)


def give_away(giver: Customer, taker: Customer) -> None:
    """Try to write one tenant's rows into another's."""
    with wall.only(giver.tenant), transaction.atomic(), connection.cursor() as cursor:
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
        call_command("move_index", to="pgvector", verbosity=0)
    assert visible(acme.tenant.pk) == 160
    call_command("move_index", to="segments", verbosity=0)
    assert visible(acme.tenant.pk) == 0
    assert index.search(acme.people.gallery, vectors[3], limit=1, floor=ALL)[0].cosine == pytest.approx(1)


def test_a_large_gallery_has_an_index_of_its_own_that_it_uses(
    committed: PgvectorIndex, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = people(np.random.default_rng(4), 1500, 2)
    ids = enrol(committed, acme.people, vectors)
    assert not pgvector.index_if_large(acme.people.gallery)
    monkeypatch.setattr(pgvector, "GRAPH_ROWS", 1000)
    assert pgvector.index_if_large(acme.people.gallery)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recognition_vector")
        plan = f"EXPLAIN {pgvector.nearest_query(acme.people.gallery)}"
        cursor.execute(plan, ["[" + ",".join(["0.1"] * 128) + "]", 5])
        assert pgvector.graph_name(acme.people.gallery) in str(cursor.fetchall())
    local = LocalIndex(segmented=True)
    for row in range(0, 3000, 300):
        near = committed.search(acme.people.gallery, vectors[row], limit=5, floor=ALL)
        assert near[0].face_id == ids[row]
        assert near[:2] == local.search(acme.people.gallery, vectors[row], limit=2, floor=ALL)
