"""Argos Face ID's contract: every operation, every code, decisions A1-A18.

One file although it is longer than 300 lines: one contract, small tests.
"""

from typing import Any

import pytest

from collections_app.models import Collection, Face, SearchRecord
from collections_app.operations.collections import create_collection, delete_collection, update_collection
from recognition import packs
from tenants import keys
from tests.conftest import ArgosClient, Customer
from tests.make import base64_of, blank, filling, portrait, side_by_side


def _add(argos: ArgosClient, image: str | bytes = "macron_2025", **changed: object) -> Any:
    content = portrait(image) if isinstance(image, str) else image
    body = {"collectionId": "people", "userName": "Emmanuel Macron", "faceImage": base64_of(content)} | changed
    return argos("POST", "/faces", {name: value for name, value in body.items() if value is not None})


def _search(argos: ArgosClient, image: str | bytes = "macron_2014", **changed: object) -> Any:
    content = portrait(image) if isinstance(image, str) else image
    body = {"collectionId": "people", "requestName": "who", "faceImage": base64_of(content)} | changed
    return argos("POST", "/search", {name: value for name, value in body.items() if value is not None})


@pytest.fixture
def deleted(acme: Customer) -> Collection:
    """A deleted collection."""
    collection = create_collection(acme.caller, name="gone")
    delete_collection(acme.caller, name="gone")
    return collection


def test_a_face_is_added_found_listed_and_deleted(argos: ArgosClient) -> None:
    added = _add(argos)
    assert added.status_code == 200
    body = added.json()
    assert list(body) == ["message", "faceId", "metaFaceId", "option"]
    assert body["message"] == "Face added successfully"
    assert body["option"] == {"option_liveness": False, "liveNess_threshold": 50.0, "livenessScore": 0.0}

    found = _search(argos).json()
    assert list(found) == ["message", "searchId", "requestName", "userName", "option", "faceIdList", "result"]
    assert (found["message"], found["requestName"], found["userName"]) == ("success", "who", "who")
    assert list(found["option"]) == ["option_liveness", "liveNess_threshold", "liveNessScore", "policy_similarity"]
    assert found["option"]["policy_similarity"] == 85
    assert found["faceIdList"] == [body["faceId"]]
    assert found["result"][0]["user_name"] == "Emmanuel Macron"
    assert found["result"][0]["similarity_score"] > 85

    listed = argos("GET", "/faces", collectionId="people", page="1").json()
    assert list(listed) == ["message", "result", "totalCount"]
    assert listed["totalCount"] == 1
    assert list(listed["result"][0]) == ["collection_id", "face_id", "user_name", "create_time", "meta_face_id"]
    assert listed["result"][0]["face_id"] == body["faceId"]
    assert listed["result"][0]["meta_face_id"] == body["metaFaceId"]

    gone = argos("DELETE", "/faces", collectionId="people", faceId=body["faceId"])
    assert (gone.status_code, gone.json()) == (200, {"message": "Success"})
    assert _search(argos).json()["faceIdList"] == []


def test_a_stranger_is_not_found(argos: ArgosClient) -> None:
    _add(argos)
    for stranger in ("obama", "sunak", "ardern_2018"):
        answer = _search(argos, stranger)
        assert answer.status_code == 200
        assert answer.json()["faceIdList"] == []


def test_the_best_match_comes_first(argos: ArgosClient) -> None:
    near = _add(argos, "ardern_2018", userName="near").json()["faceId"]
    exact = _add(argos, "ardern_2022", userName="exact").json()["faceId"]
    _add(argos, "obama", userName="other")
    found = _search(argos, "ardern_2022").json()
    assert found["faceIdList"] == [exact, near]
    scores = [match["similarity_score"] for match in found["result"]]
    assert scores[0] == pytest.approx(100, abs=0.1)
    assert scores == sorted(scores, reverse=True)


def test_more_than_ten_matches_are_returned(argos: ArgosClient) -> None:
    """Decision R4: all of them, up to 100."""
    added = {_add(argos, "ardern_2022").json()["faceId"] for _ in range(12)}
    assert set(_search(argos, "ardern_2022").json()["faceIdList"]) == added


def test_the_same_answers_under_modules(acme: Customer) -> None:
    """Decision A16."""
    older = ArgosClient(acme.issued.token, prefix="/modules")
    face = _add(older).json()["faceId"]
    assert _search(older).json()["faceIdList"] == [face]
    assert older("GET", "/faces", collectionId="people", page="1").json()["totalCount"] == 1


def test_a_data_uri_is_accepted_like_bare_base64(argos: ArgosClient) -> None:
    """Decision A11."""
    image = base64_of(portrait("macron_2025"))
    for prefix in ("", "data:image/jpeg;base64,", "data:image/png;charset=utf-8;base64,"):
        assert _add(argos, faceImage=prefix + image).status_code == 200


def test_user_name_replaces_a_missing_request_name(argos: ArgosClient) -> None:
    """Decision A2."""
    found = _search(argos, requestName=None, userName="by user name").json()
    assert (found["requestName"], found["userName"]) == ("by user name", "by user name")


ADD_WITHOUT = [({"collectionId": None}, 6010), ({"faceImage": None}, 6011), ({"userName": None}, 6012)]
SEARCH_WITHOUT = [({"collectionId": None}, 6030), ({"requestName": None}, 6031), ({"faceImage": None}, 6032)]


@pytest.mark.parametrize(("missing", "code"), ADD_WITHOUT)
def test_a_missing_field_of_add_has_its_code(argos: ArgosClient, missing: dict[str, Any], code: int) -> None:
    """Decisions A5, A6."""
    _refused(_add(argos, **missing), 400, code)


@pytest.mark.parametrize(("missing", "code"), SEARCH_WITHOUT)
def test_a_missing_field_of_search_has_its_code(argos: ArgosClient, missing: dict[str, Any], code: int) -> None:
    _refused(_search(argos, **missing), 400, code)


@pytest.mark.parametrize("field", ["collectionId", "userName", "faceImage"])
@pytest.mark.parametrize("value", [None, "", [], {}, ["x"], True, "\x00", "\ud800"], ids=repr)
def test_a_field_of_the_wrong_type_is_refused(argos: ArgosClient, field: str, value: object) -> None:
    body = {"collectionId": "people", "userName": "x", "faceImage": base64_of(portrait("obama"))} | {field: value}
    answer = argos("POST", "/faces", body)
    assert answer.status_code == 400
    assert 6010 <= answer.json()["errorCode"] <= 6017


def test_the_lowest_code_wins(argos: ArgosClient) -> None:
    """Decision A18."""
    _refused(argos("POST", "/faces", {}), 400, 6010)
    _refused(argos("POST", "/faces", {"collectionId": "people"}), 400, 6011)
    _refused(argos("POST", "/search", {}), 400, 6030)
    _refused(_add(argos, collectionId="nowhere", faceImage="!!!"), 400, 6013)


def test_unknown_and_deleted_collections(argos: ArgosClient, deleted: Collection) -> None:
    """Decision A12: unknown and deleted differ."""
    for name, codes in (("nowhere", (6013, 6021, 6027, 6033)), (deleted.name, (6014, 6020, 6028, 6034))):
        _refused(_add(argos, collectionId=name), 400, codes[0])
        _refused(argos("DELETE", "/faces", collectionId=name, faceId="x"), 400, codes[1])
        _refused(argos("GET", "/faces", collectionId=name, page="1"), 400, codes[2])
        _refused(_search(argos, collectionId=name), 400, codes[3])


def test_another_tenant_s_collection_is_not_there(argos: ArgosClient, globex: Customer) -> None:
    create_collection(globex.caller, name="secret")
    _refused(_add(argos, collectionId="secret"), 400, 6013)
    _refused(_search(argos, collectionId="secret"), 400, 6033)


def test_another_tenant_s_face_is_not_there(argos: ArgosClient, globex: Customer) -> None:
    face = _add(ArgosClient(globex.issued.token)).json()["faceId"]
    _refused(argos("DELETE", "/faces", collectionId="people", faceId=face), 400, 6022)
    assert Face.objects.of(globex.tenant).filter(uuid=face).exists()
    assert _search(argos).json()["faceIdList"] == []


@pytest.mark.parametrize("face", ["x", "0", "' OR 1=1 --", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_face_is_not_deleted(argos: ArgosClient, face: str) -> None:
    _refused(argos("DELETE", "/faces", collectionId="people", faceId=face), 400, 6022)


def test_delete_and_list_name_what_is_missing(argos: ArgosClient) -> None:
    _refused(argos("DELETE", "/faces", faceId="x"), 400, 6018)
    _refused(argos("DELETE", "/faces", collectionId="people"), 400, 6019)
    _refused(argos("GET", "/faces", page="1"), 400, 6024)
    _refused(argos("GET", "/faces", collectionId="people"), 400, 6026)
    for page in ("0", "-1", "x", "1.5", "99999999999999999999"):
        _refused(argos("GET", "/faces", collectionId="people", page=page), 400, 6026)


def test_a_list_is_filtered_by_a_part_of_the_face_id(argos: ArgosClient) -> None:
    """Decision A13: five characters pass, four do not."""
    face = _add(argos).json()["faceId"]
    _add(argos, "obama")
    found = argos("GET", "/faces", collectionId="people", page="1", term=face[9:14]).json()
    assert [row["face_id"] for row in found["result"]] == [face]
    assert found["totalCount"] == 1
    _refused(argos("GET", "/faces", collectionId="people", page="1", term=face[:4]), 400, 6025)


def test_a_page_has_fifty_rows(argos: ArgosClient, acme: Customer) -> None:
    _add(argos)
    row = Face.objects.of(acme.tenant).get()
    for number in range(60):
        row.pk, row.uuid, row.number = number + 1, f"{number:036}", row.number + 1
        row.save(force_insert=True)
    pages = [argos("GET", "/faces", collectionId="people", page=str(page)).json() for page in (1, 2, 3)]
    assert [len(page["result"]) for page in pages] == [50, 11, 0]
    assert {page["totalCount"] for page in pages} == {61}
    ids = [face["face_id"] for page in pages for face in page["result"]]
    assert len(set(ids)) == 61


def test_access(acme: Customer, globex: Customer) -> None:
    """Decision A8."""
    _refused(_add(ArgosClient("")), 403, 6039)
    wrong = [
        "nonsense",
        acme.issued.key.pk,
        f"{acme.issued.key.pk}.wrong",
        f"{acme.issued.key.pk}.{globex.issued.secret}",
        "fp_x." + "a" * 100_000,
    ]
    for token in wrong:
        _refused(_search(ArgosClient(token)), 403, 6040)


def test_a_key_without_the_scope_is_refused(acme: Customer) -> None:
    reader = ArgosClient(keys.issue(acme.tenant, name="reader", scopes=["read"]).token)
    assert reader("GET", "/faces", collectionId="people", page="1").status_code == 200
    _refused(_add(reader), 403, 6040)
    _refused(_search(reader), 403, 6040)
    _refused(reader("DELETE", "/faces", collectionId="people", faceId="x"), 403, 6040)


def test_a_key_sees_only_the_collections_it_reaches(acme: Customer) -> None:
    create_collection(acme.caller, name="other")
    narrow = keys.issue(acme.tenant, name="narrow", scopes=["read", "enrol"], collections=[acme.people.pk])
    client = ArgosClient(narrow.token)
    assert _add(client).status_code == 200
    _refused(_add(client, collectionId="other"), 400, 6013)


IMAGES: list[tuple[bytes, int, int]] = [
    (b"", 6017, 6037),
    (b"not an image", 6017, 6037),
    (portrait("obama")[:2000], 6017, 6037),
    (b"GIF89a" + bytes(100), 6017, 6037),
    (blank(), 6012, 6038),
    (side_by_side("obama", "sunak"), 6012, 6038),
]


@pytest.mark.parametrize(("image", "add_code", "search_code"), IMAGES, ids=range(len(IMAGES)))
def test_unusable_images(argos: ArgosClient, image: bytes, add_code: int, search_code: int) -> None:
    """Decision A7. An image that decodes to nothing is present, so it is 6017 and not 6011."""
    text = base64_of(image) or "===="
    _refused(_add(argos, faceImage=text), 400, add_code)
    _refused(_search(argos, faceImage=text), 400, search_code)


def test_an_image_of_too_many_bytes(argos: ArgosClient) -> None:
    large = base64_of(portrait("obama") + bytes(10_000_001))
    _refused(_add(argos, faceImage=large), 400, 6016)
    _refused(_search(argos, faceImage=large), 400, 6036)


@pytest.fixture
def liveness(acme: Customer) -> None:
    """A liveness policy that no image meets."""
    update_collection(
        acme.caller, collection="people", liveness_on_enrol=True, liveness_on_search=True, liveness_threshold=1.0
    )


@pytest.mark.usefixtures("liveness")
def test_a_face_that_does_not_pass_liveness(argos: ArgosClient, acme: Customer) -> None:
    _refused(_add(argos), 400, 6015)
    _refused(_search(argos), 400, 6035)
    assert not Face.objects.of(acme.tenant).exists()
    assert SearchRecord.objects.of(acme.tenant).get().outcome == SearchRecord.Outcome.SPOOF


@pytest.mark.usefixtures("liveness")
def test_a_face_that_fills_the_image_is_refused_with_advice(argos: ArgosClient, acme: Customer) -> None:
    close = base64_of(filling())
    for answer, code in ((_add(argos, faceImage=close), 6015), (_search(argos, faceImage=close), 6035)):
        _refused(answer, 400, code)
        assert answer["X-Reason"] == "it cannot be told whether the face is live: move further away"
    assert not SearchRecord.objects.of(acme.tenant).exists()


def test_the_policy_is_echoed(argos: ArgosClient, acme: Customer) -> None:
    scale = packs.get("light").similarity
    update_collection(
        acme.caller,
        collection="people",
        liveness_on_enrol=True,
        liveness_on_search=True,
        liveness_threshold=0.0,
        similarity_threshold=float(scale.cosine(70)),
    )
    added = _add(argos).json()["option"]
    assert added["option_liveness"] is True
    assert added["livenessScore"] > 0
    found = _search(argos).json()["option"]
    assert found["option_liveness"] is True
    assert found["liveNessScore"] > 0
    assert found["policy_similarity"] == pytest.approx(70, abs=0.001)


def test_bodies_that_are_no_json_object(argos: ArgosClient) -> None:
    http = argos._http  # noqa: SLF001 -- the raw client, for raw bodies
    key = {"x-api-key": argos._token}  # noqa: SLF001
    for path, unspecified in (("/faces", 6012), ("/search", 6038)):
        for body in (b"{", b"", b"\xff\xfe", b"[1]", b'"x"', b"null", b"1e999", b"[" * 100_000):
            answer = http.post(path, body, content_type="application/json", headers=key)
            assert answer.status_code == 400, body[:10]
            assert set(answer.json()) == {"errorCode", "message"}
        for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense"):
            _refused(http.post(path, b"x=1", content_type=kind, headers=key), 400, unspecified)


def test_unknown_paths_and_methods(argos: ArgosClient) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("POST", "/faces/", 404),
        ("PUT", "/faces", 405),
        ("GET", "/search", 405),
        ("PATCH", "/modules/faces", 405),
    ):
        answer = argos(method, path)
        assert answer.status_code == status
        assert answer.json()["errorCode"] == status


def _refused(answer: Any, status: int, code: int) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["errorCode", "message"]
    assert body["errorCode"] == code, body
    assert isinstance(body["message"], str)
