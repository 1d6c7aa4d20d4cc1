"""Scores that are measured against the strangers of their own collection, and the versions of what is learnt."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from collections_app import scoring, tasks
from collections_app.models import Collection, Face, HealthReport
from collections_app.operations.collections import delete_collection, find, update_collection
from collections_app.operations.compare import verify_template
from collections_app.operations.disclosure import disclosure
from collections_app.operations.erase import delete_face
from collections_app.operations.health import examine
from collections_app.operations.merge_split import merge_people, neighbours
from collections_app.operations.thresholds import explain_threshold
from recognition import packs
from recognition.calibration.calibrated import Normalisation
from recognition.index import calibrations
from recognition.models import Calibration, Gallery
from recognition.results import Floats
from recognition.similarity import DEFAULT, Threshold
from tenants.models import AuditEntry, Event, Webhook
from tests.collections_app.calibrated import close_people, enrol_people, look, other_picture
from tests.conftest import Customer
from tests.make import flipped

PEOPLE = close_people(60)
STRANGERS = close_people(60, seed=9)


@pytest.fixture
def faces(acme: Customer) -> list[Face]:
    """Sixty people who lie close together."""
    return enrol_people(acme.people, PEOPLE)


def calibrate(customer: Customer) -> Calibration:
    tasks.calibrate_collection(customer.people.pk)
    kept: Calibration = Calibration.objects.of(customer.tenant).get(gallery=customer.people.pk)
    return kept


def normalisation(customer: Customer) -> Normalisation:
    found = calibrations.normalisation(Gallery.objects.of(customer.tenant).get(pk=customer.people.pk))
    assert found is not None
    return found


def matched(customer: Customer, templates: Floats) -> float:
    """Return the share of these people who match somebody."""
    return float(np.mean([bool(look(customer.caller, one)[1]) for one in templates]))


def test_strangers_of_a_calibrated_collection_match_far_less_and_its_people_as_before(
    acme: Customer, faces: list[Face]
) -> None:
    assert matched(acme, STRANGERS) > 0.4
    assert look(acme.caller, STRANGERS[0])[0].calibration is None
    kept = calibrate(acme)
    assert kept.version == 1
    assert 30 <= kept.strangers < len(PEOPLE)
    assert matched(acme, STRANGERS) < 0.1
    for face, picture in zip(faces, other_picture(PEOPLE), strict=True):
        record, matches = look(acme.caller, picture)
        assert matches[0].face == face
        assert record.calibration == 1
    entry = AuditEntry.objects.of(acme.tenant).get(action="collection.calibrated")
    assert (entry.facts["version"], entry.facts["strangers"]) == (1, kept.strangers)


def test_the_order_is_that_of_normalised_cosines_over_the_whole_collection(acme: Customer, faces: list[Face]) -> None:
    calibrate(acme)
    for probe in STRANGERS[:10]:
        record, _ = look(acme.caller, probe)
        cosines = normalisation(acme).cosines(probe, PEOPLE)
        best = np.argsort(-cosines)[:5]
        assert [uuid for uuid, _ in record.candidates] == [faces[row].uuid for row in best]
        assert [told for _, told in record.candidates] == pytest.approx(cosines[best], abs=1e-5)


def test_identical_pictures_are_100_and_come_first(acme: Customer, faces: list[Face]) -> None:
    calibrate(acme)
    for face, template in zip(faces, PEOPLE, strict=True):
        _, matches = look(acme.caller, template)
        assert (matches[0].face, matches[0].score) == (face, 100)


def test_a_face_is_verified_on_the_scale_of_its_collection(acme: Customer, faces: list[Face]) -> None:
    calibrate(acme)
    collection = find(acme.caller, "people")
    terms = disclosure(acme.caller, collection)
    near = next(one for one in STRANGERS if (one @ PEOPLE.T).max() >= DEFAULT.on(terms.scale))
    face = faces[int((PEOPLE @ near).argmax())]
    assert verify_template(acme.caller, collection, face, near, terms) == (None, False)
    score, match = verify_template(acme.caller, collection, face, other_picture(PEOPLE[faces.index(face)]), terms)
    assert match
    assert score is not None
    assert neighbours(acme.caller, collection="people", face=face.uuid, limit=3) == ()


def test_a_policy_of_plain_scores_is_kept(acme: Customer, faces: list[Face]) -> None:
    calibrate(acme)
    update_collection(acme.caller, collection="people", scale=Collection.Scale.PLAIN)
    assert matched(acme, STRANGERS) > 0.4
    assert look(acme.caller, STRANGERS[0])[0].calibration is None


@pytest.mark.parametrize("copies", [1, 2])
def test_nothing_is_kept_below_thirty_strangers(acme: Customer, copies: int) -> None:
    """A contract may make each face a person: faces that look alike are no strangers."""
    apart = close_people(29) - close_people(29).mean(axis=0) * 0.7
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    for copy in range(copies):
        enrol_people(acme.people, other_picture(apart, 0.9, seed=copy))
    kept = calibrate(acme)
    assert (kept.strangers, kept.sealed) == (29, None)
    assert look(acme.caller, STRANGERS[0])[0].calibration is None


def test_the_version_changes_with_what_was_learnt_and_only_then(acme: Customer, faces: list[Face]) -> None:
    first = calibrate(acme)
    assert calibrate(acme).version == first.version
    order = sorted(faces, key=lambda face: face.pk)
    delete_face(acme.caller, collection="people", face=order[0].uuid)
    assert calibrate(acme).version == 2
    merge_people(acme.caller, collection="people", person=order[1].person_id, other=order[2].person_id)
    assert look(acme.caller, STRANGERS[0])[0].calibration == 2
    assert calibrate(acme).version >= 2
    for face in order[3:45]:
        delete_face(acme.caller, collection="people", face=face.uuid)
    gone = calibrate(acme)
    assert gone.sealed is None
    assert look(acme.caller, STRANGERS[0])[0].calibration is None


def test_a_day_after_the_last_time_a_collection_is_calibrated_anew(acme: Customer, globex: Customer) -> None:
    enrol_people(acme.people, PEOPLE)
    enrol_people(globex.people, PEOPLE[:5])
    tasks.calibrate_due()
    (first,) = Calibration.unscoped.all()  # five faces are too few to look
    assert first.gallery_id == acme.people.pk
    tasks.calibrate_due()
    assert Calibration.unscoped.get().made_at == first.made_at
    Calibration.unscoped.update(made_at=timezone.now() - timedelta(hours=21))
    tasks.calibrate_due()
    assert Calibration.unscoped.get().made_at > first.made_at


def test_a_collection_that_grew_by_a_tenth_is_calibrated_anew(acme: Customer) -> None:
    enrol_people(acme.people, PEOPLE)
    tasks.calibrate_due()
    first = Calibration.unscoped.get()
    enrol_people(acme.people, close_people(6, seed=30))
    tasks.calibrate_due()
    assert Calibration.unscoped.get().made_at == first.made_at
    enrol_people(acme.people, close_people(2, seed=31))
    tasks.calibrate_due()
    again = Calibration.unscoped.get()
    assert (again.made_at > first.made_at, again.version) == (True, first.version + 1)


def test_a_score_means_its_rate_where_the_policy_says_so(acme: Customer) -> None:
    """The scale `measured` lowers scores at each rate that the collection's own comparisons are enough to measure."""
    enrol_people(acme.people, close_people(200))
    update_collection(acme.caller, collection="people", scale=Collection.Scale.MEASURED)
    calibrate(acme)
    assert len(normalisation(acme).own) > 1
    collection = find(acme.caller, "people")
    told = scoring.cosines(collection, close_people(500, seed=20), close_people(200))
    tail = scoring.tail(collection)
    assert tail is not None
    for rate in (1e-2, 1e-3):
        cosine = Threshold.of_rate(rate).on(packs.get("light").similarity)
        assert (told >= cosine).mean() == pytest.approx(rate, rel=0.6)
        assert tail.rate(cosine) == pytest.approx(rate, rel=0.3)
    collection.scale = Collection.Scale.NORMALISED
    assert len(scoring.normalisation(collection).own) == 1  # type: ignore[union-attr]


def test_a_health_report_calibrates_too(acme: Customer, faces: list[Face]) -> None:
    report = examine(acme.caller, collection="people")
    tasks.examine_collection(report.pk)
    assert HealthReport.objects.of(acme.tenant).get().state == "done"
    assert normalisation(acme).version == 1


def test_a_damaged_calibration_stops_no_search_and_is_made_again(
    acme: Customer, faces: list[Face], caplog: Any
) -> None:
    kept = calibrate(acme)
    Calibration.unscoped.update(sealed=flipped(bytes(kept.sealed or b"")))
    assert look(acme.caller, STRANGERS[0])[0].calibration is None
    assert "A calibration is damaged" in caplog.text
    assert calibrate(acme).version == 2
    assert look(acme.caller, STRANGERS[0])[0].calibration == 2


@pytest.mark.django_db(transaction=True)
def test_a_calibration_is_erased_with_its_collection(acme: Customer, faces: list[Face]) -> None:
    calibrate(acme)
    delete_collection(acme.caller, name="people")
    tasks.purge_collection(acme.people.pk)
    assert not Calibration.unscoped.exists()
    tasks.calibrate_due()
    tasks.calibrate_collection(acme.people.pk)
    assert not Calibration.unscoped.exists()


def set_rate(customer: Customer, rate: float | None) -> Collection:
    return update_collection(customer.caller, collection="people", false_match_rate=rate)


def test_a_rate_is_kept_by_the_worst_cohort_until_the_collection_was_measured(acme: Customer) -> None:
    worst = packs.get("light").worst_cohort
    for rate in (1e-2, 1e-3, 1e-4):
        threshold = set_rate(acme, rate).threshold
        assert worst(threshold).rate(threshold) <= rate
        lower = Threshold(threshold.score - 1)
        assert worst(lower).rate(lower) > rate
    assert set_rate(acme, 1e-6).threshold.score == pytest.approx(95)
    meaning = explain_threshold(acme.caller, threshold=Threshold(95), faces=10, collection=find(acme.caller, "people"))
    assert meaning.own is None
    with pytest.raises(ValidationError):
        set_rate(acme, 0.5)


def test_a_rate_is_measured_in_the_collection_and_stays_as_the_collection_changes(
    acme: Customer, faces: list[Face]
) -> None:
    webhook = Webhook.unscoped.create(
        tenant=acme.tenant, url="https://example.com", kinds=["collection.calibrated"], sealed_secret=b""
    )
    first = set_rate(acme, 5e-3).threshold
    calibrate(acme)
    probes = close_people(500, seed=20)
    cosines = normalisation(acme).cosines(probes, PEOPLE)
    measured = find(acme.caller, "people")
    assert measured.false_match_rate == 5e-3
    assert (cosines >= measured.similarity_threshold).mean() == pytest.approx(5e-3, rel=0.6)
    assert measured.threshold != first
    told = Event.objects.of(acme.tenant).get(kind="collection.calibrated").data
    assert (told["threshold_before"], told["threshold"]) == (
        pytest.approx(first.score, abs=0.1),
        pytest.approx(measured.threshold.score, abs=0.1),
    )
    assert told["false_match_rate"] == pytest.approx(5e-3)
    meaning = explain_threshold(acme.caller, threshold=measured.threshold, faces=60, collection=measured)
    assert meaning.own is not None
    assert meaning.own.low < 5e-3 < meaning.own.high
    assert meaning.strangers == pytest.approx(0.3)
    enrol_people(acme.people, close_people(60, seed=21))
    calibrate(acme)
    again = find(acme.caller, "people")
    assert again.threshold != measured.threshold
    assert scoring.tail(again).rate(again.similarity_threshold) == pytest.approx(5e-3)  # type: ignore[union-attr]
    update_collection(acme.caller, collection="people", similarity_threshold=Threshold(90))
    assert find(acme.caller, "people").false_match_rate is None
    webhook.delete()


def test_another_scale_is_measured_anew(acme: Customer, faces: list[Face]) -> None:
    calibrate(acme)
    tail = scoring.tail(find(acme.caller, "people"))
    update_collection(acme.caller, collection="people", scale=Collection.Scale.PLAIN)
    assert scoring.tail(find(acme.caller, "people")) is None
    calibrate(acme)
    plain = scoring.tail(find(acme.caller, "people"))
    assert tail is not None
    assert plain is not None
    assert plain.rate(DEFAULT.on(packs.get("light").similarity)) > 3 * tail.rate(
        DEFAULT.on(packs.get("light").similarity)
    )
