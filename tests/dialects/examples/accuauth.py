"""Examples of the AccuAuth dialect."""

import secrets
from collections.abc import Mapping
from typing import Any

from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, search
from tests.dialects.examples.descriptor import FILES, FORM, IMAGE, TEXT, Call, Examples, Json
from tests.world import Ids

ADD = Call("POST", "/faceset/v2/add_face", {"name": "people", "image_base64": IMAGE})


def _body(ids: Ids) -> Json:
    return {"name": ids.collection, "image_base64": IMAGE, "image": IMAGE, "file_base64": IMAGE}


def _search(_: Customer, key: IssuedKey, probe: str) -> Any:
    client = AccuAuthClient(key.key.pk, key.secret)
    return [search(client, probe, threshold=least, topN=10).json() for least in (0, 0.5, 0.8)]


def _images(case: Any, _: Any) -> Mapping[str, list[Any]]:
    if isinstance(case.body, dict) and case.media_type != FORM:
        case.body.pop("file", None)  # no other body can carry one
    return {"image_base64": TEXT, "file": FILES}


EXAMPLES = Examples(
    label="AccuAuth",
    actions=frozenset({"search", "enrol"}),
    nobody=lambda body: bool(body["result"] == []),
    body=_body,
    bodies={"POST faceset/v2/create": lambda _: {"name": f"n{secrets.token_hex(4)}"}},
    without_id=frozenset({"POST faceset/v2/create"}),
    makes_a_collection={"POST faceset/v2/create": (403, "NO_PERMISSION")},
    add=ADD,
    optional={"file": None, "person_id": None},
    takes_json="/faceset/v2/search_face",
    with_image=lambda text: Call("POST", "/faceset/v2/search_face", {"name": "people", "image_base64": text}),
    usual={"adds": ADD},
    search=_search,
    looks_below=True,
    code=lambda body: body.get("status"),
    refused=frozenset({"UNAUTHORIZED"}),
    failed="INTERNAL_ERROR",
    later=(500, frozenset({"INTERNAL_ERROR"})),
    scores=frozenset({"similarity_score"}),
    scale=100,
    request_id="request_id",
    words=frozenset({"reason"}),
    own=frozenset({"face_id", "person_id", "create_time", "meta_face_id"}),
    images=_images,
    known=lambda *_: {"name": "people"},
)
