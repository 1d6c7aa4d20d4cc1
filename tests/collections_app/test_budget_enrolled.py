"""Budgets where enrolled faces are compared, and where old searches are read (operations.budget)."""

from typing import Any

import pytest

from collections_app.errors import DuplicateFace, ProbingRefused
from collections_app.health_report import make
from collections_app.models import Face, HealthReport, NearMatch, SearchRecord
from collections_app.operations.browse import best_told
from collections_app.operations.budget import refuse_probing
from collections_app.operations.collections import update_collection
from collections_app.operations.data_subject import export_person
from collections_app.operations.health import health
from collections_app.operations.merge_split import neighbours
from collections_app.operations.merge_split import portrait as portrait_of
from collections_app.operations.search import search_by_face
from recognition.index import face_index
from recognition.similarity import Threshold
from tenants import keys
from tenants.access import caller_for_key
from tests.attack.attackers import SCALE
from tests.attack.channels import enrol, templates_as_pictures
from tests.collections_app.doors import OWNER, STRANGER, Door, enrol_near, spent_on
from tests.conftest import Customer


def test_a_picture_that_is_enrolled_is_no_cheaper_to_search_with(door: Door) -> None:
    """Else whoever may enrol makes each picture look like its owner, and the face that is asked about like a double."""
    prober = door.world.key()
    for face in enrol_near(door, 10):
        picture = face_index().vector(door.world.collection.gallery, face.pk)
        assert {match.face.uuid for match in door.search(prober, picture)} >= {face.uuid, door.first.uuid}
    assert spent_on(door.first) == 100
    with pytest.raises(ProbingRefused):
        refuse_probing(prober)


def test_pairs_of_a_look_at_health_count_once_for_both(acme: Customer, door: Door) -> None:
    """That two faces of one person are unlike is a score below the floor: it takes the scope, and is an answer."""
    Face.unscoped.filter(pk=door.second.pk).update(person=door.first.person)
    pair = [str(door.first.pk), str(door.second.pk), 0.1]
    HealthReport.unscoped.create(tenant=acme.tenant, collection=acme.people, findings={"mixed": [pair]})
    issued = keys.issue(acme.tenant, name="reader", scopes=["read", "scores"])
    reader = caller_for_key(*keys.split(issued.token), via="tests")
    assert health(reader, collection="people").mixed is None
    assert NearMatch.unscoped.count() == 0
    for _ in range(2):
        assert len(health(reader, collection="people", below=True).mixed or ()) == 1
    assert sorted(NearMatch.unscoped.values_list("face", "cost")) == sorted([(door.first.pk, 10), (door.second.pk, 10)])


def test_which_pictures_are_named_depends_on_no_order(acme: Customer, door: Door) -> None:
    """Of many pictures that match, health and the refusal of a duplicate name the first that was enrolled."""
    mine = enrol_near(door, 6)
    Face.unscoped.filter(pk__in=[face.pk for face in mine]).update(person=mine[0].person)
    make(HealthReport.unscoped.create(tenant=acme.tenant, collection=acme.people))
    (pair,) = health(acme.caller, collection="people").duplicates
    assert (pair.first, pair.second) == (door.first, mine[0])
    update_collection(acme.caller, collection="people", duplicates="refuse")
    nearest = face_index().vector(acme.people.gallery, mine[-1].pk)
    with templates_as_pictures(), pytest.raises(DuplicateFace) as refused:
        enrol(acme.caller, nearest)
    assert refused.value.face == door.first.uuid


def test_a_better_picture_may_be_enrolled_by_the_key_that_no_longer_finds_its_owner(acme: Customer, door: Door) -> None:
    """A collection that refuses duplicates would tell the key of the face, but for the person who is enrolled again."""
    update_collection(acme.caller, collection="people", duplicates="refuse")
    issued = keys.issue(acme.tenant, name="door", scopes=["search", "enrol"])
    caller = caller_for_key(*keys.split(issued.token), via="tests")
    while spent_on(door.first) < 100:
        door.disclosed(caller, (door.first, STRANGER))
    with templates_as_pictures():
        with pytest.raises(ProbingRefused):
            enrol(caller, door.probe((door.first, 0.1)))
        enrol(caller, door.probe((door.first, OWNER)), door.first.person.reference)


def test_a_face_that_is_searched_by_is_told_of_by_every_answer(door: Door) -> None:
    """Whoever enrols a hundred pictures and searches by one face learns as much of it as by a hundred searches."""
    enrol_near(door, 12)
    prober = door.world.key()
    disclosed = search_by_face(prober, collection="people", face=door.first.uuid, limit=100).matches
    assert len(disclosed) == 10  # the limit: one answer tells no more
    assert {match.score for match in disclosed} == {85}
    assert [match.face.number for match in disclosed] == sorted(match.face.number for match in disclosed)
    assert spent_on(door.first) == 100
    with pytest.raises(ProbingRefused):
        search_by_face(prober, collection="people", face=door.first.uuid, limit=100)


def test_the_neighbours_of_a_face_tell_of_it_as_well(acme: Customer, door: Door) -> None:
    enrol_near(door, 12)
    issued = keys.issue(acme.tenant, name="reader", scopes=["read"])
    reader = caller_for_key(*keys.split(issued.token), via="tests")
    assert {one.score for one in neighbours(reader, collection="people", face=door.first.uuid, limit=12)} == {85}
    with pytest.raises(ProbingRefused):
        neighbours(reader, collection="people", face=door.first.uuid)


def test_a_picture_enrolled_as_somebody_tells_of_them_as_a_double_does(acme: Customer, door: Door) -> None:
    """A portrait says how alike a person's faces are, which they are by the word of whoever enrolled them."""
    mine = enrol_near(door, 7)
    Face.unscoped.filter(pk__in=[face.pk for face in mine]).update(person=door.first.person)
    shown = portrait_of(acme.caller, collection="people", person=door.first.person_id)
    asked = next(place for place, one in enumerate(shown.faces) if one.face == door.first)
    assert shown.faces[asked].matched == 7
    assert sorted(set(NearMatch.unscoped.filter(face=door.first).values_list("cost", flat=True))) == [5]
    assert spent_on(door.first) == 35
    NearMatch.unscoped.filter(face=door.first).update(cost=10)
    again = portrait_of(acme.caller, collection="people", person=door.first.person_id)
    assert {one.score for place, one in enumerate(again.mutual[asked]) if place != asked} == {85}


def test_what_the_log_of_searches_tells_is_counted_however_it_is_read(acme: Customer, door: Door) -> None:
    """A threshold that is lowered afterwards, or a person's record, makes old searches speak; and that counts."""
    below = float(SCALE.cosine(80.5))
    for _ in range(14):
        assert door.disclosed(door.world.key(), (door.first, below)) == []
    assert spent_on(door.first) == 0
    update_collection(acme.caller, collection="people", similarity_threshold=Threshold(79))
    issued = keys.issue(acme.tenant, name="manager", scopes=["admin", "audit"])
    manager = caller_for_key(*keys.split(issued.token), via="tests")
    disclosed = [best_told(manager, record) for record in SearchRecord.objects.of(acme.tenant)]
    # the last are told nothing: it was told as much as there is
    assert disclosed == [80] * 6 + [79] * 5 + [None] * 3
    assert spent_on(door.first) >= 100
    with pytest.raises(ProbingRefused):
        export_person(manager, collection="people", person=door.first.person_id)


def test_a_person_s_record_tells_of_searches_as_the_log_does(acme: Customer, door: Door) -> None:
    for _ in range(14):
        door.disclosed(door.world.key(), (door.first, float(SCALE.cosine(80.5))))
    update_collection(acme.caller, collection="people", similarity_threshold=Threshold(79))
    issued = keys.issue(acme.tenant, name="manager", scopes=["admin"])
    manager = caller_for_key(*keys.split(issued.token), via="tests")
    record = export_person(manager, collection="people", person=door.first.person_id)
    disclosed = [near.score for near in record.searches]
    assert disclosed == [80] * 6 + [79] * 5


def test_more_matches_than_a_statement_takes_conditions(door: Door, settings: Any) -> None:
    settings.MATCHES_PER_FACE = 2_000
    enrol_near(door, 1100)
    assert len(search_by_face(door.world.key(), collection="people", face=door.first.uuid, limit=4096).matches) > 1000
