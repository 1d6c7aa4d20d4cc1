"""A key that may only search takes no template out.

The attack runs on operations below the pipeline, with generated templates (tests.attack.templates), as a key with the
scope `search` and the default policy. With SOAK=1 it has 100,000 probes and 10,000 verifications, else 5,000 and 300.
What is printed is the curve in docs/promises.md: pytest -s tests/attack.
"""

import os
import time
from datetime import timedelta

import numpy as np
import pytest
from django.db.models import F

from collections_app.errors import ProbingRefused
from collections_app.models import Collection, Face, NearMatch, Person
from collections_app.operations.budget import hidden_faces
from collections_app.operations.compare import verify_template
from collections_app.operations.disclosure import disclosure
from collections_app.operations.search import Query, search_by_template
from recognition.index import face_index
from recognition.similarity import FALSE_MATCH_RATES
from tenants import keys
from tenants.access import Caller, caller_for_key
from tenants.models import AuditEntry
from tenants.scope import random_id
from tests.attack.attackers import MATCHES, SCALE, Ask, Heard, climb, earning, linear, other_people
from tests.attack.templates import Population, unit
from tests.conftest import Customer

SOAK = bool(os.environ.get("SOAK"))
PROBES, VERIFICATIONS = (100_000, 10_000) if SOAK else (5_000, 300)
DOORS = 40 if SOAK else 1
ENROLLED = 60
MOST_TOLD = 10  # MATCHES_PER_FACE
SLACK = 0.02
SPREAD = 0.074  # of one person's cosines to their enrolled face
# Between two answers, and how many standard deviations inside it the probes are.
BOUNDARIES = [(85, 0), (85, -1.3), (85, -2.3), (90, 0), (90, 2.3), (92, 0), (95, 0), (96, 0), (97, 0), (97, -1.3)]
_FALL = float(SCALE.cosine(90) - SCALE.cosine(85)) / np.log(10)


class Enrolled:
    """People who are enrolled, and a key that may search among them."""

    def __init__(self, customer: Customer, count: int, seed: int = 1) -> None:
        """Enrol them by their templates."""
        self.people = Population(seed)
        self.customer, self.collection = customer, customer.people
        self.templates = self.people.strangers(count)
        self.faces = self.enrol(self.templates)
        self.owners = {face.uuid: template for face, template in zip(self.faces, self.templates, strict=True)}

    def enrol(self, templates: np.ndarray, person: Person | None = None) -> list[Face]:
        """Enrol templates, each as somebody new or all as a person."""
        ids = [random_id() for _ in templates]
        first = face_index().add(self.collection.gallery, dict(zip(ids, templates, strict=True)))
        faces = [_face(self.collection, pk, number, person) for number, pk in enumerate(ids, start=first)]
        return Face.unscoped.bulk_create(faces)

    def key(self) -> Caller:
        """Make a key that may search."""
        issued = keys.issue(self.customer.tenant, name="prober", scopes=["search"])
        return caller_for_key(*keys.split(issued.token), via="tests")

    def doors(self) -> list[tuple[Caller, Face]]:
        """Return a key for each person."""
        return [(self.key(), face) for face in self.faces]

    def search(self, caller: Caller, limit: int = 10) -> Ask:
        """Return the search, as the operation answers a picture of that template."""
        terms = disclosure(caller, self.collection)

        def ask(probe: np.ndarray) -> dict[str, float] | None:
            try:
                hidden = hidden_faces(caller)
            except ProbingRefused:
                return None
            query = Query(self.collection, terms, limit, time.perf_counter(), hidden=hidden)
            _, matches = search_by_template(caller, query, probe)
            return {match.face.uuid: match.score for match in matches}

        return ask

    def verify(self, caller: Caller, face: Face) -> Ask:
        """Return the verification of one face; once it is hidden, only every fiftieth question is put."""
        terms = disclosure(caller, self.collection)
        since = 0

        def ask(probe: np.ndarray) -> dict[str, float] | None:
            nonlocal since
            since += bool(since)
            if since % 50 > 1:
                return {}
            try:
                hidden = hidden_faces(caller, several=1)
            except ProbingRefused:
                return None
            score, match = verify_template(caller, self.collection, face, probe, terms)
            since = since or face.pk in hidden
            assert not (match and since)
            return {face.uuid: score or 0.0} if match else {}

        return ask

    def matching(self, owner: np.ndarray, count: int) -> np.ndarray:
        """Draw pictures of strangers that match somebody: above the threshold they fall off tenfold in five points."""
        return self.people.pictures(owner, MATCHES + self.people.rng.exponential(_FALL, count))

    def at_the_door(self, number: int, mean: float) -> list[tuple[np.ndarray, float]]:
        """Draw a day of pictures of somebody whose pictures are so near to the enrolled one in the mean.

        Such means are .66 with a deviation of .078 from person to person, and pictures of one person deviate by .074:
        463 faces in the photographs that the pack was measured on. With one label in eighty wrong there, that is the
        share of genuine pairs found at a false match rate of 1e-4 and 1e-5.
        """
        cosines = self.people.rng.normal(mean, SPREAD, 50)
        return list(zip(self.people.pictures(self.templates[number].astype(float), cosines), cosines, strict=True))

    def alerts(self) -> list[AuditEntry]:
        """Return the alerts of a budget that is used up."""
        return list(AuditEntry.objects.of(self.customer.tenant).filter(action="alert.face_probed"))


def _face(collection: Collection, pk: int, number: int, person: Person | None = None) -> Face:
    person = person or Person.unscoped.create(tenant=collection.tenant, collection=collection, reference=str(pk))
    return Face(
        id=pk,
        tenant=collection.tenant,
        collection=collection,
        person=person,
        number=number,
        image_width=1,
        image_height=1,
        box_x=0,
        box_y=0,
        box_width=1,
        box_height=1,
        landmarks=[],
        confidence=1,
        yaw=0,
        pitch=0,
        roll=0,
        sharpness=1,
        brightness=1,
    )


def test_generated_strangers_are_like_the_packs() -> None:
    """The model of the attack: strangers reach the anchors as often as was measured, within a factor of two."""
    people = Population(1)
    cosines = (people.strangers(4_000) @ people.strangers(4_000).T).ravel()
    for rate, anchor in zip(FALSE_MATCH_RATES[:4], SCALE.cosines, strict=False):
        assert rate / 2 < (cosines >= anchor).mean() < rate * 2


def test_scores_that_are_linear_give_a_template_away() -> None:
    """The curve before: 64 answers match, 128 are the template."""
    people = Population(2)
    owner, probes = people.strangers(1)[0], people.strangers(140)
    curve = {count: linear(owner, probes[:count]) for count in (16, 32, 64, 128, 140)}
    print("\nbefore, search at threshold 0:", {count: round(near, 4) for count, near in curve.items()})  # noqa: T201 -- the README's figures
    assert curve[64] > MATCHES
    assert curve[140] > 0.999


def test_pictures_of_other_people(acme: Customer) -> None:
    """At best the mean of the few that matched comes out, and of who was never matched nothing at all."""
    world = Enrolled(acme, ENROLLED)
    pool = world.people.strangers(max(2 * PROBES, 50_000))
    received, answered = other_people(world.search(world.key()), pool, PROBES)
    disclosed = {face: len(one.probes) for face, one in received.items()}
    near = {face: one.recovered(world.owners[face]) for face, one in received.items()}
    best = max(near, key=near.__getitem__)
    mean = received[best].mean @ world.owners[best]
    print(f"\nafter, search: {answered} of {PROBES} answered, {len(disclosed)} faces matched, ", end="")  # noqa: T201
    print(f"at most {max(disclosed.values())} times; nearest {near[best]:.3f}, its matches' mean {mean:.3f}")  # noqa: T201
    for face, one in received.items():
        assert near[face] <= one.mean @ world.owners[face] + SLACK
        assert disclosed[face] <= MOST_TOLD + 3  # of ten, some are beyond what is counted whole
    _learnt_nothing(world, received, pool)


def _learnt_nothing(world: Enrolled, received: dict[str, Heard], pool: np.ndarray) -> None:
    """Whatever was computed is no nearer to somebody else than the nearest picture of a stranger already was."""
    vectors = np.array([one.mean for one in received.values()])
    for face, owner in world.owners.items():
        if face not in received:
            assert (vectors @ owner).max() < max((pool @ owner).max(), MATCHES)


@pytest.mark.parametrize("pictures", [1, 3, 9] if SOAK else [3, 9])
@pytest.mark.parametrize(("score", "often"), BOUNDARIES if SOAK else BOUNDARIES[1::3])
def test_verifications_of_one_face(acme: Customer, pictures: int, score: float, often: float) -> None:
    """Somebody who can make a picture to any template climbs no further than ten lucky pictures of strangers point."""
    world = Enrolled(acme, 1, seed=pictures)
    face, owner = world.faces[0], world.templates[0].astype(np.float64)
    natural = max(unit(np.sum(world.matching(owner, MOST_TOLD), axis=0)) @ owner for _ in range(20))
    begin = world.matching(owner, pictures)
    ask = world.verify(world.key(), face)
    best, received, answered = climb(
        ask, world.people, owner, begin, at=float(SCALE.cosine(score)), often=often, count=VERIFICATIONS
    )
    summary = (
        f"\nafter, verify at {score} from {pictures}: {answered} answered, {len(received.probes)} matches, {best:.3f}"
    )
    print(summary)  # noqa: T201 -- the figures of docs/promises.md
    assert best <= max(natural, received.mean @ owner, unit(np.sum(begin, axis=0)) @ owner) + SLACK
    assert len(world.alerts()) <= 1


@pytest.mark.parametrize(("score", "often"), [(85, -1.3), (96, 0)])
def test_made_up_owners_earn_no_budget(acme: Customer, score: float, often: float) -> None:
    """Who shows the face as near as it is known by then, again and again, is told no more than who does not."""
    world = Enrolled(acme, 1, seed=9)
    owner, key = world.templates[0].astype(np.float64), world.key()
    natural = max(unit(np.sum(world.matching(owner, MOST_TOLD), axis=0)) @ owner for _ in range(20))
    begin = world.matching(owner, 9)
    ask = earning(world.verify(key, world.faces[0]))
    at = float(SCALE.cosine(score))
    best, received, answered = climb(ask, world.people, owner, begin, at=at, often=often, count=VERIFICATIONS // 2)
    print(f"\nearning, verify at {score}: {answered} answered, {len(received.probes)} matches, {best:.3f}")  # noqa: T201 -- the README's figures
    assert best <= max(natural, received.mean @ owner, unit(np.sum(begin, axis=0)) @ owner) + SLACK


def test_somebody_at_his_door_is_not_hindered(acme: Customer) -> None:
    """Fifty times a day for thirty days among sixty people: found whenever he matches, first, and without an alert."""
    world = Enrolled(acme, ENROLLED)
    ask = world.search(world.key(), limit=5)
    face = world.faces[7]
    for _ in range(30 if SOAK else 6):
        for picture, cosine in world.at_the_door(7, 0.7):
            disclosed = ask(picture)
            assert disclosed is not None
            assert next(iter(disclosed), None) == (face.uuid if cosine >= MATCHES else None)
        _a_day_later()
    assert world.alerts() == []


@pytest.mark.parametrize("how", ["search", "verify"])
@pytest.mark.parametrize("mean", [0.45, 0.5, 0.55, 0.6])
def test_a_key_that_meets_one_honest_person_is_hardly_ever_refused(acme: Customer, mean: float, how: str) -> None:
    """Whatever the person looks like, and though the door knows nobody else: at last that key does not find them.

    Doors are independent of each other, with a person and a key each.
    """
    world = Enrolled(acme, DOORS)
    ways = [world.search(key) if how == "search" else world.verify(key, face) for key, face in world.doors()]
    open_ways, found, matching = dict(enumerate(ways)), 0, 0
    for _ in range(30 if SOAK else 1):
        for number, ask in list(open_ways.items()):
            for picture, cosine in world.at_the_door(number, mean):
                disclosed = ask(picture)
                if disclosed is None:
                    del open_ways[number]
                    break
                matching += cosine >= MATCHES
                found += world.faces[number].uuid in disclosed
        _a_day_later()
    refused = DOORS - len(open_ways)
    print(f"\n{how}, a mean of {mean}: {found} found of {matching} that match, {refused} of {DOORS} keys refused")  # noqa: T201 -- the figures of docs/promises.md
    assert refused <= DOORS // 20
    assert len(world.alerts()) <= 2 * DOORS  # a picture of 98 and more begins the count anew


def test_somebody_badly_enrolled_hinders_nobody_else(acme: Customer) -> None:
    """One in twenty looks so little like his picture: there is an alert, within days he is unknown, and only he."""
    world = Enrolled(acme, ENROLLED)
    ask = world.search(world.key(), limit=5)
    bad, good = world.faces[7].uuid, world.faces[8].uuid
    known: list[bool] = []
    for _ in range(3):
        for (picture, cosine), (other, _) in zip(world.at_the_door(7, 0.53), world.at_the_door(8, 0.7), strict=True):
            disclosed, others = ask(picture), ask(other)
            assert disclosed is not None
            assert others is not None
            assert good in others
            if cosine >= MATCHES:
                known.append(bad in disclosed)
        _a_day_later()
    print(f"\na mean of .53: known for {sum(known)} of {len(known)} pictures that match, then withdrawn")  # noqa: T201 -- the README's figures
    assert known == sorted(known, reverse=True)
    assert known[0]
    assert not known[-1]
    assert len(world.alerts()) == 1


def _a_day_later() -> None:
    NearMatch.unscoped.update(at=F("at") - timedelta(days=1))
