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
        "node_id": ids.alias,
        "feature_type": 1,
        "uuid": ids.person,
        "feature_images": [IMAGE],
        "image_buffer": IMAGE,
        "user_id": "x",
        "user_name": "x",
        "user_age": 1,
    }


def _search(acme: Customer, key: IssuedKey, probe: str) -> Any:
    client = FacedbClient(key.key.pk, key.secret, acme.people.alias)
    ask, image = {"node_id": client.node, "feature_type": 1}, base64_of(portrait(probe))
    third = client("inference-image", ask | {"image_buffer": image}, "v3")["meta"]["event_list"]
    named = client("matching-feature", ask | {"feature_images": [image]}, "v3")
    return [client("matching-face", {"faceImages": [image]}), third, named]


def _known(acme: Customer, _: Person) -> dict[str, str]:
    node = find(acme.caller, "gate").alias  # as the fixture `facedb` made it
    return {"nodeId": node, "node_id": node, "uuId": "12345", "uuid": "12345"}


EXAMPLES = Examples(
    label="NEXTK facedb",
    actions=frozenset({"search", "enrol"}),
    nobody=lambda body: bool(body["uuId"] == ""),
    body=_body,
    without_id=frozenset(
        f"POST {PREFIX}/{name}" for name in ("create-computing-node", "get-computing-node", "list-computing-node")
    ),
    inner_ids=frozenset({f"POST {PREFIX}/remove-facedb", "POST v3/va/remove-feature"}),
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
    scores=frozenset({"score", "event_score"}),
    scale=100,
    words=frozenset({"message"}),
    own=frozenset({"uuId"}),
    images=lambda *_: {key: [TEXT[:1], TEXT] for key in ("faceImages", "feature_images")} | {"image_buffer": TEXT},
    known=_known,
)
