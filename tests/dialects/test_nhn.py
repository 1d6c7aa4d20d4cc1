"""NHN Face Recognition's contract: groups, faces, searches, comparisons, decisions H1-H28.

One file although it is longer than 300 lines: one contract, small tests.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from collections_app.models import Face
from collections_app.operations.collections import create_collection, update_collection
from recognition import packs
from tenants import keys
from tenants.models import ApiKey, Tenant
from tests.conftest import Customer
from tests.make import base64_of, blank, portrait, side_by_side

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PREFIX = "/nhn-face-reco/v1.0"


class NhnClient:
    """An integrator's client of NHN Face Recognition."""

    def __init__(self, app_key: str, secret: str) -> None:
        """Keep the credentials."""
        self._http = Client(raise_request_exception=False)
        self._app_key = app_key
        self._secret = secret

    def __call__(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        """Send a JSON body or a query below the app key; return the answer's JSON, whose status is always 200."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.raw(method, f"{PREFIX}/appkeys/{self._app_key}/{path}", content, **query)

    def raw(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        kind: str = "application/json;charset=UTF-8",
        **query: Any,
    ) -> Any:
        """Send any body to any path."""
        answer = self._http.generic(
            method,
            path,
            content,
            kind,
            query_params={name.replace("_", "-"): str(value) for name, value in query.items()},
            headers={"Authorization": self._secret} if self._secret else {},
        )
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()

    def refused(self, *request: Any, **query: Any) -> tuple[int, str]:
        """Send a request that is refused; return code and message."""
        answer = self(*request, **query)
        assert list(answer) == ["header"]
        assert list(answer["header"]) == ["resultCode", "resultMessage", "isSuccessful"]
        assert answer["header"]["isSuccessful"] is False
        return answer["header"]["resultCode"], answer["header"]["resultMessage"]


@pytest.fixture
def nhn(acme: Customer) -> NhnClient:
    """Acme's client, in the pre-release generation."""
    return NhnClient(acme.issued.key.pk, acme.issued.secret)


@pytest.fixture
def current(acme: Customer) -> NhnClient:
    """Acme's client, in the current generation."""
    Tenant.objects.filter(pk=acme.tenant.pk).update(profiles={"nhn": "current"})
    return NhnClient(acme.issued.key.pk, acme.issued.secret)


def image(content: str | bytes) -> dict[str, str]:
    """Return a portrait, by name, or bytes in the contract's form of an image."""
    return {"bytes": base64_of(portrait(content) if isinstance(content, str) else content)}


def register(nhn: NhnClient, content: str | bytes = "macron_2025", limit: int = 1, **more: object) -> Any:
    return nhn("POST", "groups/people", {"image": image(content), "limit": limit, **more})["data"]


OK = {"resultCode": 0, "resultMessage": "SUCCESS", "isSuccessful": True}
INVALID = (-40000, "InvalidParam")
NO_GROUP = (-40000, "NotFoundGroupError")
NO_FACE = (-40000, "NotFoundFaceIDError")
BAD_TOKEN = (-40000, "InvalidTokenError")
NO_ACCESS = (-41000, "UnauthorizedAppKey")


def test_groups_are_made_listed_described_and_deleted(nhn: NhnClient) -> None:
    assert nhn("POST", "groups", {"groupId": "my-group"}) == {"header": OK}
    listed = nhn("GET", "groups", limit=10)
    assert list(listed) == ["header", "data"]
    assert listed["data"] == {
        "groupCount": 2,
        "groups": [
            {"groupId": "my-group", "modelVersion": "v1.0"},
            {"groupId": "people", "modelVersion": "v1.0"},
        ],
        "nextToken": "",
    }
    [detail] = nhn("GET", "groups/my-group")["data"]["groups"]
    assert list(detail) == ["groupId", "modelVersion", "createTime", "faceCount"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", detail["createTime"])
    assert detail["faceCount"] == 0
    assert nhn("DELETE", "groups/my-group") == {"header": OK}
    assert nhn.refused("GET", "groups/my-group") == NO_GROUP
    assert nhn.refused("DELETE", "groups/my-group") == NO_GROUP
    assert nhn("POST", "groups", {"groupId": "my-group"}) == {"header": OK}  # the name is free again


def test_detect_shows_faces_in_the_contracts_shape(nhn: NhnClient) -> None:
    data = nhn("POST", "detect", {"image": image(side_by_side("obama", "sunak"))})["data"]
    assert list(data) == ["faceDetailCount", "faceDetails"]
    assert data["faceDetailCount"] == len(data["faceDetails"]) == 2
    for face in data["faceDetails"]:
        assert list(face) == ["bbox", "landmarks", "orientation", "confidence"]
        box = face["bbox"]
        assert list(box) == ["x0", "y0", "x1", "y1"]
        assert 0 <= box["x0"] < box["x1"] <= 1
        assert 0 <= box["y0"] < box["y1"] <= 1
        names = [point["type"] for point in face["landmarks"]]
        assert names == ["leftEye", "rightEye", "nose", "leftLip", "rightLip"]
        left, right, nose, lip, _ = face["landmarks"]
        assert box["x0"] < left["x"] < nose["x"] < right["x"] < box["x1"]  # the image's left, decision H27
        assert left["y"] < nose["y"] < lip["y"]
        assert list(face["orientation"]) == ["x", "y", "z"]
        assert 50 < face["confidence"] <= 100
    first, second = (face["bbox"] for face in data["faceDetails"])
    assert (first["x1"] - first["x0"]) * (first["y1"] - first["y0"]) >= (second["x1"] - second["x0"]) * (
        second["y1"] - second["y0"]
    )


def test_orientation_is_left_out_where_it_is_not_wanted(nhn: NhnClient) -> None:
    [face] = nhn("POST", "detect", {"image": image("obama"), "orientation": False, "mask": False})["data"][
        "faceDetails"
    ]
    assert list(face) == ["bbox", "landmarks", "confidence"]


def test_detection_and_registration_without_a_face_succeed_empty(nhn: NhnClient) -> None:
    detected = nhn("POST", "detect", {"image": image(blank())})
    assert detected == {"header": OK, "data": {"faceDetailCount": 0, "faceDetails": []}}
    assert register(nhn, blank()) == {
        "modelVersion": "v1.0",
        "addedFaceCount": 0,
        "addedFaces": [],
        "addedFaceDetails": [],
        "notAddedFaceCount": 0,
        "notAddedFaces": [],
    }
    assert not Face.unscoped.exists()


def test_a_face_is_registered_listed_found_and_deleted(nhn: NhnClient) -> None:
    data = register(nhn, externalImageId="image01.jpg")
    assert list(data) == [
        "modelVersion",
        "addedFaceCount",
        "addedFaces",
        "addedFaceDetails",
        "notAddedFaceCount",
        "notAddedFaces",
    ]
    [added], [detail] = data["addedFaces"], data["addedFaceDetails"]
    assert list(added) == ["faceId", "imageId", "externalImageId", "bbox", "confidence"]
    assert list(detail) == ["bbox", "landmarks", "orientation", "confidence"]
    assert (added["bbox"], added["confidence"]) == (detail["bbox"], detail["confidence"])
    assert UUID.fullmatch(added["faceId"])
    assert UUID.fullmatch(added["imageId"])
    assert added["externalImageId"] == "image01.jpg"

    other = register(nhn, "sunak")["addedFaces"][0]
    assert "externalImageId" not in other
    listed = nhn("GET", "groups/people/faces", limit=200)["data"]
    assert list(listed) == ["modelVersion", "faceCount", "faces", "nextToken"]
    assert listed == {"modelVersion": "v1.0", "faceCount": 2, "faces": [other, added], "nextToken": ""}  # newest first

    query = {"limit": 5, "threshold": 80}
    found = nhn("POST", "groups/people/search", {"image": image("macron_2014")}, **query)["data"]
    assert list(found) == ["modelVersion", "matchFaceCount", "matchFaces", "sourceFace"]
    assert list(found["sourceFace"]) == ["bbox", "confidence"]
    [match] = found["matchFaces"]
    assert list(match) == ["face", "similarity"]
    assert match["face"] == added
    assert 85 < match["similarity"] <= 100

    assert nhn("DELETE", f"groups/people/faces/{added['faceId']}") == {"header": OK}
    assert nhn.refused("DELETE", f"groups/people/faces/{added['faceId']}") == NO_FACE
    gone = nhn("POST", "groups/people/search", {"image": image("macron_2014")}, **query)["data"]
    assert (gone["matchFaceCount"], gone["matchFaces"]) == (0, [])


def test_search_by_face_leaves_the_probe_out_and_has_no_model_version(nhn: NhnClient) -> None:
    old, new = register(nhn, "ardern_2018")["addedFaces"][0], register(nhn, "ardern_2022")["addedFaces"][0]
    register(nhn, "obama")
    found = nhn("GET", f"groups/people/faces/{old['faceId']}", limit=4096, threshold=80)["data"]
    assert list(found) == ["matchFaceCount", "matchFaces"]
    assert found["matchFaceCount"] == 1
    assert found["matchFaces"][0]["face"] == new
    everybody = nhn("GET", f"groups/people/faces/{old['faceId']}", limit=4096, threshold=1)["data"]["matchFaces"]
    assert everybody == found["matchFaces"]  # decision R10
    assert len(nhn("GET", f"groups/people/faces/{old['faceId']}", limit=1, threshold=1)["data"]["matchFaces"]) == 1


@pytest.mark.parametrize("name", ["macron_2014", "macron_2025", "ardern_2018", "ardern_2022", "obama", "sunak"])
def test_the_same_image_reaches_a_threshold_of_100(nhn: NhnClient, name: str) -> None:
    register(nhn, name)
    found = nhn("POST", "groups/people/search", {"image": image(name)}, limit=1, threshold=100)["data"]
    assert [match["similarity"] for match in found["matchFaces"]] == [100.0]


def test_several_faces_are_registered_as_one_image(nhn: NhnClient) -> None:
    crowd = side_by_side("obama", "sunak", "macron_2025")
    data = register(nhn, crowd, limit=2, externalImageId="crowd")
    assert (data["addedFaceCount"], data["notAddedFaceCount"]) == (2, 1)
    assert len({face["imageId"] for face in data["addedFaces"]}) == 1
    assert len({face["faceId"] for face in data["addedFaces"]}) == 2
    assert [face["bbox"] for face in data["addedFaces"]] == [face["bbox"] for face in data["addedFaceDetails"]]
    [left_out] = data["notAddedFaces"]
    assert list(left_out) == ["bbox", "landmarks", "orientation", "confidence"]
    assert left_out["bbox"] not in [face["bbox"] for face in data["addedFaces"]]
    assert Face.unscoped.values_list("stored_image", flat=True).distinct().get() == ""  # vectors only


def test_all_faces_of_an_image_are_registered_or_none(nhn: NhnClient, acme: Customer) -> None:
    update_collection(acme.caller, collection="people", face_limit=2)
    crowd = {"image": image(side_by_side("obama", "sunak", "macron_2025")), "limit": 3}
    assert nhn.refused("POST", "groups/people", crowd) == INVALID
    assert not Face.unscoped.exists()


def test_compare_parts_the_targets_faces_at_the_threshold(nhn: NhnClient) -> None:
    body = {"sourceImage": image("macron_2014"), "targetImage": image(side_by_side("macron_2025", "obama"))}
    data = nhn("POST", "compare", body | {"threshold ": 80})["data"]  # the document's own spelling, decision H5
    assert list(data) == [
        "modelVersion",
        "matchedFaceDetailCount",
        "matchedFaceDetails",
        "unmatchedFaceDetailCount",
        "unmatchedFaceDetails",
        "sourceFace",
    ]
    [matched], [unmatched] = data["matchedFaceDetails"], data["unmatchedFaceDetails"]
    assert (data["matchedFaceDetailCount"], data["unmatchedFaceDetailCount"]) == (1, 1)
    assert list(matched) == ["faceDetail", "similarity"]
    assert matched["faceDetail"]["bbox"]["x0"] < unmatched["faceDetail"]["bbox"]["x0"]  # Macron stands on the left
    assert matched["similarity"] >= 80 > unmatched["similarity"]
    assert list(data["sourceFace"]) == ["bbox", "confidence"]
    assert nhn("POST", "compare", body, threshold=80)["data"] == data
    high = nhn("POST", "compare", body | {"threshold": 100}, threshold=1)["data"]  # the body wins
    assert (high["matchedFaceDetailCount"], high["unmatchedFaceDetailCount"]) == (0, 2)
    assert nhn.refused("POST", "compare", body) == INVALID


def test_compare_without_a_face(nhn: NhnClient) -> None:
    none, some = image(blank()), image("obama")
    assert nhn.refused("POST", "compare", {"sourceImage": none, "targetImage": some, "threshold": 80}) == INVALID
    data = nhn("POST", "compare", {"sourceImage": some, "targetImage": none, "threshold": 80})["data"]
    assert (data["matchedFaceDetailCount"], data["unmatchedFaceDetailCount"]) == (0, 0)


def test_verify_compares_with_one_face(nhn: NhnClient) -> None:
    added = register(nhn, "ardern_2018")["addedFaces"][0]
    path = f"verify/groups/people/faces/{added['faceId']}"
    same = nhn("POST", path, {"compareImage": image("ardern_2022")})["data"]
    assert list(same) == ["similarity", "face", "sourceFace"]
    assert same["face"] == added
    assert list(same["sourceFace"]) == ["bbox", "landmarks", "orientation", "confidence"]
    other = nhn("POST", path, {"compareImage": image("obama"), "orientation": False})["data"]
    assert list(other["sourceFace"]) == ["bbox", "landmarks", "confidence"]
    assert same["similarity"] > 85 > other["similarity"]
    assert nhn.refused("POST", path, {"compareImage": image(blank())}) == INVALID


def test_a_list_of_faces_goes_on_by_token(nhn: NhnClient) -> None:
    crowd = side_by_side("obama", "sunak", "macron_2025")
    register(nhn, crowd, limit=3)
    first = nhn("GET", "groups/people/faces", limit=2)["data"]
    assert (first["faceCount"], len(first["faces"])) == (3, 2)
    assert first["nextToken"]
    register(nhn, "ardern_2018")  # newer faces do not shift the page
    second = nhn("GET", "groups/people/faces", limit=200, next_token=first["nextToken"])["data"]
    assert len(second["faces"]) == 1
    assert second["nextToken"] == ""
    everything = nhn("GET", "groups/people/faces", limit=200)["data"]["faces"]
    assert everything[1:] == first["faces"] + second["faces"]


def test_a_list_of_groups_goes_on_by_token_whose_limit_stays(nhn: NhnClient) -> None:
    for name in ("a", "b", "c", "d"):
        nhn("POST", "groups", {"groupId": name})
    seen: list[str] = []
    token = ""
    pages: tuple[dict[str, object], ...] = ({"limit": 2}, {"limit": "none"}, {})
    for query in pages:
        data = nhn("GET", "groups", **query, next_token=token)["data"]
        assert data["groupCount"] == len(data["groups"]) <= 2
        seen += [group["groupId"] for group in data["groups"]]
        token = data["nextToken"]
    assert seen == ["a", "b", "c", "d", "people"]
    assert token == ""


def test_a_token_is_good_for_its_list_its_tenant_and_its_hour(
    nhn: NhnClient, acme: Customer, globex: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nhn("POST", "groups", {"groupId": "more"})
    token = nhn("GET", "groups", limit=1)["data"]["nextToken"]
    stranger = NhnClient(globex.issued.key.pk, globex.issued.secret)
    assert stranger.refused("GET", "groups", limit=1, next_token=token) == BAD_TOKEN
    assert nhn.refused("GET", "groups/people/faces", limit=1, next_token=token) == BAD_TOKEN
    assert nhn.refused("GET", "groups", limit=1, next_token=token[:-1]) == BAD_TOKEN
    assert nhn.refused("GET", "groups", limit=1, **{"next-token": "dlkj-210jwoivndslko9d..."}) == BAD_TOKEN
    forged = signing.dumps([acme.tenant.pk, "", 200, ""], salt="another")
    assert nhn.refused("GET", "groups", limit=1, next_token=forged) == BAD_TOKEN
    assert nhn("GET", "groups", limit=1, next_token=token)["header"] == OK
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert nhn.refused("GET", "groups", limit=1, next_token=token) == BAD_TOKEN


def test_the_current_generation_has_codes_of_its_own(current: NhnClient) -> None:
    assert current("POST", "groups", {"groupId": "my-group"})["header"]["resultMessage"] == "Success"
    assert current.refused("POST", "groups", {"groupId": "my-group"}) == (-40020, "DuplicatedGroupID")
    assert current.refused("POST", "groups", {"groupId": "My Group"}) == (-40010, "InvalidGroupID")
    assert current.refused("POST", "groups", {}) == INVALID
    assert current.refused("GET", "groups/none") == (-40030, "NotFoundGroupError")
    assert current.refused("GET", "groups", limit=1, **{"next-token": "x"}) == (-40040, "InvalidTokenError")
    assert current.refused("DELETE", "groups/people/faces/none") == (-40050, "NotFoundFaceIDError")
    bad = {"sourceImage": {"bytes": "?"}, "targetImage": image("obama"), "threshold": 80}
    assert current.refused("POST", "compare", bad) == (-45030, "InvalidImageBytesException")
    gif = {"sourceImage": image(b"GIF89a"), "targetImage": image("obama"), "threshold": 80}
    assert current.refused("POST", "compare", gif) == (-45040, "InvalidImageFormatException")
    large = {"image": image(portrait("obama") + bytes(3_000_000))}
    assert current.refused("POST", "detect", large) == (-45020, "ImageTooLargeException")
    assert current.refused("POST", "detect", {"image": {"url": "ftp://x/"}}) == (-45050, "InvalidImageURLException")


def test_the_current_generation_shows_all_of_the_source(current: NhnClient) -> None:
    body = {"image": image("obama")}
    found = current("POST", "groups/people/search", body, limit=1, threshold=80)["data"]
    assert list(found["sourceFace"]) == ["bbox", "landmarks", "orientation", "confidence"]


def test_the_current_generation_names_a_quota(current: NhnClient, acme: Customer) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(collection_quota=1, face_quota=0)
    quota = (-40070, "ServiceQuotaExceededException")
    assert current.refused("POST", "groups", {"groupId": "more"}) == quota
    assert current.refused("POST", "groups/people", {"image": image("obama"), "limit": 1}) == quota


def _everywhere(nhn: NhnClient, group: str, face: str) -> Iterator[tuple[int, str]]:
    """Call every operation with a group and a face of another tenant."""
    picture = {"image": image("obama")}
    yield nhn.refused("GET", f"groups/{group}")
    yield nhn.refused("DELETE", f"groups/{group}")
    yield nhn.refused("POST", f"groups/{group}", picture | {"limit": 1})
    yield nhn.refused("GET", f"groups/{group}/faces", limit=1)
    yield nhn.refused("POST", f"groups/{group}/search", picture, limit=1, threshold=1)
    yield nhn.refused("GET", f"groups/{group}/faces/{face}", limit=1, threshold=1)
    yield nhn.refused("DELETE", f"groups/{group}/faces/{face}")
    yield nhn.refused("POST", f"verify/groups/{group}/faces/{face}", {"compareImage": image("obama")})


def test_another_tenants_groups_and_faces_are_not_there(nhn: NhnClient, globex: Customer) -> None:
    create_collection(globex.caller, name="theirs")
    face = register(NhnClient(globex.issued.key.pk, globex.issued.secret), "sunak")["addedFaces"][0]["faceId"]
    for group in ("theirs", "No-Such_Group", "%00", "a" * 300):  # decision H10
        assert set(_everywhere(nhn, group, face)) == {NO_GROUP}
    for wrong in (face, "none", "%00", "00000000-0000-0000-0000-000000000000"):
        path = f"groups/people/faces/{wrong}"
        assert nhn.refused("GET", path, limit=1, threshold=1) == NO_FACE
        assert nhn.refused("DELETE", path) == NO_FACE
        assert nhn.refused("POST", f"verify/{path}", {"compareImage": image("obama")}) == NO_FACE
    assert Face.unscoped.filter(uuid=face).exists()


def test_a_collection_of_another_pack_says_so(nhn: NhnClient, acme: Customer) -> None:
    other = next(name for name in packs.names() if name != packs.DEFAULT)
    create_collection(acme.caller, name="precise", pack=other)
    assert nhn("GET", "groups/precise")["data"]["groups"][0]["modelVersion"] == f"v1.0-{other}"


@pytest.mark.parametrize("spoil", ["unknown", "wrong", "missing", "revoked", "expired", "suspended", "bearer", "nul"])
def test_a_request_without_a_valid_key_is_refused(acme: Customer, spoil: str) -> None:
    key, secret = acme.issued.key.pk, acme.issued.secret
    ago = timezone.now() - timedelta(seconds=1)
    if spoil == "suspended":
        Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.SUSPENDED)
    if spoil in {"revoked", "expired"}:
        ApiKey.unscoped.filter(pk=key).update(**{f"{spoil}_at" if spoil == "revoked" else "expires_at": ago})
    key = {"unknown": "fp_none", "nul": "%00"}.get(spoil, key)
    secret = {"wrong": "x" * 43, "missing": "", "bearer": f"Bearer {secret}"}.get(spoil, secret)
    nhn = NhnClient(key, secret)
    assert nhn.refused("GET", "groups", limit=1) == NO_ACCESS
    assert nhn.refused("POST", "detect", {"image": {}}) == NO_ACCESS


def test_a_key_does_what_its_scopes_allow(acme: Customer) -> None:
    reader = keys.issue(acme.tenant, name="reader", scopes=["read"])
    nhn = NhnClient(reader.key.pk, reader.secret)
    assert nhn("GET", "groups", limit=1)["header"] == OK
    assert nhn.refused("POST", "groups", {"groupId": "more"}) == NO_ACCESS
    assert nhn.refused("DELETE", "groups/people") == NO_ACCESS
    assert nhn.refused("POST", "groups/people", {"image": image("obama"), "limit": 1}) == NO_ACCESS
    assert nhn.refused("POST", "detect", {"image": {"url": "http://127.0.0.1/"}}) == NO_ACCESS  # not even looked at


def test_a_key_sees_the_groups_within_its_reach(acme: Customer) -> None:
    create_collection(acme.caller, name="hidden")
    issued = keys.issue(acme.tenant, name="narrow", scopes=["read"], collections=[acme.people.pk])
    nhn = NhnClient(issued.key.pk, issued.secret)
    assert [group["groupId"] for group in nhn("GET", "groups", limit=9)["data"]["groups"]] == ["people"]
    assert nhn.refused("GET", "groups/hidden") == NO_GROUP
