"""Processes that share nothing but the database and the files: what one does, the next search of another sees.

With SOAK=1 in the environment each count is that of the specification; without, it fits a build.
"""

import os
import random
import signal
import time
from itertools import product
from typing import Any

import pytest

from tests.index.conftest import Actor, Stage

SOAK = bool(os.environ.get("SOAK"))
VISITS = 10_000 if SOAK else 2_000
KILLS = 100 if SOAK else 1
STEPS = ("write", "fsync", "seal", "open", "test", "publish")
ACKED = 1_000 if SOAK else 400
DELETIONS = 500 if SOAK else 20


def test_reads_its_writes_and_deletions_across_processes(stage: Stage) -> None:
    """Checks 1 and 2: 2,000 (soak 10,000) enrolments and as many deletions, each seen by another process's next search.

    A third process compacts without pause, so that segments are published and replaced all the time.
    """
    dice = random.Random(1)  # noqa: S311
    writers, readers = [stage.actor(), stage.actor()], [stage.actor(), stage.actor()]
    compactor = stage.actor()
    compactor.send("compact", name="a")
    published = misses = resurrected = 0
    alive: list[tuple[int, int]] = []
    for seed in range(0, VISITS, 10):
        seeds = list(range(seed, seed + 10))
        ids = dice.choice(writers)("enrol", name="a", seeds=seeds)
        for one, face in zip(seeds, ids, strict=True):
            near = dice.choice(readers)("search", name="a", seed=one)
            misses += near[0][0] != face
        alive += zip(seeds, ids, strict=True)
        dice.shuffle(alive)
        leaving, alive = (alive[:9], alive[9:]) if len(alive) > 150 else ([], alive)
        if leaving:
            dice.choice(writers)("erase", name="a", ids=[face for _, face in leaving])
        for one, face in leaving:
            resurrected += face in {found for found, _ in dice.choice(readers)("search", name="a", seed=one)}
        if seed % 50 == 0:
            published += compactor.answer()
            compactor.send("compact", name="a")
    for one, face in alive:
        assert readers[0]("search", name="a", seed=one)[0][0] == face
    assert (misses, resurrected) == (0, 0)
    assert published > VISITS / 200
    assert readers[0]("search", name="b", seed=1) == []


@pytest.mark.parametrize("what", ["person", "collection", "tenant"])
def test_what_is_deleted_whole_is_gone_for_every_process(what: str, stage: Stage) -> None:
    """Check 2: 20 (soak 500) people, collections and tenants are deleted: the next search of others returns 0 of them.

    The other processes have searched there before, and still hold the matrix or the segments.
    """
    writer, readers = stage.actor(), [stage.actor(), stage.actor()]
    resurrected = 0
    for round_ in range(DELETIONS):
        tenant, name = ("a", "a") if what == "person" else (f"t{round_}" if what == "tenant" else "a", f"c{round_}")
        if name != "a":
            writer("make", tenant=tenant, name=name)
        seeds = list(range(1_000 * round_, 1_000 * round_ + 60))
        ids = writer("enrol", name=name, seeds=seeds)
        if round_ % 2:
            writer("compact", name=name)
        for reader in readers:
            assert reader("search_there", tenant=tenant, name=name, seed=seeds[0])[0][0] == ids[0]
        writer("delete", what=what, tenant=tenant, name=name, face=ids[0])
        for reader in readers:
            resurrected += len(
                {face for face, _ in reader("search_there", tenant=tenant, name=name, seed=seeds[0])} & set(ids)
            )
    assert resurrected == 0


def test_a_compactor_killed_at_any_step_loses_nothing(stage: Stage) -> None:
    """Check 8: kill -9 before and after each step, once each (soak 100): rows lost 0, orphans after a sweep 0."""
    reader = stage.actor()
    seeds = list(range(200))
    ids = reader("enrol", name="a", seeds=seeds)
    reader("compact", name="a")
    for round_, (step, after) in enumerate(list(product(STEPS, (False, True))) * KILLS):
        fresh = list(range(1000 + round_ * 60, 1060 + round_ * 60))
        ids += reader("enrol", name="a", seeds=fresh)
        seeds += fresh
        victim = stage.actor()
        victim.send("die", step=step, after=after)
        assert victim.answer() is None, step
        assert victim("compact", name="a") is None, step
        assert victim.process.wait() == -signal.SIGKILL
        for one, face in list(zip(seeds, ids, strict=True))[:: len(seeds) // 20]:
            assert reader("search", name="a", seed=one)[0][0] == face
        stage.expire_leases()
        if round_ % 5 == 4:
            reader("compact", name="a")
    reader("compact", name="a")
    reader("sweep")
    assert stage.sealed_files() == stage.published() != set()
    late = stage.actor()
    for one, face in list(zip(seeds, ids, strict=True))[::7]:
        assert late("search", name="a", seed=one)[0] == [face, pytest.approx(1, abs=1e-6)]


def test_writers_killed_under_load_lose_nothing_that_was_acknowledged(stage: Stage) -> None:
    """Check 9: kill -9 of writing processes; 400 (soak 1,000) acknowledged enrolments and deletions: lost 0, back 0.

    An acknowledgement is a line written after the commit. What was in flight may be there whole or not at all.
    """
    dice = random.Random(2)  # noqa: S311
    reader, compactor = stage.actor(), stage.actor()
    kept: dict[int, int] = {}
    gone: dict[int, int] = {}
    seed = acked = 0
    while acked < ACKED:
        victim = stage.actor()
        for _ in range(dice.randrange(4, 12)):
            seeds = list(range(seed, seed + 6))
            ids = victim("enrol", name="a", seeds=seeds)
            kept |= dict(zip(seeds, ids, strict=True))
            leaving = dice.sample(sorted(kept), 2)
            victim("erase", name="a", ids=[kept[one] for one in leaving])
            gone |= {one: kept.pop(one) for one in leaving}
            seed, acked = seed + 6, acked + 8
        victim.send("enrol", name="b", seeds=list(range(seed, seed + 40)))
        time.sleep(dice.random() * 0.03)
        victim.end()
        compactor("compact", name="a")
    began = time.monotonic()
    for one, face in kept.items():
        assert reader("search", name="a", seed=one)[0][0] == face
    for one, face in gone.items():
        assert face not in {found for found, _ in reader("search", name="a", seed=one)}
    assert len(_everybody(reader, "a")) == len(kept)
    assert len(_everybody(reader, "b")) % 40 == 0
    assert time.monotonic() - began < 60


def _everybody(actor: Actor, name: str) -> list[Any]:
    found: list[Any] = actor("search", name=name, seed=0, limit=100_000)
    return found
