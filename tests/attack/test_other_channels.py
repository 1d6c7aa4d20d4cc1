"""What the other channels tell (tests.attack.channels) is counted as a search is, and gives no more away.

With SOAK=1 there are 2,000 questions a channel and 1,000 pictures in one answer, else 60 and 60.
"""

import os
from collections.abc import Callable

import numpy as np
import pytest

from collections_app.models import Face
from collections_app.operations.collections import update_collection
from tenants.access import Caller
from tests.attack import channels
from tests.attack.attackers import MATCHES, Ask, Heard, climb, mixed
from tests.attack.templates import unit
from tests.attack.test_template_recovery import MOST_TOLD, SLACK, Enrolled
from tests.conftest import Customer

SOAK = bool(os.environ.get("SOAK"))
QUESTIONS, TOGETHER = (2_000, 1_000) if SOAK else (60, 60)


CHANNELS: dict[str, Callable[[Caller, Face], Ask]] = {
    "picture": lambda caller, _: channels.by_picture(caller),
    "duplicate": lambda caller, _: channels.by_duplicate(caller),
    "enrolled face": lambda caller, _: channels.by_enrolled_face(caller),
    "neighbours": lambda caller, _: channels.by_neighbours(caller),
    "health": lambda caller, _: channels.by_health(caller),
    "portrait": lambda caller, face: channels.by_portrait(caller, face.person.reference),
}


@pytest.mark.parametrize("often", [0, -1.3, -2.3] if SOAK else [0])
@pytest.mark.parametrize("channel", CHANNELS)
def test_each_channel_by_itself(acme: Customer, channel: str, often: float) -> None:
    """A portrait costs half as much, so twice as much is told by it; the bound is the same."""
    world = Enrolled(acme, 2, seed=9)
    (asked, owner), (other, unmatched) = zip(world.faces, world.templates.astype(np.float64), strict=True)
    begin = world.matching(owner, 3)
    if channel == "duplicate":
        update_collection(acme.caller, collection=channels.WHERE, duplicates="refuse")
    named: list[str] = []
    with channels.templates_as_pictures():
        ask = _noting(CHANNELS[channel](channels.usual_key(acme), asked), named)
        best, received, answered = climb(ask, world.people, owner, begin, at=MATCHES, often=often, count=QUESTIONS)
    limit = _most_natural(world, owner, received)
    print(f"\n{channel}, {often}: {answered} answered, {len(received.probes)} matches, {best:.3f}, at most {limit:.3f}")  # noqa: T201 -- the README's figures
    assert best <= limit
    assert 3 < len(received.probes) <= 3 * MOST_TOLD
    assert named.count(other.uuid) <= QUESTIONS // 1000  # one picture in 10,000 matches by nature
    assert received.mean @ unmatched < MATCHES
    assert world.alerts() or len(received.probes) < MOST_TOLD  # a portrait's cost half


def test_many_pictures_in_one_answer(acme: Customer) -> None:
    """Who enrols many pictures about the threshold and asks once is told of no more than the limit allows."""
    world = Enrolled(acme, 1, seed=9)
    owner = world.templates[0].astype(np.float64)
    (begin,) = world.matching(owner, 1).astype(np.float64)
    asides = world.people.strangers(TOGETHER).astype(np.float64)
    directions = np.array([unit(aside - (aside @ begin) * begin) for aside in asides])
    probes = np.array([mixed(begin, direction, float(begin @ owner), MATCHES, 0) for direction in directions])
    key = channels.usual_key(acme)
    with channels.templates_as_pictures(), channels.enrolled(key, list(probes)) as faces:
        disclosed = channels.searched_by(key, world.faces[0])
    high = np.array([face.uuid in disclosed for face in faces])
    received = Heard(
        [begin, *probes[high]], [85.0, *(disclosed[face.uuid] for face in faces if face.uuid in disclosed)]
    )
    step = (high - high.mean()) @ directions
    climbed = max(float(unit(begin + size * step) @ owner) for size in np.linspace(0, 1.5, 31))
    limit, best = _most_natural(world, owner, received), max(climbed, received.recovered(owner))
    print(f"\nsearch by a face, {TOGETHER} enrolled: {high.sum()} told, {best:.3f}, at most {limit:.3f}")  # noqa: T201 -- the README's figures
    assert best <= limit
    assert high.sum() <= 2 * MOST_TOLD  # those above 90 cost a tenth


@pytest.mark.parametrize("way", channels.DECOYS)
def test_the_order_beside_enrolled_pictures(acme: Customer, way: str) -> None:
    """Who enrols pictures near the best estimate learns nothing by what comes before them, or pushes them out."""
    world = Enrolled(acme, 1, seed=9)
    owner = world.templates[0].astype(np.float64)
    draws = (world.matching(owner, 4).astype(np.float64) for _ in range(200))
    begin = max(draws, key=lambda probes: unit(probes.sum(axis=0)) @ owner)  # a lucky start
    start = unit(begin.sum(axis=0))
    aside = _across(world.people.strangers(1)[0].astype(np.float64), start)
    near = float(start @ owner)
    decoy = near * start + np.sqrt(1 - near**2) * aside
    directions = [_across(one, start, aside) for one in world.people.strangers(QUESTIONS).astype(np.float64)]
    key = channels.usual_key(acme)
    with channels.templates_as_pictures():
        for probe in begin:
            channels.by_picture(key)(probe.astype(np.float32))
        with channels.DECOYS[way](key, world.faces[0], decoy) as ask:
            answers = [repr(ask((np.cos(0.25) * start + np.sin(0.25) * one).astype(np.float32))) for one in directions]
    best = _climbed(start, owner, directions, answers)
    print(f"\n{way}, from {near:.3f}: {len(set(answers))} answers to {len(answers)} questions, {best:.3f}")  # noqa: T201 -- the figures of docs/promises.md
    assert best <= near + SLACK


def _climbed(start: np.ndarray, owner: np.ndarray, directions: list[np.ndarray], answers: list[str]) -> float:
    """Return how near one comes who goes where an answer was given more often."""
    best = float(start @ owner)
    for answer in set(answers):
        given = np.array([one == answer for one in answers])
        step = (given - given.mean()) @ np.array(directions)
        if step.any():
            step = unit(step)
            best = max(best, *(float(unit(start + size * step) @ owner) for size in np.linspace(-1.5, 1.5, 61)))
    return best


def test_who_is_least_like_somebody_is_not_named(acme: Customer) -> None:
    """Of a person whom no picture matched nothing is learnt by pictures that are enrolled as theirs."""
    world = Enrolled(acme, 1, seed=9)
    owner, person = world.templates[0].astype(np.float64), world.faces[0].person
    base = world.people.strangers(1)[0]
    mine = unit(0.8 * base + 0.6 * world.people.strangers(300)).astype(np.float32)
    faces = world.enrol(mine, person)
    chosen = list(channels.least_alike(channels.usual_key(acme), person.reference, faces))
    places = [faces.index(face) for face in chosen]
    best = float(unit(mine.mean(axis=0) - mine[places].mean(axis=0)) @ owner) if places else 0.0
    print(f"\nhealth, 300 enrolled as somebody: {len(places)} named, {best:.3f}")  # noqa: T201 -- the figures of docs/promises.md
    assert best < MATCHES


def test_a_picture_beside_somebodys_does_not_choose_the_question(acme: Customer) -> None:
    """Of a person whom no picture matched nothing is learnt by a search with their pictures and one enrolled as theirs.

    With the mean of both, the picture could be chosen so that a match is the sign of a part of the template.
    """
    world = Enrolled(acme, 1, seed=9)
    owner, person = world.templates[0].astype(np.float64), world.faces[0].person
    mine = world.people.strangers(1)[0].astype(np.float64)
    asides = [_across(one, mine) for one in world.people.strangers(QUESTIONS).astype(np.float64)]
    near = MATCHES * np.sqrt(2)  # of a probe to mine, so that the mean is at the threshold if the owner is orthogonal
    with channels.templates_as_pictures():
        ask = channels.mixed_with(channels.usual_key(acme), person.reference, mine)
        answers = [repr(ask(near * mine + np.sqrt(1 - near**2) * one)) for one in asides]
    nobody = unit(sum(asides) + mine)
    best = _climbed(nobody, owner, asides, answers)
    print(f"\nsearch by a person: {len(set(answers))} answers to {len(answers)} questions, {best:.3f}")  # noqa: T201 -- the figures of docs/promises.md
    assert len(set(answers)) == 1
    assert best < MATCHES


def _across(vector: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Return the part of a vector that is orthogonal to orthonormal others, with length 1."""
    return unit(vector - sum((vector @ other) * other for other in others))


def _noting(ask: Ask, named: list[str]) -> Ask:
    """Keep the faces that the answers name."""

    def noted(probe: np.ndarray) -> dict[str, float] | None:
        disclosed = ask(probe)
        named.extend(disclosed or ())
        return disclosed

    return noted


def _most_natural(world: Enrolled, owner: np.ndarray, received: Heard) -> float:
    """Return how near the mean of as many pictures comes that matched by nature, or of those that were told."""
    natural = [unit(np.sum(world.matching(owner, MOST_TOLD), axis=0)) @ owner for _ in range(20)]
    return float(max(*natural, received.mean @ owner)) + SLACK
