"""Examples of NHN's dialect."""

import secrets
from typing import Any

from collections_app.models import Person
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.examples.descriptor import FILES, IMAGE, TEXT, Call, Examples, Json
from tests.dialects.test_nhn import NhnClient, image
from tests.dialects.test_nhn_v2 import V2Client
from tests.world import Ids

V1 = "nhn-face-reco/v1.0/appkeys/<str:app_key>"
V2 = ("v2.0/appkeys/<str:app_key>", "nhn-face-reco/v2.0/appkeys/<str:app_key>")
APP = "/nhn-face-reco/v1.0/appkeys/{key}"
OBAMA = {"image": {"bytes": IMAGE}}
OBJECT = [{"bytes": text} for text in TEXT]


def _body(_: Ids) -> Json:
    image = {"bytes": IMAGE}
    pictures = {"image": image, "sourceImage": image, "targetImage": image, "compareImage": image}
    return {**pictures, "groupId": f"n{secrets.token_hex(4)}", "limit": 5, "threshold": 80}


def _search(_: Customer, key: IssuedKey, probe: str) -> Any:
    client, body = NhnClient(key.key.pk, key.secret), {"image": image(probe)}
    first = [client("POST", "groups/people/search", body, limit=4096, threshold=least)["data"] for least in (1, 84)]
    second, path = V2Client(key.key.pk, key.secret), "groups/people/faces/search"
    return [*first, *(second("POST", path, body | {"limit": 100, "threshold": least})["data"] for least in (1, 84))]


def _known(_: Customer, somebody: Person) -> dict[str, str]:
    return {"group": "people", "face": somebody.faces.get().uuid}


EXAMPLES = Examples(
    label="NHN Face Recognition",
    nobody=lambda body: bool(body["data"]["matchFaces"] == []),
    body=_body,
    queries=True,
    without_id=frozenset(
        {
            f"GET {V1}/groups",
            *(f"POST {V1}/{name}" for name in ("groups", "detect", "compare", "spoofing")),
            *(f"GET {root}/groups" for root in V2),
            *(f"POST {root}/{name}" for root in V2 for name in ("groups", "faces/detect", "faces/compare")),
        }
    ),
    makes_a_collection={f"POST {V1}/groups": (200, "-41000")} | {f"POST {root}/groups": (200, "-41005") for root in V2},
    add=Call("POST", f"{APP}/groups/people", OBAMA | {"limit": 1}),
    optional={"externalImageId": None, "orientation": None, "mask": None, "image": {"bytes": IMAGE, "url": None}},
    reads=(f"{APP}/groups/people/faces?limit=1",),
    takes_json=f"{APP}/groups",
    with_image=lambda text: Call("POST", f"{APP}/detect", {"image": {"bytes": text}}),
    usual={
        "lists": Call("GET", f"{APP}/groups?limit=5"),
        "adds": Call("POST", f"{APP}/groups/people", OBAMA | {"limit": 1}),
    },
    search=_search,
    looks_below=True,
    code=lambda body: body["header"]["resultCode"],
    refused=frozenset({-41000, -41005}),
    failed=-50000,
    later=(200, frozenset({-50000})),
    scores=frozenset({"similarity"}),
    own=frozenset({"faceId", "imageId"}),
    images=lambda *_: (
        dict.fromkeys(("image", "sourceImage", "targetImage", "compareImage"), OBJECT)
        | dict.fromkeys(("imageFile", "sourceImageFile", "targetImageFile"), FILES)
    ),
    known=_known,
)
