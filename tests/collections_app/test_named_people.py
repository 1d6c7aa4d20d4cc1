"""People with a reference of the caller's, who may have no face: they go through every operation on people."""

from typing import Any

import pytest

from collections_app.errors import EnrolmentBarred, PersonExists, PersonNotFound
from collections_app.models import Face, Person
from collections_app.operations import data_subject, merge_split, named_people, search
from collections_app.operations.collections import update_collection
from collections_app.operations.compare import verify_person
from collections_app.operations.do_not_enrol import bar
from collections_app.operations.enrol import enrol_faces
from recognition.similarity import Threshold
from tests.conftest import Customer
from tests.make import portrait, side_by_side

AGREED = Threshold(75)


def _added(acme: Customer, *names: str) -> list[Face]:
    done = enrol_faces(acme.caller, collection="people", image=side_by_side(*names), limit=len(names))
    return list(done.faces)


@pytest.fixture
def ada(acme: Customer) -> Person:
    """A person without faces."""
    return named_people.add_person(acme.caller, collection="people", reference="ada")


def test_a_person_without_faces_is_shown_exported_and_erased(acme: Customer, ada: Person) -> None:
    shown = merge_split.portrait(acme.caller, collection="people", person=ada.pk)
    assert (shown.total, shown.faces) == (0, ())
    assert data_subject.export_person(acme.caller, collection="people", person="ada").faces == ()
    with pytest.raises(PersonNotFound):
        verify_person(acme.caller, collection="people", person="ada", image=portrait("obama"))
    assert data_subject.delete_person(acme.caller, collection="people", person="ada").face_count == 0
    assert not Person.objects.of(acme.tenant).exists()


def test_a_reference_is_taken_once_and_not_by_the_barred(acme: Customer, ada: Person) -> None:
    with pytest.raises(PersonExists):
        named_people.add_person(acme.caller, collection="people", reference="ada")
    bar(acme.caller, collection="people", reference="eve")
    with pytest.raises(EnrolmentBarred):
        named_people.add_person(acme.caller, collection="people", reference="eve")
    assert named_people.count_named_people(acme.caller, collection="people") == 1


def test_people_without_a_name_are_not_found_and_go_with_their_last_face(acme: Customer, ada: Person) -> None:
    first, other = _added(acme, "macron_2025", "obama")
    assert named_people.count_named_people(acme.caller, collection="people") == 1
    given: dict[str, Any] = {"collection": "people", "reference": "ada"}
    done = named_people.assign_faces(acme.caller, **given, faces=[first.uuid], threshold=AGREED)
    assert (done.done, done.faces_left) == ([first.uuid], 1)
    assert Person.objects.of(acme.tenant).count() == 2
    probe: dict[str, Any] = {"collection": "people", "image": portrait("macron_2014"), "limit": 5}
    assert [m.face.uuid for m in search.search_people_by_image(acme.caller, **probe).matches] == [first.uuid]
    assert search.search_people_by_image(acme.caller, **probe | {"image": portrait("obama")}).matches == ()
    with pytest.raises(PersonNotFound):
        named_people.release_person(acme.caller, collection="people", reference=str(other.person_id))
    named_people.release_person(acme.caller, **given)
    assert named_people.count_named_people(acme.caller, collection="people") == 0
    assert Person.objects.of(acme.tenant).count() == Face.objects.of(acme.tenant).count() == 2


def test_a_likeness_that_decides_is_charged(acme: Customer, ada: Person) -> None:
    """Otherwise a caller who may enrol could compare made-up faces with a person's at will."""
    first, double, other = (_added(acme, name)[0] for name in ("ardern_2018", "ardern_2022", "obama"))
    policy: dict[str, Any] = {
        "similarity_threshold": Threshold(100),
        "similarity_floor": Threshold(70),
    }  # no score is the owner's
    update_collection(acme.caller, collection="people", **policy)
    given: dict[str, Any] = {"collection": "people", "reference": "ada", "threshold": AGREED}
    named_people.assign_faces(acme.caller, **given, faces=[first.uuid])
    done = named_people.assign_faces(acme.caller, **given, faces=[double.uuid, other.uuid])
    assert (done.done, done.unlike) == ([double.uuid], {other.uuid: None})
    assert first.near_matches.exists()
    assert double.near_matches.exists()
    assert not other.near_matches.exists()
