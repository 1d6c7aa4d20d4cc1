"""Match, review or unknown: what a search says of a collection with several people (operations.decision)."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from collections_app import tasks
from collections_app.models import Collection, Face, NearMatch, SearchRecord
from collections_app.operations.budget import Match
from collections_app.operations.collections import find, update_collection
from collections_app.operations.decision import Decision, NextPerson, Verdict, decide
from collections_app.operations.disclosure import disclosure
from collections_app.operations.search import Query, search_by_face, search_by_template
from recognition import packs
from recognition.similarity import Threshold
from tenants.models import Event, Webhook
from tests.attack.attackers import SCALE
from tests.collections_app.calibrated import close_people, enrol_people
from tests.collections_app.doors import Door
from tests.conftest import Customer


@pytest.fixture
def door(acme: Customer) -> Door:
    """Two people whose faces have nothing in common, and webhooks for searches."""
    Webhook.unscoped.create(
        tenant=acme.tenant, url="https://example.com", kinds=["search.matched", "search.review"], sealed_secret=b""
    )
    return Door(acme)


def ask(door: Door, *nearness: tuple[Face, float], limit: int = 5) -> tuple[Decision, Sequence[Match], SearchRecord]:
    """Search with a picture that has these scores with faces, as our own API does."""
    caller = door.world.key()
    collection = find(caller, door.world.collection.name)
    terms = disclosure(caller, collection)
    probe = door.probe(*((face, float(SCALE.cosine(score))) for face, score in nearness))
    query = Query(collection, terms, limit, time.perf_counter(), review=True)
    record, shown = search_by_template(caller, query, probe)
    return decide(collection, shown, terms), shown, record


def policy(door: Door, **values: Any) -> Collection:
    return update_collection(door.world.customer.caller, collection=door.world.collection.name, **values)


def told() -> list[tuple[str, str, str]]:
    return [(one.kind, one.data["decision"], one.data["next"]) for one in Event.unscoped.order_by("kind")]


def test_one_person_far_before_the_next_is_a_match(door: Door) -> None:
    decision, shown, record = ask(door, (door.first, 96.5), (door.second, 88.5))
    assert (decision.verdict, decision.next) == (Verdict.MATCH, NextPerson.CLEAR)
    assert [one.face for one in shown] == [door.first, door.second]
    assert record.outcome == "match"
    assert told() == [("search.matched", "match", "clear")]


@pytest.mark.parametrize("limit", [1, 5])
def test_two_people_within_the_margin_are_for_review_never_a_silent_match(door: Door, limit: int) -> None:
    decision, shown, record = ask(door, (door.first, 96.5), (door.second, 95.2), limit=limit)
    assert (decision.verdict, decision.next) == (Verdict.REVIEW, NextPerson.NEAR)
    assert len(shown) == 2  # both are charged, also where only one is asked for
    assert record.outcome == "review"
    assert told() == [("search.matched", "review", "near"), ("search.review", "review", "near")]


def test_two_faces_of_one_person_are_no_second_person(door: Door) -> None:
    Face.objects.of(door.first.tenant).filter(pk=door.second.pk).update(person=door.first.person)
    decision, _, _ = ask(door, (door.first, 96.5), (door.second, 96.2))
    assert (decision.verdict, decision.next) == (Verdict.MATCH, NextPerson.CLEAR)


def test_a_face_below_the_threshold_is_for_review_from_the_line_on(door: Door) -> None:
    policy(door, similarity_floor=Threshold(75), review_threshold=Threshold(80))
    decision, shown, record = ask(door, (door.first, 82.5))
    assert (decision.verdict, decision.next, [one.score for one in shown]) == (Verdict.REVIEW, NextPerson.CLEAR, [82])
    assert (record.outcome, record.best) == ("review", door.first.uuid)
    assert told() == [("search.review", "review", "clear")]
    assert NearMatch.unscoped.count() == 1
    decision, shown, record = ask(door, (door.first, 78.5))
    assert (decision.verdict, shown, record.outcome) == (Verdict.UNKNOWN, (), "no_match")
    assert NearMatch.unscoped.count() == 1  # nothing was told


def test_without_a_line_nothing_below_the_threshold_is_told(door: Door) -> None:
    policy(door, similarity_floor=Threshold(75))
    decision, shown, _ = ask(door, (door.first, 84.5))
    assert (decision.verdict, shown) == (Verdict.UNKNOWN, ())
    assert not NearMatch.unscoped.exists()
    assert told() == []


def test_the_line_for_review_lies_between_floor_and_threshold(door: Door) -> None:
    for wrong in (Threshold(74), Threshold(86)):
        with pytest.raises(ValidationError):
            policy(door, similarity_floor=Threshold(75), review_threshold=wrong)
    kept = policy(door, review_threshold=Threshold(80), similarity_threshold=Threshold(90))
    assert kept.review is not None
    assert kept.review.score == pytest.approx(80)
    decision, shown, _ = ask(door, (door.first, 85.5))  # the floor is the threshold: nothing is told below it
    assert (decision.verdict, shown) == (Verdict.UNKNOWN, ())


def test_what_is_expected_names_the_people_it_was_measured_on(acme: Customer) -> None:
    faces = enrol_people(acme.people, close_people(60))
    found = search_by_face(acme.caller, collection="people", face=faces[0].uuid, limit=1, review=True)
    assert found.decision is not None
    worst = packs.get("light").worst_cohort(Threshold(85))
    assert found.decision.cohort == worst.name
    assert found.decision.expected == pytest.approx(60 * worst.rate(Threshold(85)))
    tasks.calibrate_collection(acme.people.pk)
    found = search_by_face(acme.caller, collection="people", face=faces[0].uuid, limit=1, review=True)
    assert found.decision is not None
    assert found.decision.cohort is None
    assert found.decision.expected < 0.2
    assert found.decision.facts["measured_on"] == "collection"
