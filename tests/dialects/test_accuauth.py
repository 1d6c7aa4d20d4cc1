"""AccuAuth's contract: three endpoints in three encodings."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collections_app.models import Collection, Face, Person
from collections_app.operations.collections import get_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_person
from recognition.similarity import Threshold
from tests.conftest import Customer
from tests.dialects.clients import FORM, JSON, MULTIPART, AccuAuthClient, add, refused, search
from tests.make import base64_of, blank, portrait, side_by_side

SAMPLE_PERSON = 435451889459444247


@pytest.mark.parametrize("kind", [MULTIPART, FORM, JSON])
def test_a_set_is_created_filled_and_searched(accuauth: AccuAuthClient, kind: str) -> None:
    created = accuauth("create", {"name": "staff", "desc": "everybody"}, kind)
    assert created.status_code == 200
    assert list(created.json()) == ["request_id", "status"]
    assert Collection.unscoped.get(name="staff").description == "everybody"

    enrolled = {"name": "staff", "image_base64": base64_of(portrait("macron_2025")), "person_id": SAMPLE_PERSON}
    added = accuauth("add_face", enrolled, kind)
    body = added.json()
    assert list(body) == ["status", "result", "request_id"]
    assert list(body["result"]) == ["face_id", "person_id", "create_time"]
    assert body["status"] == "OK"
    face = Face.unscoped.get()
    assert body["result"] == {
        "face_id": face.pk,
        "person_id": SAMPLE_PERSON,
        "create_time": int(face.created_at.timestamp()),
    }
    assert f'"person_id":{SAMPLE_PERSON},'.encode() in added.content  # a number: no quotes, no exponent

    found = accuauth("search_face", {"name": "staff", "image_base64": base64_of(portrait("macron_2014"))}, kind).json()
    assert list(found) == ["status", "request_id", "result"]
    [match] = found["result"]
    assert list(match) == ["person_id", "face_id", "score", "create_time"]
    assert (match["person_id"], match["face_id"]) == (SAMPLE_PERSON, face.pk)
    assert 0.85 < match["score"] <= 1


def test_nobody_matches_a_stranger(accuauth: AccuAuthClient) -> None:
    add(accuauth)
    for stranger in ("obama", "ardern_2018"):
        answer = search(accuauth, stranger)
        assert (answer.status_code, answer.json()["status"], answer.json()["result"]) == (200, "OK", [])


def test_a_person_without_a_number_gets_one_and_may_be_shown_again_under_it(accuauth: AccuAuthClient) -> None:
    first = add(accuauth).json()["result"]["person_id"]
    other = add(accuauth, "obama").json()["result"]["person_id"]
    assert isinstance(first, int)
    assert first != other
    for form in (first, str(first)):
        assert add(accuauth, "macron_2014", person_id=form).json()["result"]["person_id"] == first
    assert Person.unscoped.count() == 2


def test_a_person_of_another_dialect_has_our_number_and_keeps_their_details(
    acme: Customer, accuauth: AccuAuthClient
) -> None:
    details = PersonDetails(reference="emp-007", name="Barack Obama", age=63)
    obama = enrol_person(acme.caller, collection="people", images=[portrait("obama")], person=details)
    [match] = search(accuauth, "obama").json()["result"]
    assert match["person_id"] == obama.pk
    assert add(accuauth, "obama", person_id=obama.pk).json()["result"]["person_id"] == obama.pk
    obama.refresh_from_db()
    assert (obama.reference, obama.name, obama.age, obama.faces.count()) == ("emp-007", "Barack Obama", 63, 2)


@pytest.mark.parametrize("reference", ["007", "+5", "1e3", "٣", "9223372036854775808", "-0"])
def test_text_that_only_looks_like_a_number_is_answered_with_ours(
    acme: Customer, accuauth: AccuAuthClient, reference: str
) -> None:
    details = PersonDetails(reference=reference)
    person = enrol_person(acme.caller, collection="people", images=[portrait("obama")], person=details)
    [match] = search(accuauth, "obama").json()["result"]
    assert match["person_id"] == person.pk


@pytest.mark.parametrize("number", [0, -3, 2**63 - 1, -(2**63)])
def test_every_int64_is_a_person(accuauth: AccuAuthClient, number: int) -> None:
    added = accuauth(
        "add_face", {"name": "people", "image_base64": base64_of(portrait("obama")), "person_id": number}, JSON
    )
    assert added.json()["result"]["person_id"] == number


def test_the_largest_accepted_image_is_accepted_and_never_lies_on_disk(accuauth: AccuAuthClient, settings: Any) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = "/nowhere"
    padded = portrait("obama") + bytes(5 * 1024 * 1024 - len(portrait("obama")))
    assert add(accuauth, padded).status_code == 200


def test_an_image_comes_as_a_file_or_as_base64_and_the_file_wins(accuauth: AccuAuthClient) -> None:
    assert add(accuauth, "obama", image_base64="no base64").status_code == 200
    assert add(accuauth, "obama", image_base64=base64_of(blank())).status_code == 200
    plain = {"name": "people", "file": "", "image_base64": "data:image/jpeg;base64," + base64_of(portrait("obama"))}
    assert accuauth("add_face", plain).status_code == 200
    for body in ({}, {"image_base64": ""}, {"image_base64": None}, {"file": None}):
        reason = refused(accuauth("add_face", {"name": "people"} | body, JSON), 400, "INVALID_ARGUMENT")
        assert reason == "file or image_base64 is required"
    for text in ("no base64", "é", "QQ=", base64_of(b"x")[:-1]):
        refused(accuauth("add_face", {"name": "people", "image_base64": text}, JSON), 400, "INVALID_ARGUMENT")


def test_the_largest_of_several_faces_counts(accuauth: AccuAuthClient) -> None:
    """Decision F8. Two portraits of the same height; the larger face is measured, not assumed."""
    together = side_by_side("obama", "ardern_2022")
    added = add(accuauth, together, person_id=1)
    assert added.status_code == 200
    face = Face.unscoped.get()
    left = face.box_x + face.box_width / 2 < face.image_width / 2
    whose, other = ("obama", "ardern_2022") if left else ("ardern_2022", "obama")
    assert [match["person_id"] for match in search(accuauth, whose).json()["result"]] == [1]
    assert search(accuauth, other).json()["result"] == []


def test_the_threshold_is_a_score_of_0_to_1(acme: Customer, accuauth: AccuAuthClient) -> None:
    add(accuauth)
    [match] = search(accuauth, threshold=0.5).json()["result"]
    score = match["score"]
    assert score == round(score, 2)
    assert search(accuauth, threshold=score).json()["result"] == [match]
    assert search(accuauth, threshold=round(score + 1e-5, 6)).json()["result"] == []
    assert search(accuauth, "obama", threshold=0).json()["result"] == []  # decision R10


def test_a_set_begins_with_the_contract_s_threshold(acme: Customer, accuauth: AccuAuthClient) -> None:
    """Decision R10; a collection made elsewhere keeps its own threshold."""
    accuauth("create", {"name": "staff"})
    assert get_collection(acme.caller, name="staff").threshold == Threshold(80)
    assert acme.people.threshold == Threshold(85)


def test_matches_come_best_first_and_no_more_than_asked_for(accuauth: AccuAuthClient) -> None:
    near, exact = (add(accuauth, name).json()["result"]["face_id"] for name in ("ardern_2018", "ardern_2022"))
    assert [match["face_id"] for match in search(accuauth, "ardern_2022").json()["result"]] == [exact]
    both = search(accuauth, "ardern_2022", topN=10).json()["result"]
    assert [match["face_id"] for match in both] == [exact, near]
    assert both[0]["score"] > both[1]["score"]


def test_faces_from_before_the_window_neither_match_nor_hide_others(accuauth: AccuAuthClient) -> None:
    """Decision F12. Twelve old faces are nearer to the probe than the recent one."""
    for _ in range(12):
        assert add(accuauth, "ardern_2022").status_code == 200
    now = timezone.now()
    Face.unscoped.update(created_at=now - timedelta(days=200))
    recent = add(accuauth, "ardern_2018").json()["result"]["face_id"]
    assert [match["face_id"] for match in search(accuauth, "ardern_2022").json()["result"]] == [recent]
    everything = search(accuauth, "ardern_2022", topN=10, start_time=0).json()["result"]
    assert len(everything) == 10
    assert recent not in [match["face_id"] for match in everything]
    future = int(now.timestamp()) + 3600
    assert search(accuauth, "ardern_2022", start_time=future).json()["result"] == []
    Face.unscoped.update(created_at=now - timedelta(days=180))
    assert len(search(accuauth, "ardern_2022", topN=10).json()["result"]) == 10


def test_every_answer_has_a_number_of_its_own(accuauth: AccuAuthClient) -> None:
    numbers = [
        accuauth(call, {"name": name}, **{"X-Request-Id": sent}).json()["request_id"]
        for call, name in (("create", "new"), ("add_face", "unknown"))
        for sent in ("0" * 32, "0" * 32, "their-own-form", "their-own-form")
    ]
    assert all(re.fullmatch(r"TID[0-9a-f]{32}", number) for number in numbers)
    assert len(set(numbers)) == len(numbers)
    plain = accuauth("create", {"name": "newer"})
    assert plain.json()["request_id"] == "TID" + plain.headers["X-Request-Id"]
