"""A target for false matches: its threshold, what it costs, and what members say of matches."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from collections_app import calibration, stores
from collections_app.errors import FaceNotFound, SearchNotFound
from collections_app.models import Collection, HealthReport, JudgedMatch, Receipt, SearchRecord
from collections_app.operations.collections import update_collection
from collections_app.operations.erase import delete_face
from collections_app.operations.judge import judge_match, judged_rates
from collections_app.operations.search import search_by_image
from collections_app.operations.thresholds import aim_threshold
from recognition import packs
from recognition.similarity import Threshold
from tenants.access import ROLE_SCOPES, system
from tests.collections_app.calibrated import close_people, enrol_people
from tests.conftest import Customer
from tests.console.conftest import member, page_url, violations
from tests.make import portrait

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]


def test_the_threshold_of_a_target_is_the_lowest_that_keeps_it(acme: Customer) -> None:
    pack = packs.get(acme.people.pack)
    for searches, faces in ((1, 100), (10, 100), (10, 1_000)):
        aim = aim_threshold(acme.caller, collection="people", searches=searches, faces=faces)
        assert aim.score is not None
        rates = [pack.worst_cohort(at).rate(at) for at in (Threshold(aim.score), Threshold(aim.score - 1))]
        assert rates[0] * searches * faces <= 1 < rates[1] * searches * faces or aim.score == 70
        assert not aim.own


def test_where_the_scale_ends_it_says_what_can_be_reached(acme: Customer) -> None:
    aim = aim_threshold(acme.caller, collection="people", searches=1_000, faces=50_000_000)
    assert aim.score is None
    worst = packs.get(acme.people.pack).worst_cohort(Threshold(aim.last))
    assert aim.reached == pytest.approx(1 / (worst.rate(Threshold(aim.last)) * 50_000_000))


def test_by_the_strangers_of_the_collection_once_they_are_measured(acme: Customer) -> None:
    enrol_people(acme.people, close_people(300))
    calibration.renew(acme.people)
    aim = aim_threshold(acme.caller, collection="people", searches=10, faces=100)
    assert aim.own
    assert aim.score is not None
    assert aim_threshold(acme.caller, collection="people", searches=10_000, faces=10_000_000).score is None


def test_how_many_of_ones_own_people_it_would_miss_is_from_the_report(acme: Customer) -> None:
    """To callers who may see scores below the threshold, and from a hundred pairs on."""
    low, high, bins = -0.2, 1.0, 120
    scale = packs.get(acme.people.pack).similarity
    what: dict[str, Any] = {"collection": "people", "searches": 10, "faces": 100}
    score = aim_threshold(acme.caller, **what).score
    assert score is not None
    cosine = Threshold(score).on(scale)
    under, over = int((cosine - low) / (high - low) * bins) - 1, bins - 1
    genuine = [0] * bins
    genuine[under], genuine[over] = 30, 70
    findings = {"genuine": genuine, "low": low, "high": high}
    values = {"tenant": acme.tenant, "collection": acme.people, "state": "done"}
    report = HealthReport.unscoped.create(**values, findings=findings)
    aim = aim_threshold(acme.caller, **what)
    assert (aim.missed, aim.pairs) == (0.3, 100)
    operator = system(acme.tenant, "tests", ROLE_SCOPES["operator"])
    assert aim_threshold(operator, **what).missed is None
    genuine[over] = 69
    report.findings = findings
    report.save()
    assert aim_threshold(acme.caller, **what).missed is None


def _searched(acme: Customer, image: str) -> SearchRecord:
    search_by_image(acme.caller, collection="people", image=portrait(image))
    record: SearchRecord = SearchRecord.objects.of(acme.tenant).latest("at")
    return record


def test_a_judgement_counts_in_the_rates_and_is_erased_with_its_face(acme: Customer, crowd: Collection) -> None:
    record = _searched(acme, "sunak")
    (uuid, cosine), *_ = record.candidates
    assert judged_rates(acme.caller, collection=crowd).wrong_share is None
    judged = judge_match(acme.caller, search=record.uuid, face=uuid, right=False)
    assert (judged.right, judged.wrong, judged.wrong_now) == (0, 1, 1)
    assert judged.wrong_share
    assert judged.wrong_share[0] == 1.0
    judged = judge_match(acme.caller, search=record.uuid, face=uuid, right=True)
    assert (judged.right, judged.wrong, judged.missed) == (1, 0, 0.0)
    crowd.similarity_threshold = cosine + 0.001
    assert judged_rates(acme.caller, collection=crowd).missed == 1.0
    receipt = delete_face(acme.caller, collection="people", face=uuid)
    store = next(each for each in stores.STORES if each.name == "judged matches")
    store.purge(Receipt.objects.of(acme.tenant).get(pk=receipt.pk))
    assert not JudgedMatch.objects.of(acme.tenant).exists()


def test_only_a_match_can_be_judged(acme: Customer, globex: Customer, crowd: Collection) -> None:
    record = _searched(acme, "sunak")
    other = crowd.faces.get(person__reference="Obama")
    with pytest.raises(FaceNotFound):
        judge_match(acme.caller, search=record.uuid, face=other.uuid, right=True)
    with pytest.raises(SearchNotFound):
        judge_match(globex.caller, search=record.uuid, face=record.candidates[0][0], right=True)


def test_wrong_matches_raise_a_threshold_that_stands_for_a_rate(acme: Customer, crowd: Collection) -> None:
    update_collection(acme.caller, collection="people", false_match_rate=1e-3)
    crowd.refresh_from_db()
    calibration.renew(crowd)
    before, scale = crowd.threshold, packs.get(crowd.pack).similarity
    cosines = [Threshold(before.score + more).on(scale) for more in (0.5, 1.5, 2.5)]
    faces = list(crowd.faces.values_list("pk", flat=True))[:3]
    for n, (cosine, face) in enumerate(zip(cosines, faces, strict=True)):
        if n == 2:
            calibration.renew(crowd)
            assert crowd.threshold == before  # two may be chance
        record = _searched(acme, "sunak")
        values = {"collection": crowd, "pack": crowd.pack, "cosine": cosine, "right": False}
        JudgedMatch.unscoped.create(tenant=acme.tenant, search_uuid=record.uuid, face_id=face, **values)
    calibration.renew(crowd)
    assert crowd.threshold.score == pytest.approx(before.score + 3, abs=1)
    assert all(cosine < crowd.similarity_threshold for cosine in cosines)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("language", "use", "save"), [("en", "Use this", "Save the"), ("ko", "이 임계값", "저장")])
def test_a_target_takes_two_clicks(acme: Customer, visit: Visit, language: str, use: str, save: str) -> None:
    page = visit(member(acme, "owner"), page_url("collection", alias=acme.people.alias), locale=language)
    page.locator("#aim_faces").fill("1000")
    page.locator("#aim_searches").fill("10")
    button = page.get_by_role("button", name=use)
    expect(button).to_be_visible()
    assert violations(page) == []
    button.click()
    page.get_by_role("button", name=save).first.click()
    expect(page.get_by_role("status")).to_be_visible()
    acme.people.refresh_from_db()
    aim = aim_threshold(acme.caller, collection="people", searches=10, faces=1000)
    assert acme.people.threshold.score == pytest.approx(aim.score)
    page.locator("#aim_faces").fill("50000000")
    page.locator("#aim_searches").fill("1000")
    expect(page.locator("#aim li").first).to_be_visible()
    assert violations(page) == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_wrong_match_is_marked_and_its_face_moved_in_five_clicks(
    acme: Customer, crowd: Collection, visit: Visit
) -> None:
    record = _searched(acme, "sunak")
    page = visit(member(acme, "owner"), page_url("search", search=record.uuid))
    page.get_by_role("button", name="It was wrong").first.click()
    expect(page.get_by_role("main")).to_contain_text("Share of wrong ones")
    assert violations(page) == []
    page.get_by_role("link", name="Move the face to the right person").click()
    page.get_by_label("Choose face 1").check()
    page.get_by_role("main").get_by_role("button", name="Move").click()
    page.get_by_role("dialog").locator("[value=confirmed]").click()
    expect(page.get_by_role("status")).to_contain_text("The faces are moved.")
    assert not crowd.people.filter(reference="Sunak").exists()
    page.goto(page_url("health", alias=crowd.alias))
    expect(page.get_by_role("main")).to_contain_text("Marked wrong")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_policy_saved_as_it_is_shown_stays_as_it_was(acme: Customer, visit: Visit) -> None:
    """The API may store more digits than the page shows."""
    page = visit(member(acme, "admin"), f"/console/acme/collections/{acme.people.alias}/")
    number = page.get_by_label("Similarity threshold")
    slider = page.get_by_label("Slide the threshold")
    policies: list[dict[str, Any]] = [
        {"similarity_threshold": 1 / 3},
        {"similarity_threshold": 0.45678, "similarity_floor": 0.312345, "liveness_threshold": 0.12345},
    ]
    for stored in policies:
        update_collection(acme.caller, collection="people", **stored)
        page.reload()
        page.get_by_role("button", name="Save the policy").click()
        expect(page.get_by_role("status")).to_contain_text("The policy is saved")
        acme.people.refresh_from_db()
        assert {name: getattr(acme.people, name) for name in stored} == stored
        assert float(slider.input_value()) == pytest.approx(acme.people.threshold.score, abs=0.5)
        here = 1000 * (acme.people.threshold.score - 70) / 30
        assert float(page.locator("#meaning .fp-here").get_attribute("x1") or 0) == pytest.approx(here, abs=0.1)
    slider.fill("88")
    assert number.input_value() == "88"
    number.fill("77")
    assert slider.input_value() == "77"
