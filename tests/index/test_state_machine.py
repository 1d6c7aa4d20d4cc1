"""Check 3: the index against a dict, whatever happens in whatever order.

30 runs of 30 steps; with SOAK=1 in the environment 500 of 50. Divergences 0.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from collections_app.operations.collections import create_collection
from recognition import tasks
from recognition.index import compaction, files
from recognition.index.local import LocalIndex
from recognition.models import IndexSegment
from tenants.scope import random_id
from tests.conftest import Customer
from tests.index.gallery import enrol, erase, unit

SOAK = bool(os.environ.get("SOAK"))
PROCESSES = 3


def vector(seed: int) -> np.ndarray:
    """Return the face of the seed."""
    return unit(np.random.default_rng(seed).standard_normal(128))


def machine_for(acme: Customer) -> type[RuleBasedStateMachine]:  # noqa: C901 -- a method is a rule, not a branch
    """Return the machine over a customer's tenant; each run has its own collection."""

    class Machine(RuleBasedStateMachine):
        """Three processes over one database, and what it should hold."""

        faces = Bundle("faces")

        @initialize()
        def begin(self) -> None:
            self.collection = create_collection(acme.caller, name=str(random_id()))
            self.model: dict[int, int] = {}
            self.processes = [LocalIndex(segmented=True) for _ in range(PROCESSES)]
            self.seed = 0

        @rule(target=faces, count=st.integers(1, 40), process=st.integers(0, PROCESSES - 1))
        def enrol(self, count: int, process: int) -> tuple[int, ...]:
            seeds = range(self.seed, self.seed + count)
            ids = enrol(self.processes[process], self.collection, [vector(seed) for seed in seeds])
            self.model |= dict(zip(ids, seeds, strict=True))
            self.seed += count
            return tuple(ids)

        @rule(group=consumes(faces), process=st.integers(0, PROCESSES - 1))
        def erase(self, group: tuple[int, ...], process: int) -> None:
            erase(self.processes[process], self.collection, group)
            for face in group:
                del self.model[face]

        @rule(process=st.integers(0, PROCESSES - 1))
        def restart(self, process: int) -> None:
            self.processes[process] = LocalIndex(segmented=True)

        @rule()
        def compact(self) -> None:
            due = self.collection.pk in tasks.due()
            assert (compaction.compact(self.collection.gallery) > 0) == due
            assert self.collection.pk not in tasks.due()

        @rule()
        def rebuild(self) -> None:
            tasks.rebuild_index.run(self.collection.pk)

        @rule()
        def sweep(self) -> None:
            files.sweep(set(IndexSegment.unscoped.values_list("name", flat=True)), grace=-1)

        @rule()
        def lose_the_files(self) -> None:
            for segment in IndexSegment.objects.of(acme.tenant).filter(gallery=self.collection.gallery):
                files.remove(segment)

        @rule(process=st.integers(0, PROCESSES - 1), place=st.integers(0, 1_000_000))
        def search(self, process: int, place: int) -> None:
            seed = place % max(self.seed, 1)
            near = self.processes[process].search(self.collection.gallery, vector(seed), limit=2000, floor=-2)
            assert {one.face_id for one in near} == set(self.model)
            best = {face: known for face, known in self.model.items() if known == seed}
            assert not best or {near[0].face_id} == set(best)

        @invariant()
        def the_gallery_counts_right(self) -> None:
            self.collection.gallery.refresh_from_db()
            assert self.collection.gallery.size == len(self.model)

    return Machine


def test_the_index_is_a_dict(acme: Customer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    run_state_machine_as_test(
        machine_for(acme),
        settings=hypothesis_settings(
            max_examples=500 if SOAK else 30,
            stateful_step_count=50 if SOAK else 30,
            deadline=None,
            derandomize=not SOAK,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
