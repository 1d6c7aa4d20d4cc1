"""Examples of the facedb dialect."""

import secrets
from typing import Any

from collections_app.models import Person
from collections_app.operations.collections import find
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import FacedbClient
from tests.dialects.examples.descriptor import IMAGE, TEXT, Call, Examples, Json
from tests.make import base64_of, portrait
from tests.world import Ids

PREFIX = "v2/va"
PERSON = {"userName": "x", "userAge": 1, "gender": 1, "identifier": 0, "memo": ""}
NODE = {"nodeId": "{alias}"}


def _body(ids: Ids) -> Json:
    return {
        **PERSON,
        "userId": "x",
        "nodeId": ids.alias,
        "nodeName": f"n{secrets.token_hex(4)}",
        "uuId": ids.person,
        "faceImages": [IMAGE],
    }


def _search(acme: Customer, key: IssuedKey, probe: str) -> Any:
    client = FacedbClient(key.key.pk, key.secret, acme.people.alias)
    return client("matching-face", {"faceImages": [base64_of(portrait(probe))]})


def _known(acme: Customer, _: Person) -> dict[str, str]:
    return {"nodeId": find(acme.caller, "gate").alias, "uuId": "12345"}  # as the fixture `facedb` made them


EXAMPLES = Examples(
    label="NEXTK facedb",
    actions=frozenset({"search", "enrol"}),
    nobody=lambda body: bool(body["uuId"] == ""),
    body=_body,
    without_id=frozenset(
        f"POST {PREFIX}/{name}" for name in ("create-computing-node", "get-computing-node", "list-computing-node")
    ),
    inner_ids=frozenset({f"POST {PREFIX}/remove-facedb"}),
    makes_a_collection={f"POST {PREFIX}/create-computing-node": (200, "NOT_SUPPORT_FUNCTION")},
    add=Call("POST", f"/{PREFIX}/matching-face", NODE | {"faceImages": [IMAGE]}),
    optional={"uuId": None, "memo": None},
    takes_json=f"/{PREFIX}/register-facedb",
    with_image=lambda text: Call("POST", f"/{PREFIX}/list-facedb", {"nodeId": "none", "pad": text}),
    usual={
        "lists": Call("POST", f"/{PREFIX}/list-facedb", NODE),
        "adds": Call(
            "POST",
            f"/{PREFIX}/register-facedb",
            NODE | PERSON | {"uuId": "1", "userId": "1", "faceImages": [IMAGE]},
        ),
    },
    search=_search,
    code=lambda body: body.get("code"),
    refused=frozenset({20}),
    failed=502,
    later=(200, frozenset({502})),
    scores=frozenset({"score"}),
    scale=100,
    words=frozenset({"message"}),
    own=frozenset({"uuId"}),
    images=lambda *_: {"faceImages": [TEXT[:1], TEXT]},
    known=_known,
)
