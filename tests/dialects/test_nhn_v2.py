"""NHN's contract as it is in production (3.2-3.6): v2.0, spoofing, partial success, limits, the appKey alone.

One file although it is longer than 300 lines: one contract, small tests.
"""

import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from collections_app.models import Collection, Face
from collections_app.operations.collections import update_collection
from tenants import keys
from tenants.access import Scope
from tenants.models import Tenant
from tests.conftest import Customer
from tests.dialects.test_nhn import NhnClient, current, image, register  # noqa: F401 -- `current` is a fixture
from tests.make import blank, encoded, filling, portrait, side_by_side

OK = {"resultCode": 0, "resultMessage": "Success", "isSuccessful": True}
ROOTS = ("/v2.0", "/nhn-face-reco/v2.0")


class V2Client(NhnClient):
    """An integrator's client of v2.0."""

    def __init__(self, app_key: str, secret: str, root: str = ROOTS[0]) -> None:
        """Keep the credentials, and where v2.0 is."""
        super().__init__(app_key, secret)
        self._root = f"{root}/appkeys/{app_key}"

    def __call__(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        """Send a JSON body or a query."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.raw(method, f"{self._root}/{path}", content, **query)

    def form(self, path: str, **fields: Any) -> Any:
        """Send a multipart form; bytes are files."""
        parts = {
            name: SimpleUploadedFile(f"{name}.png", value, "image/png") if isinstance(value, bytes) else value
            for name, value in fields.items()
        }
        answer = self._http.post(f"{self._root}/{path}", parts, headers={"Authorization": self._secret})
        assert answer.status_code == 200
        return answer.json()

    def group(self) -> str:
        """Make a group."""
        assert self("POST", "groups", {"groupId": "gate"}) == {"header": OK}
        return "gate"


def code(answer: Any) -> tuple[int, str]:
    assert answer["header"]["isSuccessful"] is (answer["header"]["resultCode"] >= 0)
    return answer["header"]["resultCode"], answer["header"]["resultMessage"]


@pytest.fixture(params=ROOTS)
def v2(acme: Customer, request: pytest.FixtureRequest) -> V2Client:
    """Acme's client, at each of the places of v2.0; the tenant's profile does not matter."""
    return V2Client(acme.issued.key.pk, acme.issued.secret, request.param)


def test_the_twelve_operations(v2: V2Client) -> None:
    group = v2.group()
    assert v2("GET", "groups", limit=5)["data"] == {
        "groupCount": 2,
        "groups": [{"groupId": group}, {"groupId": "people"}],
        "nextToken": "",
    }
    detected = v2("POST", "faces/detect", {"image": image("macron_2025")})
    assert detected["header"] == OK
    assert list(detected["data"]["faceDetails"][0]) == ["bbox", "landmarks", "orientation", "confidence"]
    body = {"image": image("macron_2025"), "limit": 1, "externalImageId": "one.jpg"}
    added = v2("POST", f"groups/{group}/faces", body)["data"]
    assert list(added) == [
        *("addedFaceCount", "addedFaces", "addedFaceDetails", "notAddedFaceCount", "notAddedFaces"),
    ]
    [face] = added["addedFaces"]
    assert v2("GET", f"groups/{group}")["data"].keys() == {"groupId", "createTime", "faceCount"}
    assert v2("GET", f"groups/{group}/faces", limit=5)["data"] == {"faceCount": 1, "faces": [face], "nextToken": ""}
    other = v2("POST", f"groups/{group}/faces", {"image": image("macron_2014"), "limit": 1})["data"]["addedFaces"][0]
    found = v2("GET", f"groups/{group}/faces/{face['faceId']}/search", limit=100, threshold=85)["data"]
    assert list(found) == ["matchFaceCount", "matchFaces"]
    assert [match["face"] for match in found["matchFaces"]] == [other]
    search = {"image": image("macron_2025"), "limit": 1, "threshold": 90}
    found = v2("POST", f"groups/{group}/faces/search", search)["data"]
    assert list(found) == ["matchFaceCount", "matchFaces", "sourceFace"]
    assert found["matchFaces"] == [{"face": face, "similarity": 100.0}]
    assert list(found["sourceFace"]) == ["bbox", "landmarks", "orientation", "confidence"]
    pair = {"sourceImage": image("macron_2025"), "targetImage": image("macron_2014"), "threshold": 80}
    compared = v2("POST", "faces/compare", pair)["data"]
    assert "modelVersion" not in compared
    assert compared["matchedFaceDetailCount"] == 1
    verified = v2("POST", f"groups/{group}/faces/{face['faceId']}/verify", {"compareImage": image("macron_2014")})
    assert verified["data"]["face"] == face
    assert verified["data"]["similarity"] > 85
    assert v2("DELETE", f"groups/{group}/faces/{face['faceId']}") == {"header": OK}
    assert v2("DELETE", f"groups/{group}") == {"header": OK}
    assert code(v2("GET", f"groups/{group}")) == (-40030, "NotFoundGroupError")


def test_every_operation_with_an_image_takes_a_form(v2: V2Client) -> None:
    group, macron = v2.group(), portrait("macron_2025")
    detected = v2.form("faces/detect", imageFile=macron, orientation="false")["data"]
    assert list(detected["faceDetails"][0]) == ["bbox", "landmarks", "confidence"]
    added = v2.form(f"groups/{group}/faces", imageFile=macron, limit="1", externalImageId="one.jpg")["data"]
    [face] = added["addedFaces"]
    assert face["externalImageId"] == "one.jpg"
    assert "orientation" in added["addedFaceDetails"][0]  # in a form too, what is absent has its default
    found = v2.form(f"groups/{group}/faces/search", imageFile=macron, limit="9", threshold="90")["data"]
    assert [match["face"] for match in found["matchFaces"]] == [face]
    same = v2.form("faces/compare", sourceImageFile=macron, targetImageFile=macron, threshold="90")["data"]
    assert same["matchedFaceDetails"][0]["similarity"] == 100
    verified = v2.form(f"groups/{group}/faces/{face['faceId']}/verify", imageFile=macron)["data"]
    assert verified["similarity"] == 100


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({}, (-40000, "InvalidParam")),
        ({"imageFile": b""}, (-45080, "InvalidImageFileException")),
        ({"imageFile": "text"}, (-45080, "InvalidImageFileException")),
        ({"imageFile": b"no image"}, (-45040, "InvalidImageFormatException")),
        ({"imageFile": bytes(3_000_001)}, (-45020, "ImageTooLargeException")),
        ({"imageUrl": "http://127.0.0.1/x.png"}, (-45050, "InvalidImageURLException")),
        ({"imageFile": blank(), "imageUrl": "http://127.0.0.1/x.png"}, (-40000, "InvalidParam")),
        ({"imageFile": blank(), "orientation": "maybe"}, (-40000, "InvalidParam")),
        ({"imageFile": blank(), "spoofingCondition": "lax"}, (-40000, "InvalidParam")),
    ],
)
def test_a_form_that_is_refused(acme: Customer, fields: dict[str, Any], answer: tuple[int, str]) -> None:
    v2 = V2Client(acme.issued.key.pk, acme.issued.secret)
    assert code(v2.form("faces/detect", **fields)) == answer


@pytest.mark.parametrize("limit", ["0", "21", "x", "1.5", ""])
def test_a_forms_number_out_of_its_bounds(acme: Customer, limit: str) -> None:
    v2 = V2Client(acme.issued.key.pk, acme.issued.secret)
    assert code(v2.form("groups/people/faces", imageFile=blank(), limit=limit)) == (-40000, "InvalidParam")


def test_v2_names_its_errors(v2: V2Client, acme: Customer) -> None:
    gone = "87db50d4-f2c6-48ea-85ed-9f201309fd92"
    assert code(v2("POST", "groups", {"groupId": "A"})) == (-40010, "InvalidGroupID")
    assert code(v2("POST", "groups", {"groupId": "people"})) == (-40020, "DuplicatedGroupID")
    assert code(v2("GET", "groups", **{"limit": 5, "next-token": "x"})) == (-40040, "InvalidTokenError")
    assert code(v2("DELETE", f"groups/people/faces/{gone}")) == (-40050, "NotFoundFaceIDError")
    assert code(v2("POST", "faces/detect", {"image": {"bytes": "!"}})) == (-45030, "InvalidImageBytesException")
    assert code(v2("POST", "faces/compare", {"sourceImage": image("obama"), "targetImage": image("obama")})) == (
        -40000,
        "InvalidParam",
    )
    for limit in (0, 101):
        query = {"limit": limit, "threshold": 90}
        assert code(v2("GET", f"groups/people/faces/{gone}/search", **query)) == (-40000, "InvalidParam")
        body = {"image": image("obama")} | query
        assert code(v2("POST", "groups/people/faces/search", body)) == (-40000, "InvalidParam")
    for path in ("nothing", "faces", "groups/people/verify", "groups/people/search"):
        assert code(v2("POST", path, {})) == (-40000, "InvalidParam")
    for secret in ("", "wrong", f"Bearer {acme.issued.secret}"):
        no_one = V2Client(acme.issued.key.pk, secret)
        assert code(no_one("GET", "groups", limit=5)) == (-41005, "UnauthorizedAppKeyOrSecretKey")


def test_a_list_of_faces_is_filtered_and_its_token_keeps_the_filter(acme: Customer) -> None:
    v2 = V2Client(acme.issued.key.pk, acme.issued.secret)
    both = {"image": image(side_by_side("obama", "sunak")), "limit": 2, "externalImageId": "pair"}
    pair = v2("POST", "groups/people/faces", both)["data"]["addedFaces"]
    one = v2("POST", "groups/people/faces", {"image": image("macron_2025"), "limit": 1})["data"]["addedFaces"][0]
    for query, faces in (
        ({"face_id": one["faceId"]}, [one]),
        ({"image_id": pair[0]["imageId"]}, pair[::-1]),
        ({"external_image_id": "pair"}, pair[::-1]),
        ({"external_image_id": "pair", "face_id": one["faceId"]}, []),
        ({"face_id": one["faceId"][:8]}, []),
        ({"face_id": ""}, [one, *pair[::-1]]),
    ):
        listed = v2("GET", "groups/people/faces", limit=5, **query)["data"]
        assert (listed["faceCount"], listed["faces"]) == (len(faces), faces)
    first = v2("GET", "groups/people/faces", limit=1, external_image_id="pair")["data"]
    rest = v2("GET", "groups/people/faces", next_token=first["nextToken"])["data"]
    assert (rest["faceCount"], rest["faces"], rest["nextToken"]) == (2, [pair[0]], "")


def test_production_counts_twenty_faces_of_an_image_and_100_000_of_a_group(current: NhnClient) -> None:  # noqa: F811
    for limit, answer in ((20, 0), (21, -40000)):
        added = current("POST", "groups/people", {"image": image(blank()), "limit": limit})
        assert added["header"]["resultCode"] == answer
    current("POST", "groups", {"groupId": "gate"})
    assert Collection.unscoped.get(name="gate").face_limit == 100_000
    row = Image.open(BytesIO(portrait("obama"))).resize((120, 150))
    crowd = Image.new("RGB", (7 * 120, 3 * 150))
    for place in range(21):
        crowd.paste(row, (place % 7 * 120, place // 7 * 150))
    content = BytesIO()
    crowd.save(content, "PNG")
    assert current("POST", "detect", {"image": image(content.getvalue())})["data"]["faceDetailCount"] == 20


@pytest.mark.parametrize("whose", ["group", "tenant"])
def test_a_group_that_fills_up_stores_what_fits(current: NhnClient, acme: Customer, whose: str) -> None:  # noqa: F811
    if whose == "group":
        update_collection(acme.caller, collection="people", face_limit=1)
    else:
        Tenant.objects.filter(pk=acme.tenant.pk).update(face_quota=1)
    body = {"image": image(side_by_side("obama", "sunak")), "limit": 2, "spoofing": True}
    answer = current("POST", "groups/people", body)
    assert answer["header"] == {
        "resultCode": 40070,
        "resultMessage": "ServiceQuotaExceededPartialSuccessException",
        "isSuccessful": True,
    }
    data = answer["data"]
    assert (data["addedFaceCount"], data["notAddedFaceCount"]) == (1, 1)
    assert "spoofing" in data["notAddedFaces"][0]
    widths = [faces[0]["bbox"]["x1"] - faces[0]["bbox"]["x0"] for faces in (data["addedFaces"], data["notAddedFaces"])]
    assert widths[0] >= widths[1]
    assert current("GET", "groups/people/faces", limit=5)["data"]["faces"] == data["addedFaces"]
    assert current.refused("POST", "groups/people", body) == (-40070, "ServiceQuotaExceededException")
    assert current("POST", "groups/people", {"image": image(blank()), "limit": 2})["header"] == OK
    assert Face.objects.of(acme.tenant).count() == 1


def test_a_refusal_says_how_far_a_face_is_beyond_the_limits(acme: Customer) -> None:
    """Decision H33; the recorded case has every operation."""
    client = Client()
    path = f"/v2.0/appkeys/{acme.issued.key.pk}/groups/people/faces/search"
    for name, words in (("turned", "extreme_pose (turned by 54 degrees"), ("small", "small_face (47 pixels")):
        body = {"image": image(f"derived/{name}"), "limit": 1, "threshold": 85}
        answer = client.post(path, body, "application/json", headers={"Authorization": acme.issued.secret})
        assert code(answer.json()) == (-40000, "InvalidParam")
        allowed = {"turned": "at most 45)", "small": "at least 60)"}[name]
        assert answer["X-Reason"] == f"the face does not show well enough: {words}, {allowed}"


def test_a_small_face_beside_a_large_one_is_not_added(v2: V2Client, acme: Customer) -> None:
    small, large = (np.asarray(Image.open(BytesIO(portrait(name)))) for name in ("derived/small", "obama"))
    both = np.full((large.shape[0], large.shape[1] + small.shape[1], 3), 128, np.uint8)
    both[:, : large.shape[1]] = large
    both[: small.shape[0], large.shape[1] :] = small
    added = v2("POST", "groups/people/faces", {"image": image(encoded(both, "JPEG")), "limit": 2})["data"]
    assert (added["addedFaceCount"], added["notAddedFaceCount"]) == (1, 1)
    assert added["addedFaces"][0]["bbox"]["x1"] < 0.9 < added["notAddedFaces"][0]["bbox"]["x1"]
    assert Face.objects.of(acme.tenant).count() == 1


@pytest.mark.parametrize("spoofing", [{}, {"spoofing": False}, {"spoofing": None}])
def test_spoofing_is_told_only_where_it_is_wanted(current: NhnClient, spoofing: dict[str, Any]) -> None:  # noqa: F811
    assert "spoofing" not in current("POST", "detect", {"image": image("obama"), **spoofing})["data"]["faceDetails"][0]


@pytest.mark.parametrize("condition", [{}, {"spoofingCondition": "strict"}, {"spoofingCondition": "weak"}])
def test_spoofing_of_every_face(current: NhnClient, condition: dict[str, Any]) -> None:  # noqa: F811
    wanted = {"spoofing": True, **condition}
    seen = current("POST", "detect", {"image": image(side_by_side("obama", "sunak")), **wanted})["data"]
    assert [type(face["spoofing"]) for face in seen["faceDetails"]] == [bool, bool]
    assert list(seen["faceDetails"][0])[-2:] == ["spoofing", "confidence"]
    added = current("POST", "groups/people", {"image": image("macron_2025"), "limit": 1, **wanted})["data"]
    assert type(added["addedFaceDetails"][0]["spoofing"]) is bool
    query = {"limit": 1, "threshold": 90}
    found = current("POST", "groups/people/search", {"image": image("macron_2025"), **wanted}, **query)["data"]
    assert type(found["sourceFace"]["spoofing"]) is bool
    pair = {"sourceImage": image("obama"), "targetImage": image("obama"), "threshold": 80, **wanted}
    compared = current("POST", "compare", pair)["data"]
    assert type(compared["sourceFace"]["spoofing"]) is bool
    assert type(compared["matchedFaceDetails"][0]["faceDetail"]["spoofing"]) is bool
    verify = f"verify/groups/people/faces/{added['addedFaces'][0]['faceId']}"
    verified = current("POST", verify, {"compareImage": image("macron_2025"), **wanted})["data"]
    assert type(verified["sourceFace"]["spoofing"]) is bool
    own = current("POST", "spoofing", {"image": image("macron_2025"), **condition})["data"]
    [face] = own["faceDetails"]
    assert list(face) == ["bbox", "landmarks", "spoofing", "confidence"]
    assert face["spoofing"] == added["addedFaceDetails"][0]["spoofing"]


def test_a_face_that_fills_the_image_is_no_spoof(current: NhnClient) -> None:  # noqa: F811
    close = {"image": image(filling())}
    assert "spoofing" not in current("POST", "detect", {**close, "spoofing": True})["data"]["faceDetails"][0]
    assert current.refused("POST", "spoofing", close) == (-40000, "InvalidParam")


def test_a_stricter_condition_finds_no_fewer_spoofs(current: NhnClient, acme: Customer) -> None:  # noqa: F811
    for name in ("obama", "sunak", "macron_2014"):
        told = [
            current("POST", "spoofing", {"image": image(name), "spoofingCondition": condition})["data"]
            for condition in ("weak", "balanced", "strict")
        ]
        spoofs = [data["faceDetails"][0]["spoofing"] for data in told]
        assert spoofs == sorted(spoofs)


def test_an_aligned_crop_is_judged_whole(current: NhnClient) -> None:  # noqa: F811
    crop = BytesIO()
    Image.open(BytesIO(portrait("obama"))).resize((224, 224)).save(crop, "PNG")
    data = current("POST", "spoofing", {"image": image(crop.getvalue()), "aligned": True})["data"]
    [face] = data["faceDetails"]
    assert type(face.pop("spoofing")) is bool
    assert face == {"bbox": dict.fromkeys(("x0", "y0", "x1", "y1"), 0.0), "landmarks": [], "confidence": 0.0}
    for content in (portrait("obama"), blank()):
        refused = current.refused("POST", "spoofing", {"image": image(content), "aligned": True})
        assert refused == (-45070, "InvalidImageSizeException")
    assert current("POST", "spoofing", {"image": image(blank())})["data"] == {"faceDetailCount": 0, "faceDetails": []}


def test_no_answer_says_mask(current: NhnClient) -> None:  # noqa: F811
    seen = current("POST", "detect", {"image": image("obama"), "mask": True})
    assert "mask" not in json.dumps(seen)


def test_the_app_key_alone_gives_access_only_where_the_tenant_says_so(acme: Customer, globex: Customer) -> None:
    alone, refused = NhnClient(acme.issued.key.pk, ""), (-41000, "UnauthorizedAppKey")
    for profiles in ({}, {"nhn": "prerelease"}, {"nhn": "current"}):
        Tenant.objects.filter(pk=acme.tenant.pk).update(profiles=profiles)
        assert alone.refused("GET", "groups", limit=5) == refused
    Tenant.objects.filter(pk=acme.tenant.pk).update(profiles={"nhn": "current_appkey_only"})
    assert alone("GET", "groups", limit=5)["header"] == OK
    assert alone("POST", "groups/people", {"image": image("obama"), "limit": 1})["header"] == OK
    assert NhnClient(acme.issued.key.pk, acme.issued.secret)("GET", "groups", limit=5)["header"] == OK
    assert NhnClient(acme.issued.key.pk, "wrong").refused("GET", "groups", limit=5) == refused
    assert NhnClient("fp_nobody", "").refused("GET", "groups", limit=5) == refused
    assert NhnClient(globex.issued.key.pk, "").refused("GET", "groups", limit=5) == refused
    v2 = V2Client(acme.issued.key.pk, "")
    assert code(v2("GET", "groups", limit=5)) == (-41005, "UnauthorizedAppKeyOrSecretKey")
    answer = Client().get("/api/v1/me", headers={"x-api-key": f"{acme.issued.key.pk}."})
    assert answer.status_code == 401


def test_the_app_key_alone_is_still_a_key(acme: Customer) -> None:
    """Its scopes, networks and end hold; lower scores need the secret."""
    Tenant.objects.filter(pk=acme.tenant.pk).update(profiles={"nhn": "current_appkey_only"})
    lab = keys.issue(acme.tenant, name="lab", scopes=[Scope.SEARCH, Scope.SCORES])
    register(NhnClient(acme.issued.key.pk, acme.issued.secret))
    body, query = {"image": image("obama")}, {"limit": 5, "threshold": 1}
    for secret, count in ((lab.secret, 1), ("", 0)):
        found = NhnClient(lab.key.pk, secret)("POST", "groups/people/search", body, **query)["data"]
        assert found["matchFaceCount"] == count
    assert NhnClient(lab.key.pk, "").refused("POST", "groups", {"groupId": "x"}) == (-41000, "UnauthorizedAppKey")
    elsewhere = keys.issue(acme.tenant, name="elsewhere", scopes=list(Scope), networks=["192.0.2.0/24"])
    assert NhnClient(elsewhere.key.pk, "").refused("GET", "groups", limit=5) == (-41000, "UnauthorizedAppKey")
