"""The attack again, on normalised scores: galleries of 2, 30 and 300 people and one face of the attacker's.

A gallery of two is not calibrated. Pictures match from the cosine that reaches the threshold there.
"""

import numpy as np
import pytest

from collections_app import scoring, tasks
from collections_app.operations.collections import find
from tests.attack.attackers import MATCHES, SCALE, climb
from tests.attack.templates import unit
from tests.attack.test_template_recovery import _FALL, MOST_TOLD, SLACK, VERIFICATIONS, Enrolled
from tests.conftest import Customer


@pytest.mark.parametrize("people", [2, 30, 300])
@pytest.mark.parametrize(("score", "often"), [(85, -1.3), (95, 0)])
def test_searches_among_calibrated_faces(acme: Customer, people: int, score: float, often: float) -> None:
    """Made-up pictures come no nearer than ten lucky pictures of strangers point, as with plain scores."""
    world = Enrolled(acme, people + 1, seed=people)  # the last is the attacker's own
    tasks.calibrate_collection(acme.people.pk)
    world.collection = find(acme.caller, "people")
    assert (scoring.normalisation(world.collection) is not None) == (people > 2)
    owner, victim = world.templates[0].astype(np.float64), world.faces[0].uuid
    nearness = np.linspace(0.2, 0.8, 61)
    pictures = world.people.pictures(owner, nearness)
    scored = scoring.cosines(world.collection, world.templates[0], pictures)
    matches, at = np.interp([MATCHES, float(SCALE.cosine(score))], np.maximum.accumulate(scored), nearness)

    def lucky(count: int) -> np.ndarray:
        return world.people.pictures(owner, matches + world.people.rng.exponential(_FALL, count))

    natural = max(unit(np.sum(lucky(MOST_TOLD), axis=0)) @ owner for _ in range(20))
    begin, search = lucky(9), world.search(world.key())

    def ask(probe: np.ndarray) -> dict[str, float] | None:
        told = search(probe)
        return told if told is None else {face: each for face, each in told.items() if face == victim}

    best, received, answered = climb(
        ask, world.people, owner, begin, at=float(at), often=often, count=VERIFICATIONS // 2
    )
    print(f"\nof {people}, search at {score}: {answered} answered, {len(received.probes)} matches, {best:.3f}")  # noqa: T201 -- the figures of docs/promises.md
    assert best <= max(natural, received.mean @ owner, unit(np.sum(begin, axis=0)) @ owner) + SLACK
