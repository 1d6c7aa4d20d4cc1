"""No dialect and no page enrols a person who is on the collection's do-not-enrol list."""

import pytest

from collections_app.errors import EnrolmentBarred
from collections_app.models import BarredReference, Collection, Face
from collections_app.operations import do_not_enrol
from collections_app.operations.collections import create_collection, delete_collection
from collections_app.operations.data_subject import PersonDetails, delete_person
from collections_app.operations.enrol import enrol_face
from collections_app.operations.references import AnyCase
from collections_app.tasks import purge_collection
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient, NativeClient, add, details
from tests.dialects.test_native import problem
from tests.make import portrait


def test_who_is_on_the_list_is_refused_until_they_are_off_it(native: NativeClient, acme: Customer) -> None:
    path = "/collections/people/do-not-enrol"
    assert native("POST", path, {"reference": "EMP/1"}).status_code == 201
    assert native("POST", path, {"reference": " EMP/1 "}).json()["reference"] == "EMP/1", "it is there already"
    assert [one["reference"] for one in native("GET", path).json()["references"]] == ["EMP/1"]
    problem(native.enrol("obama", person={"reference": "EMP/1 "}), 409, "do_not_enrol")
    assert native.enrol("obama", person={"reference": "EMP/2"}).status_code == 201
    assert native("DELETE", f"{path}/EMP%2F1").status_code == 204
    problem(native("DELETE", f"{path}/EMP%2F1"), 404, "person_not_found")
    assert native.enrol("sunak", person={"reference": "EMP/1"}).status_code == 201
    actions = AuditEntry.objects.of(acme.tenant).values_list("action", flat=True)
    assert {"do_not_enrol.added", "do_not_enrol.removed"} <= set(actions)
    facts = AuditEntry.objects.of(acme.tenant).filter(action="do_not_enrol.added").get().facts
    assert "EMP/1" not in str(facts), "the log outlives the list"


def test_no_image_of_theirs_is_looked_at(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_enrol.bar(acme.caller, collection="people", reference="x")
    monkeypatch.setattr("recognition.pipeline.analyse", lambda *_, **__: pytest.fail("looked at"))
    with pytest.raises(EnrolmentBarred):
        enrol_face(acme.caller, collection="people", image=portrait("obama"), person=PersonDetails(reference="x"))


def test_a_barred_person_is_not_enrolled_by_our_id(acme: Customer) -> None:
    details = PersonDetails(reference="x")
    (face,) = enrol_face(acme.caller, collection="people", image=portrait("obama"), person=details).faces
    do_not_enrol.bar(acme.caller, collection="people", reference="x")
    by_id = PersonDetails(reference=str(face.person_id))
    with pytest.raises(EnrolmentBarred):
        enrol_face(acme.caller, collection="people", image=portrait("obama"), person=by_id)
    delete_person(acme.caller, collection="people", person="x")
    assert not Face.objects.of(acme.tenant).exists(), "the list is no bar to an erasure"


def test_each_dialect_says_so_in_its_words(accuauth: AccuAuthClient, facedb: FacedbClient, acme: Customer) -> None:
    do_not_enrol.bar(acme.caller, collection="people", reference="12")
    do_not_enrol.bar(acme.caller, collection="gate", reference="u1")
    answer = add(accuauth, "obama", person_id=12)
    assert (answer.status_code, answer.json()["reason"]) == (400, "person must not be added to face db")
    answer = facedb("register-facedb", details("obama", uuId="u1"))
    assert (answer["code"], "not to be registered" in answer["message"]) == (11, True)


@pytest.mark.django_db(transaction=True)
def test_a_list_is_its_collection_s_and_goes_with_it(acme: Customer, native: NativeClient) -> None:
    other = create_collection(acme.caller, name="other")
    do_not_enrol.bar(acme.caller, collection="other", reference="x")
    assert native.enrol("obama", person={"reference": "x"}).status_code == 201
    delete_collection(acme.caller, name="other")
    purge_collection.run(other.pk)
    assert not BarredReference.objects.of(acme.tenant).exists()


@pytest.mark.parametrize(
    ("barred", "sent"),
    [("Émile", "éMILE"), ("İpek", "i\u0307PEK"), ("STRASSE 1", "straße 1"), ("김 Ö", "김 ö"), ("Ωmega", "ωMEGA")],
)
def test_capitals_of_every_alphabet_make_no_difference_where_a_contract_has_none(
    barred: str, sent: str, acme: Customer
) -> None:
    do_not_enrol.bar(acme.caller, collection="people", reference=barred)
    collection = Collection.objects.of(acme.tenant).get(name="people")
    with pytest.raises(EnrolmentBarred):
        do_not_enrol.refuse_barred(collection, AnyCase(sent))
    do_not_enrol.refuse_barred(collection, sent)
    do_not_enrol.refuse_barred(collection, AnyCase("Emile"))
