"""Examples of the Argos dialect."""

from typing import Any

from collections_app.models import Person
from tenants.keys import IssuedKey
from tests.conftest import ArgosClient, Customer
from tests.dialects.examples.descriptor import IMAGE, TEXT, Call, Examples, Json
from tests.make import base64_of, portrait
from tests.world import Ids

PEOPLE = {"collectionId": "people"}
LIST = "/faces?collectionId=people&page=1"


def _body(ids: Ids) -> Json:
    named = {"collectionId": ids.collection, "faceId": ids.face, "page": "1"}
    return {**named, "userName": "x", "requestName": "x", "faceImage": IMAGE}


def _search(_: Customer, key: IssuedKey, probe: str) -> Any:
    body = {"collectionId": "people", "requestName": "x", "faceImage": base64_of(portrait(probe))}
    return ArgosClient(key.token)("POST", "/search", body).json()


def _known(_: Customer, somebody: Person) -> dict[str, str]:
    return PEOPLE | {"faceId": somebody.faces.get().uuid}


EXAMPLES = Examples(
    label="Argos Face ID",
    actions=frozenset({"search", "enrol"}),
    nobody=lambda body: bool(body["faceIdList"] == []),
    body=_body,
    inner_ids=frozenset({"DELETE faces", "DELETE modules/faces"}),
    add=Call("POST", "/faces", {"collectionId": "people", "userName": "obama", "faceImage": IMAGE}),
    optional={"anything": None},
    reads=(LIST,),
    takes_json="/faces",
    with_image=lambda text: Call("POST", "/search", PEOPLE | {"requestName": "x", "faceImage": text}),
    usual={
        "lists": Call("GET", LIST),
        "adds": Call("POST", "/faces", PEOPLE | {"userName": "x", "faceImage": IMAGE}),
    },
    any_format=True,
    search=_search,
    code=lambda body: body.get("errorCode"),
    refused=frozenset({6040, 6039}),
    failed=500,
    later=(503, frozenset({6012, 6029})),
    scores=frozenset({"similarity"}),
    words=frozenset({"message"}),
    own=frozenset({"searchId", "faceId", "imageId", "metaFaceId", "createTime"}),
    images=lambda *_: {"faceImage": TEXT},
    known=_known,
)
