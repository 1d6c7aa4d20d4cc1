"""Pages of people and faces: merge, split, erase, and the health report."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from collections_app.models import Collection, Face, HealthReport, Person
from collections_app.tasks import examine_collection, examine_due
from recognition.calibration.pairwise import separate
from tenants import audit
from tests.conftest import Customer
from tests.console.conftest import member, page_url, recognised, signed_in


def test_merging_two_people_is_seen_by_the_next_search(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    obama, twin = crowd.people.get(reference="Obama"), crowd.people.get(reference="twin")
    address = page_url("person_merge", alias=crowd.alias, person=twin.pk)
    answer = operator.post(address, {"other": obama.pk, "reason": "same man"})
    assert answer.status_code == 303
    assert not Person.objects.of(acme.tenant).filter(pk=obama.pk).exists()
    assert twin.faces.count() == 2
    assert recognised(acme, "obama") == "B. Obama"
    face = twin.faces.order_by("number").first()
    assert face
    assert b"same man" in operator.get(page_url("face", alias=crowd.alias, face=face.uuid)).content
    assert audit.verify(acme.tenant).sound


def test_splitting_a_face_off_makes_a_new_person(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    macron = crowd.people.get(reference="Macron")
    face = macron.faces.order_by("number").last()
    assert face
    operator.post(page_url("faces_move", alias=crowd.alias), {"faces": [face.uuid], "name": "Somebody else"})
    face.refresh_from_db()
    assert face.person.name == "Somebody else"
    assert macron.faces.count() == 1


@pytest.mark.parametrize("typed", ["Obama", "barack obama", "Barack Obama · Obama"])
def test_a_face_is_moved_to_a_person_by_name_or_reference(acme: Customer, crowd: Collection, typed: str) -> None:
    operator = signed_in(member(acme, "operator"))
    face = crowd.faces.get(person__reference="Sunak")
    operator.post(page_url("faces_move", alias=crowd.alias), {"faces": [face.uuid], "typed": typed})
    face.refresh_from_db()
    assert face.person.reference == "Obama"


def test_a_name_that_two_people_have_is_refused(acme: Customer, crowd: Collection) -> None:
    crowd.people.filter(reference="twin").update(name="Barack Obama")
    operator = signed_in(member(acme, "operator"))
    face = crowd.faces.get(person__reference="Sunak")
    answer = operator.post(page_url("faces_move", alias=crowd.alias), {"faces": [face.uuid], "typed": "Barack Obama"})
    assert answer.status_code == 400
    assert "Several people are named" in answer.content.decode()
    face.refresh_from_db()
    assert face.person.reference == "Sunak"


def test_a_face_cannot_be_moved_to_a_person_of_another_tenant(
    acme: Customer, globex: Customer, crowd: Collection
) -> None:
    theirs = Person.unscoped.create(tenant=globex.tenant, collection=globex.people, reference="theirs")
    face = crowd.faces.first()
    assert face
    operator = signed_in(member(acme, "operator"))
    move = {"faces": [face.uuid], "person": theirs.pk}
    answer = operator.post(page_url("faces_move", alias=crowd.alias), move)
    assert answer.status_code == 404
    assert Face.objects.of(acme.tenant).get(pk=face.pk).person_id == face.person_id


def test_erasing_ticked_faces_takes_their_people_and_images(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    chosen = list(crowd.faces.filter(person__reference__in=["Sunak", "twin"]))
    thumbnail = page_url("face_thumbnail", alias=crowd.alias, face=chosen[0].uuid)
    assert operator.get(thumbnail)["Content-Type"] == "image/jpeg"
    operator.post(page_url("faces_delete", alias=crowd.alias), {"faces": [face.uuid for face in chosen]})
    assert set(crowd.people.values_list("reference", flat=True)) == {"Macron", "Obama"}
    assert operator.get(thumbnail).status_code == 404
    assert recognised(acme, "obama") == "Barack Obama"


def test_one_unknown_face_among_the_ticked_erases_none(acme: Customer, globex: Customer, crowd: Collection) -> None:
    del globex
    face = crowd.faces.first()
    assert face
    operator = signed_in(member(acme, "operator"))
    chosen = {"faces": [face.uuid, "00000000-0000-4000-8000-000000000000"]}
    assert operator.post(page_url("faces_delete", alias=crowd.alias), chosen).status_code == 404
    assert crowd.faces.filter(pk=face.pk).exists()


def test_a_kept_image_carries_its_place_in_the_original(acme: Customer, crowd: Collection) -> None:
    del acme
    for face in crowd.faces.all():
        left, top, width, height = face.stored_frame
        assert left <= max(face.box_x, 0) < face.box_x + face.box_width <= left + width <= face.image_width
        assert top <= max(face.box_y, 0) < face.box_y + face.box_height <= top + height <= face.image_height


def test_health_finds_one_person_twice_and_two_under_one_name(
    acme: Customer, crowd: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, page = signed_in(member(acme, "operator")), page_url("health", alias=crowd.alias)
    sunak = crowd.faces.get(person__reference="Sunak")
    sunak.person = crowd.people.get(reference="Macron")
    sunak.save()
    assert operator.post(page).status_code == 303
    report = HealthReport.objects.of(acme.tenant).get()
    assert operator.post(page).status_code == 303  # a second click while it waits adds no report
    assert HealthReport.objects.of(acme.tenant).count() == 1
    examine_collection.run(report.pk)
    content = operator.get(page).content.decode()
    assert "Probably one person enrolled twice" in content
    report.refresh_from_db()
    assert report.progress == 100
    faces = {str(face.pk): face.person.reference for face in crowd.faces.select_related("person")}
    ((first, second, cosine),) = report.findings["duplicates"]
    assert {faces[first], faces[second]} == {"Obama", "twin"}
    assert cosine > 0.99
    ((first, second, _),) = report.findings["mixed"]
    assert str(sunak.pk) in {first, second}
    assert sum(report.findings["genuine"]) == 3
    assert sum(report.findings["impostor"]) == 7
    assert (report.findings["duplicates_found"], report.findings["mixed_found"]) == (1, 1)
    assert "the clearest of" not in content
    monkeypatch.setattr("collections_app.health_report.separate", partial(separate, most=0))
    operator.post(page)
    examine_collection.run(HealthReport.objects.of(acme.tenant).latest("created_at").pk)
    assert "of 1 found" not in operator.get(page).content.decode()  # a count of matches that is not charged
    owner = signed_in(member(acme, "owner"))
    assert "Shown only with scores below the threshold." in owner.get(page).content.decode()
    shown = owner.get(page, {"below": ""}).content.decode()
    assert "0 · the first of 1 found" in shown
    assert "0 · the clearest of 1 found" in shown


def test_a_person_s_page_says_that_it_does_not_show_all_faces(
    acme: Customer, crowd: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor = signed_in(member(acme, "auditor"))
    page = page_url("person", alias=crowd.alias, person=crowd.people.get(reference="Macron").pk)
    assert "Showing the newest" not in auditor.get(page).content.decode()
    monkeypatch.setattr("collections_app.operations.merge_split.MOST_SHOWN", 1)
    assert "Showing the newest 1." in auditor.get(page).content.decode()


def test_a_lost_health_job_is_done_by_the_sweep(acme: Customer, crowd: Collection) -> None:
    report = HealthReport.unscoped.create(tenant=acme.tenant, collection=crowd)
    examine_due.run()
    report.refresh_from_db()
    assert report.state == "queued"
    HealthReport.objects.of(acme.tenant).update(created_at=timezone.now() - timedelta(minutes=6))
    examine_due.run()
    report.refresh_from_db()
    assert report.state == "done"
    HealthReport.objects.of(acme.tenant).update(state="running", began_at=timezone.now() - timedelta(minutes=31))
    examine_due.run()  # whose worker was killed
    report.refresh_from_db()
    assert report.state == "done"
