"""What is disclosed about a face in thirty days is counted, over all keys (operations.budget)."""

import time
from datetime import timedelta

import pytest
from django.db.models import F, Sum

from collections_app.errors import DuplicateFace, ProbingRefused
from collections_app.models import NearMatch
from collections_app.operations.budget import hidden_faces, refuse_probing
from collections_app.operations.collections import update_collection
from collections_app.operations.compare import verify, verify_template
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.disclosure import disclosure
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.search import Query, search_by_face, search_by_image, search_by_template
from collections_app.operations.webhooks import create_webhook
from collections_app.tasks import purge_due
from recognition.similarity import Threshold
from tenants import keys
from tenants.access import caller_for_key
from tenants.models import Event
from tests.attack.attackers import SCALE
from tests.collections_app.doors import OWNER, STRANGER, Door, alerts, spent_on
from tests.conftest import ArgosClient, Customer
from tests.make import base64_of, portrait


def test_beyond_the_budget_a_face_is_found_without_a_score_and_alerted_once(acme: Customer, door: Door) -> None:
    """Five strangers are told as they are, over all keys; then the threshold's score, also to the owner."""
    first = door.first.uuid
    create_webhook(acme.caller, url="https://example.com/hook", kinds=["audit.alert"])
    for _ in range(5):
        assert door.disclosed(door.world.key(), (door.first, STRANGER)) == [(first, 86)]
    assert alerts(acme) == []
    for _ in range(3):
        assert door.disclosed(door.world.key(), (door.first, STRANGER)) == [(first, 85)]
    assert door.disclosed(door.world.key(), (door.first, OWNER)) == [(first, 85)]
    assert alerts(acme) == [{"face": first, "matches": 6.0, "days": 30, "by": "prober"}]
    disclosed = Event.objects.of(acme.tenant).filter(kind="audit.alert")
    assert [event.data["alert"] for event in disclosed] == ["face_probed"]
    assert door.disclosed(door.world.key(), (door.second, STRANGER)) == [(door.second.uuid, 86)]


def test_faces_beyond_their_budget_come_last_by_their_number(door: Door) -> None:
    """Unless one looks like its owner: then the other is a double of theirs."""
    for face in (door.first, door.second):
        for _ in range(6):
            door.disclosed(door.world.key(), (face, STRANGER))
    near, nearer = float(SCALE.cosine(86)), float(SCALE.cosine(89))
    both = [(door.first.uuid, 85), (door.second.uuid, 85)]
    assert door.disclosed(door.world.key(), (door.first, near), (door.second, nearer)) == both
    assert door.disclosed(door.world.key(), (door.first, near), (door.second, OWNER - 0.1)) == both[::-1]


def test_a_face_beyond_its_budget_comes_after_one_within(door: Door) -> None:
    for _ in range(6):
        door.disclosed(door.world.key(), (door.first, STRANGER))
    nearer = float(SCALE.cosine(89))
    disclosed = door.disclosed(door.world.key(), (door.first, nearer), (door.second, STRANGER))
    assert disclosed == [(door.second.uuid, 86), (door.first.uuid, 85)]


def test_the_key_that_keeps_probing_is_refused_and_no_other(door: Door) -> None:
    """Whatever it asks then, so that a refusal says nothing of a face: by name at once, else at the third face."""
    prober, other = door.world.key(), door.world.key()
    for face in (door.first, door.second, door.third):
        while spent_on(face) < 100:
            door.disclosed(prober, (face, STRANGER))
        with pytest.raises(ProbingRefused):
            verify(prober, collection="people", face=face.uuid, image=portrait("obama"))
    for _ in range(2):
        with pytest.raises(ProbingRefused) as refused:
            door.disclosed(prober, (door.second, OWNER))
        assert 29 * 86_400 < refused.value.retry_after <= 30 * 86_400
    with pytest.raises(ProbingRefused):
        search_by_image(prober, collection="people", image=portrait("obama"))
    with pytest.raises(ProbingRefused):
        search_by_face(prober, collection="people", face=door.first.uuid, limit=1)
    assert door.disclosed(other, (door.first, STRANGER)) == [(door.first.uuid, 85)]


def test_a_door_that_meets_owners_too_is_never_refused(door: Door) -> None:
    """Whatever doubles it meets: a key that sees one match in nine as an owner's is a door's."""
    caller = door.world.key()
    for face in (door.first, door.second, door.third):
        for number in range(12):
            door.disclosed(caller, (face, float(SCALE.cosine(92)) if number in {0, 1} else STRANGER))
    assert door.disclosed(caller, (door.first, OWNER)) == []
    hidden_faces(caller, several=1)


def test_thirty_days_later_it_begins_anew(door: Door) -> None:
    prober = door.world.key()
    for _ in range(10):
        door.disclosed(prober, (door.first, STRANGER))
    NearMatch.unscoped.update(at=F("at") - timedelta(days=30))
    assert door.disclosed(prober, (door.first, STRANGER)) == [(door.first.uuid, 86)]
    purge_due.run()
    assert NearMatch.unscoped.count() == 1


def test_what_was_told_before_costs_nothing(door: Door) -> None:
    """The same picture sent again, or two enrolled faces compared again, is no new answer."""
    caller, probe = door.world.key(), door.probe((door.first, STRANGER))
    for _ in range(30):
        assert [match.score for match in door.search(caller, probe)] == [86]
    assert NearMatch.unscoped.get().spent == 10


def test_verifications_count_as_searches_do(acme: Customer, door: Door) -> None:
    caller, collection = door.world.key(), door.world.collection
    terms = disclosure(caller, collection)
    disclosed = [
        verify_template(caller, collection, door.first, door.probe((door.first, STRANGER)), terms) for _ in range(10)
    ]
    assert disclosed == [(86, True)] * 5 + [(85, True)] * 5
    with pytest.raises(ProbingRefused):
        refuse_probing(caller)
    away = door.probe((door.first, 0.2))
    assert verify_template(caller, collection, door.first, away, terms) == (None, False)
    assert len(alerts(acme)) == 1
    assert NearMatch.unscoped.count() == 10


def test_a_raised_threshold_is_a_question_about_the_score(door: Door) -> None:
    """Owners' scores cost nothing; to move a threshold among them does."""
    caller = door.world.key()
    cosine = float(SCALE.cosine(98.2))
    for _ in range(20):
        door.search(caller, door.probe((door.first, cosine)))
    assert NearMatch.unscoped.count() == 0
    for _ in range(2):
        door.search(caller, door.probe((door.first, cosine)), score=98)
    assert list(NearMatch.unscoped.values_list("cost", flat=True)) == [1, 1]


def test_a_double_at_the_door_costs_half_but_for_the_first_time(door: Door) -> None:
    """Somebody who looks like himself, and a little like somebody else."""
    caller = door.world.key()
    for _ in range(15):
        disclosed = door.disclosed(caller, (door.first, OWNER - 0.1), (door.second, STRANGER))
        assert [face for face, _ in disclosed] == [door.first.uuid, door.second.uuid]
    costs = list(NearMatch.unscoped.filter(face=door.second).order_by("pk").values_list("cost", flat=True))
    assert costs == [10, *[5] * (len(costs) - 1)]


def test_who_got_near_climbs_no_further_by_whole_points(door: Door) -> None:
    """From a fifth of the limit on, scores are told up to 95; until the key meets the owner."""
    caller, near = door.world.key(), float(SCALE.cosine(97.2))
    assert door.disclosed(caller, (door.first, near)) == [(door.first.uuid, 97)]
    for _ in range(2):
        door.disclosed(caller, (door.first, STRANGER))
    assert door.disclosed(caller, (door.first, near)) == [(door.first.uuid, 95)]
    door.disclosed(caller, (door.first, OWNER))
    assert door.disclosed(caller, (door.first, near)) == [(door.first.uuid, 97)]


def test_who_is_met_again_and_again_owes_nothing(acme: Customer, door: Door) -> None:
    """A bad picture between two good ones; what other keys were told stays, and enrolled faces meet nobody."""
    caller, other = door.world.key(), door.world.key()
    for _ in range(4):
        door.disclosed(other, (door.first, STRANGER))
    for _ in range(20):
        door.disclosed(caller, (door.first, STRANGER))
        assert door.disclosed(caller, (door.first, OWNER)) == [(door.first.uuid, 95)]
    assert alerts(acme) == []
    assert NearMatch.unscoped.aggregate(spent=Sum("cost"))["spent"] == 40
    query = Query(
        door.world.collection, disclosure(caller, door.world.collection), 10, time.perf_counter(), probe=door.second
    )
    door.disclosed(caller, (door.first, STRANGER))
    search_by_template(caller, query, door.probe((door.first, OWNER)))
    assert NearMatch.unscoped.aggregate(spent=Sum("cost"))["spent"] == 50


def test_a_badly_enrolled_face_is_withdrawn_and_the_key_goes_on(acme: Customer, door: Door) -> None:
    """Nothing is told of it, whatever is asked, not even by a place that is left free; of others everything."""
    caller, other = door.world.key(), door.world.key()
    for number in range(9 * 11):
        door.disclosed(caller, (door.first, STRANGER if number % 11 == 0 else float(SCALE.cosine(92))))
    assert len(alerts(acme)) == 1
    for cosine in (STRANGER, OWNER):
        assert door.disclosed(caller, (door.first, cosine)) == []
        terms = disclosure(caller, door.world.collection)
        probe = door.probe((door.first, cosine))
        assert verify_template(caller, door.world.collection, door.first, probe, terms) == (None, False)
    both = door.probe((door.first, OWNER - 0.1), (door.second, STRANGER))
    assert [match.face for match in door.search(caller, both, limit=1)] == [door.second]
    assert door.disclosed(other, (door.first, OWNER)) == [(door.first.uuid, 85)]
    with pytest.raises(ProbingRefused):  # enrolled faces are no door's
        search_by_face(caller, collection="people", face=door.first.uuid, limit=1)


def test_an_answer_below_the_threshold_costs_one(acme: Customer, door: Door) -> None:
    """With the scope `scores`; beyond the budget nothing below the threshold is told."""
    issued = keys.issue(acme.tenant, name="scores", scopes=["search", "scores"])
    caller = caller_for_key(*keys.split(issued.token), via="tests")
    for number in range(8):
        disclosed = door.search(
            caller, door.probe((door.first, 0.2), (door.second, -0.3), (door.third, -0.8)), score=10
        )
        assert [match.face.uuid for match in disclosed] == [door.first.uuid, door.second.uuid][: 2 if number < 5 else 0]
    assert len(alerts(acme)) == 2


def test_a_refused_duplicate_is_an_answer(acme: Customer) -> None:
    """The refusal undoes the enrolment, and not what it told."""
    face = enrol_face(acme.caller, collection="people", image=portrait("macron_2014"), person=PersonDetails()).faces[0]
    issued = keys.issue(acme.tenant, name="door", scopes=["search", "enrol"])
    caller = caller_for_key(*keys.split(issued.token), via="tests")
    exact = search_by_image(acme.caller, collection="people", image=portrait("macron_2025")).matches[0].cosine
    just_below = Threshold(float(SCALE.score(exact)) - 0.2)
    update_collection(acme.caller, collection="people", duplicates="refuse", similarity_threshold=just_below)
    NearMatch.unscoped.all().delete()
    with pytest.raises(DuplicateFace):
        enrol_face(caller, collection="people", image=portrait("macron_2025"), person=PersonDetails())
    row = NearMatch.unscoped.get()
    assert (row.face_id, row.actor_id) == (face.pk, caller.id)
    NearMatch.unscoped.update(spent=100)
    with pytest.raises(ProbingRefused):
        enrol_face(caller, collection="people", image=portrait("obama"), person=PersonDetails())


def test_what_was_counted_goes_with_the_face(door: Door) -> None:
    for face in (door.first, door.second):
        door.disclosed(door.world.key(), (face, STRANGER))
    delete_face(door.world.customer.caller, collection="people", face=door.first.uuid)
    assert NearMatch.unscoped.get().face_id == door.second.pk


def test_the_refusal_on_the_wire(acme: Customer, door: Door, argos: ArgosClient) -> None:
    """Argos documents no 429: its code is the one for what it does not name."""
    for face in door.world.faces:
        NearMatch.unscoped.create(
            tenant=acme.tenant, face=face, actor_id=acme.issued.key.pk, cosine=0.43, cost=10, spent=100
        )
    body = {"collectionId": "people", "requestName": "x", "faceImage": base64_of(portrait("obama"))}
    answer = argos("POST", "/search", body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, 6038)
    native = argos("POST", "/api/v1/collections/people/search", {"image": body["faceImage"]})
    assert (native.status_code, native.json()["code"]) == (429, "probing_refused")
    assert int(native["Retry-After"]) > 29 * 86_400


def test_once_a_face_was_probed_the_order_of_owners_reveals_nothing(door: Door) -> None:
    """A caller may enrol a picture, and learn by which comes first on which side of it the other face lies."""
    lower, higher = float(SCALE.cosine(96.2)), float(SCALE.cosine(96.8))
    sides = [((door.first, lower), (door.second, higher)), ((door.first, higher), (door.second, lower))]
    key = door.world.key()
    first, second = door.first.uuid, door.second.uuid
    assert [[face for face, _ in door.disclosed(key, *side)] for side in sides] == [[second, first], [first, second]]
    for _ in range(3):
        door.disclosed(key, (door.first, STRANGER))
    shown = [door.disclosed(key, *side) for side in sides]
    assert shown == [[(second, 96), (first, 95)]] * 2
    only = [[match.face.uuid for match in door.search(key, door.probe(*side), limit=1)] for side in sides]
    assert only == [[second]] * 2
    lower, higher = float(SCALE.cosine(95.6)), float(SCALE.cosine(95.9))
    sides = [((door.first, lower), (door.second, higher)), ((door.first, higher), (door.second, lower))]
    assert [door.disclosed(key, *side) for side in sides] == [[(first, 95), (second, 95)]] * 2
