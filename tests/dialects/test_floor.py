"""Decisions R10 and R19: nothing about an enrolled face is returned below the floor, and scores are whole points.

Callers get neither score nor order nor id, whatever threshold they send. A key with the scope `scores` does, and the
audit log records it.
"""

import json
from typing import Any

import pytest

from collections_app.models import Collection, Face
from collections_app.operations.collections import update_collection
from recognition.similarity import Threshold
from tenants import keys
from tenants.access import USUAL_SCOPES, Scope
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, NativeClient, add
from tests.dialects.examples import EXAMPLES
from tests.dialects.test_nhn import NhnClient, image
from tests.dialects.test_nhn_v2 import V2Client
from tests.make import base64_of, portrait
from tests.test_isolation import ENDPOINTS, MAKES_A_COLLECTION, request
from tests.world import missing

PROBE = "sunak"  # not enrolled
ASK = {name: examples.search for name, examples in EXAMPLES.items()}
SCORES = {name for examples in EXAMPLES.values() for name in examples.scores}
LOOKS_BELOW = [name for name, examples in EXAMPLES.items() if examples.looks_below]


@pytest.fixture
def faces(acme: Customer, accuauth: AccuAuthClient) -> list[Face]:
    """Two people."""
    # Numbers that no request_id contains by chance.
    for name, number in (("macron_2025", 700_100_200_300), ("obama", 700_200_300_400)):
        add(accuauth, name, person_id=number)
    return list(Face.objects.of(acme.tenant).select_related("person"))


def _named(answer: Any, faces: list[Face]) -> list[str]:
    """Return the enrolled faces and people that an answer names."""
    text = json.dumps(answer)
    return [face.uuid for face in faces if any(i in text for i in (face.uuid, str(face.pk), face.person.reference))]


def _numbers(answer: Any) -> list[float]:
    """Return the similarities in an answer."""
    if isinstance(answer, list):
        return [number for each in answer for number in _numbers(each)]
    if not isinstance(answer, dict):
        return []
    own = [answer[name] for name in SCORES & answer.keys()]
    return own + [number for each in answer.values() for number in _numbers(each)]


@pytest.mark.parametrize("dialect", ASK)
@pytest.mark.parametrize("scopes", [["search"], sorted(USUAL_SCOPES)], ids=["search", "usual"])
def test_nothing_is_returned_about_faces_that_do_not_match(
    acme: Customer, faces: list[Face], dialect: str, scopes: list[str]
) -> None:
    key = keys.issue(acme.tenant, name="gate", scopes=scopes)
    assert _named(ASK[dialect](acme, key, PROBE), faces) == []
    assert _named(ASK[dialect](acme, key, "macron_2014"), faces) == [faces[0].uuid]
    assert not AuditEntry.objects.of(acme.tenant).filter(action="collection.looked_below_floor").exists()


@pytest.mark.parametrize("dialect", ASK)
def test_a_match_has_a_score_in_whole_points(acme: Customer, faces: list[Face], dialect: str) -> None:
    """Whole points of 0 to 100; other scales are derived from it."""
    scale = EXAMPLES[dialect].scale
    points, same = (
        [scale * number for number in _numbers(ASK[dialect](acme, acme.issued, probe))]
        for probe in ("macron_2014", "obama")
    )
    assert points
    assert points == pytest.approx([round(number) for number in points], abs=1e-9)
    assert min(points) >= 85
    assert 100 in same


@pytest.mark.parametrize("dialect", LOOKS_BELOW)
def test_the_scope_scores_looks_below_and_is_logged(acme: Customer, faces: list[Face], dialect: str) -> None:
    key = keys.issue(acme.tenant, name="lab", scopes=["search", "scores"])
    assert len(_named(ASK[dialect](acme, key, PROBE), faces)) == 2
    looks = AuditEntry.objects.of(acme.tenant).filter(action="collection.looked_below_floor")
    assert {entry.actor_id for entry in looks} == {key.key.pk}
    assert looks.first().facts["what"] == "search"  # type: ignore[union-attr]
    assert {face.uuid for face in faces} in [set(entry.facts["faces"]) for entry in looks]


def test_a_policy_may_open_a_lower_end(acme: Customer, faces: list[Face], native: NativeClient) -> None:
    assert (
        native("PATCH", "/collections/people", {"similarity_threshold": 99, "similarity_floor": 72}).status_code == 200
    )
    assert native("GET", "/collections/people").json()["similarity_floor"] == 72
    sent = {"image": base64_of(portrait("macron_2014"))}
    assert native("POST", "/collections/people/search", sent).json()["matches"] == []
    low = native("POST", "/collections/people/search", sent | {"threshold": 10}).json()
    assert low["threshold"]["score"] == 72
    assert [match["face"]["id"] for match in low["matches"]] == [faces[0].uuid]
    verified = native("POST", "/collections/people/verify", sent | {"face": faces[0].uuid}).json()
    assert verified["decision"] == "no_match"
    assert 72 <= verified["score"] < 99
    closed = native("PATCH", "/collections/people", {"similarity_floor": None}).json()
    assert "similarity_floor" not in closed


@pytest.mark.parametrize("policy", [{"similarity_threshold": 69.9}, {"similarity_floor": 69}, {"similarity_floor": 86}])
def test_no_policy_lies_beneath_seventy(native: NativeClient, policy: dict[str, float]) -> None:
    assert native("PATCH", "/collections/people", policy).status_code == 422
    assert native("POST", "/collections", {"name": "new"} | policy).status_code == 422


def test_verifying_another_person_returns_no_similarity(
    acme: Customer, faces: list[Face], native: NativeClient
) -> None:
    """Decision R19: 0 where the contract requires one; none of a person's faces is named as the nearest."""
    face = faces[0].uuid
    Face.objects.of(acme.tenant).update(person=faces[0].person)
    for whom in ({"face": face}, {"person": faces[0].person.reference}):
        for threshold in ({}, {"threshold": 0}):
            body = {"image": base64_of(portrait(PROBE)), **whom, **threshold}
            answer = native("POST", "/collections/people/verify", body).json()
            assert (answer["decision"], answer["score"], answer["false_match_rate"]) == ("no_match", 0, 1)
            assert answer["threshold"]["score"] == 85
    probes = ("ardern_2018", "ardern_2022", PROBE)
    path, person = "/collections/people/verify", {"person": faces[0].person.reference}
    shown = {
        native("POST", path, person | {"image": base64_of(portrait(probe))}).json()["face"]["id"] for probe in probes
    }
    assert len(shown) == 1
    acme.tenant.profiles = {"nhn": "current"}
    acme.tenant.save()
    nhn = NhnClient(acme.issued.key.pk, acme.issued.secret)
    verify = f"verify/groups/people/faces/{face}"
    assert nhn("POST", verify, {"compareImage": image(PROBE)})["data"]["similarity"] == 0
    second, path = V2Client(acme.issued.key.pk, acme.issued.secret), f"groups/people/faces/{face}/verify"
    assert second("POST", path, {"compareImage": image(PROBE)})["data"]["similarity"] == 0
    assert nhn("POST", verify, {"compareImage": image("macron_2025")})["data"]["similarity"] == 100


def test_the_search_log_shows_what_was_returned(acme: Customer, faces: list[Face], native: NativeClient) -> None:
    """Exports and a collection's health neither; a key with `scores` sees it, which is logged."""
    native("POST", "/collections/people/search", {"image": base64_of(portrait(PROBE))})
    record = native("GET", "/searches").json()["searches"][0]["id"]
    path = f"/searches/{record}"
    assert native("GET", path).json()["candidates"] == []
    export = f"/collections/people/people/{faces[0].person.reference}/export"
    assert native("GET", export).json()["searches"] == []
    for refused in (path, export, "/collections/people/health"):
        assert native("GET", f"{refused}?below_floor=true").status_code == 403
    issued = keys.issue(acme.tenant, name="lab", scopes=["read", "audit", "admin", "scores"])
    lab = NativeClient(issued.token)
    candidates = lab("GET", f"{path}?below_floor=true").json()["candidates"]
    assert {one["face"] for one in candidates} == {face.uuid for face in faces}
    assert len(lab("GET", f"{export}?below_floor=true").json()["searches"]) == 1
    assert lab("GET", "/collections/people/health?below_floor=true").status_code == 200
    looks = AuditEntry.objects.of(acme.tenant).filter(action="collection.looked_below_floor").order_by("number")
    assert [entry.facts["what"] for entry in looks] == ["searches", "export"]


def test_images_have_no_floor(native: NativeClient) -> None:
    """Comparing two images involves no enrolled face, so any similarity is returned, in whole points."""
    pair = {"source": base64_of(portrait("macron_2014")), "target": base64_of(portrait("obama"))}
    answer = native("POST", "/compare", pair | {"threshold": 1}).json()
    assert 0 < answer["faces"][0]["score"] < 70
    assert answer["faces"][0]["score"] == int(answer["faces"][0]["score"])


@pytest.mark.parametrize("scope", sorted(Scope))
def test_only_the_scope_scores_lowers_a_threshold(acme: Customer, faces: list[Face], scope: Scope) -> None:
    client = NativeClient(keys.issue(acme.tenant, name="one", scopes={"search", scope}).token)
    sent = {"image": base64_of(portrait(PROBE)), "threshold": 0}
    matches = client("POST", "/collections/people/search", sent).json()["matches"]
    assert len(matches) == (2 if scope == Scope.SCORES else 0)


def test_thresholds_in_small_steps_reveal_no_exact_score(
    acme: Customer, faces: list[Face], native: NativeClient
) -> None:
    """A fractional threshold is rounded up, so decisions reveal no more than the score."""
    update_collection(acme.caller, collection="people", similarity_threshold=Threshold(70))
    sent = {"image": base64_of(portrait("macron_2014"))}
    score = native("POST", "/collections/people/search", sent).json()["matches"][0]["score"]
    for threshold in (score + 0.001, score + 0.5, score + 1):
        found = native("POST", "/collections/people/search", sent | {"threshold": threshold}).json()
        assert (found["threshold"]["score"], found["matches"]) == (score + 1, [])
    assert len(native("POST", "/collections/people/search", sent | {"threshold": score}).json()["matches"]) == 1


@pytest.mark.parametrize("name", MAKES_A_COLLECTION)
def test_a_new_collection_begins_with_its_contract_s_threshold(acme: Customer, name: str) -> None:
    """Decision R10: with the default that the contract documents, else with a score of 85."""
    (endpoint,) = (endpoint for endpoint in ENDPOINTS if str(endpoint) == name)
    dialect = endpoint.view.dialect
    request(endpoint, acme.key(dialect), missing())
    made = Collection.objects.of(acme.tenant).exclude(pk=acme.people.pk).get()
    assert made.threshold.score == pytest.approx(dialect.threshold.score if dialect.threshold else 85)
