"""Examples of the native API."""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from collections_app.models import Collection, Person, new_uuid
from collections_app.operations.captures import ask_capture
from collections_app.operations.challenges import start_challenge
from collections_app.operations.collections import update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.search import search_by_face
from collections_app.operations.webhooks import create_webhook
from recognition.similarity import Threshold
from tenants import keys
from tenants.access import system
from tenants.captures import Verb
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import NativeClient
from tests.dialects.examples.descriptor import FILES, FORM, IMAGE, TEXT, Call, Examples, Json
from tests.make import base64_of, portrait
from tests.world import RECIPIENT, Ids

COLLECTION, FACES = "api/v1/collections/<name:collection>", "/api/v1/collections/people/faces"
TAKES_AN_IMAGE = ("/faces", "/search", "/verify", "/detect", "/guidance", "/use")
LISTS = ("collections", "receipts", "jobs", "searches", "keys", "audit", "webhooks", "buckets")
TELLS = ("me", "version", "usage", "problems", "audit/verification", "audit/export")

BUCKET = {"endpoint": "https://8.8.8.8", "access_key_id": "x", "secret_access_key": "x"}


def _body(ids: Ids) -> Json:
    return {"image": IMAGE, "source": IMAGE, "target": IMAGE, "person": ids.person, "name": f"n{secrets.token_hex(4)}"}


def _challenge(ids: Ids) -> str:
    """Return a new challenge of the tenant that has these ids, since one lasts half a minute, or an id of none.

    Challenges belong to no collection, so that the ids of a second collection of the same tenant have none.
    """
    known = Collection.unscoped.select_related("tenant").filter(alias=ids.alias).exclude(name="own-two").first()
    return start_challenge(system(known.tenant, "tests")).uuid if known else new_uuid()


def _search(_: Customer, key: IssuedKey, probe: str) -> Any:
    client, sent = NativeClient(key.token), {"image": base64_of(portrait(probe)), "limit": 100}
    thresholds: tuple[dict[str, float], ...] = ({}, {"threshold": 0}, {"threshold": 84.9}, {"false_match_rate": 1})
    return [client("POST", "/collections/people/search", sent | least).json() for least in thresholds]


def _images(case: Any, draw: Any) -> Mapping[str, list[Any]]:
    """Return the values for an operation's images; usually one, since an image and its URL are both optional."""
    two = case.operation.path == "/compare"
    names = ("source", "target") if two else ("image",) if case.operation.path.endswith(TAKES_AN_IMAGE) else ()
    images: dict[str, list[Any]] = dict.fromkeys(names, FILES if case.media_type == FORM else TEXT)
    if isinstance(case.body, dict) and draw(st.sampled_from([True, True, True, False])):
        kept = {name: value for name, value in case.body.items() if name.removesuffix("_url") not in names}
        one = {"face": ""} if case.operation.path.endswith("/verify") and "person" not in kept else {}
        case.body = kept | one | dict.fromkeys(names)
    return images


def _known(acme: Customer, somebody: Person) -> dict[str, str]:
    collection, other, image = "people", PersonDetails(name="other"), FILES[0]
    update_collection(acme.caller, collection=collection, images="crop")
    kept = enrol_face(acme.caller, collection=collection, image=image, person=other).faces[0]
    face = enrol_face(acme.caller, collection=collection, image=image, person=other).faces[0]
    erased = delete_face(acme.caller, collection=collection, face=face.uuid)
    hook = create_webhook(acme.caller, url="https://example.com/hook", kinds=["search.matched"]).webhook
    searched = search_by_face(
        acme.caller, collection=collection, face=kept.uuid, limit=1, threshold=Threshold(0)
    ).record
    key = keys.issue(acme.tenant, name="other", scopes=["read"]).key.pk
    return {
        "collection": collection,
        "name": collection,
        "person": str(somebody.pk),
        "face": kept.uuid,
        "other": str(kept.person_id),
        "receipt": erased.uuid,
        "webhook": str(hook.pk),
        "delivery": str(hook.deliveries.get().pk),
        "search": searched.uuid,
        "key": key,
        "job": f"index-{acme.people.pk}",
        "tenant": "acme",
        "bucket": "faces",
        "capture": ask_capture(acme.caller, verb=Verb.SEARCH, collection=collection).capture.pk,
        "endpoint": "https://8.8.8.8",
        "cursor": base64.b64encode(b"1").decode(),
    }


EXAMPLES = Examples(
    label="Faceplane",
    nobody=lambda body: bool(body["decision"] == "unknown"),
    body=_body,
    bodies={
        f"PATCH {COLLECTION}/people/<name:person>": lambda _: {"name": "x"},
        f"PATCH {COLLECTION}": lambda _: {"description": "x"},
        f"POST {COLLECTION}/faces": lambda _: {"image": IMAGE},
        f"POST {COLLECTION}/people/<name:person>/merge": lambda ids: {"other": ids.other},
        f"POST {COLLECTION}/people": lambda ids: {"faces": [ids.face]},
        f"POST {COLLECTION}/people/<name:person>/faces": lambda ids: {"faces": [ids.face]},
        f"POST {COLLECTION}/do-not-enrol": lambda _: {"reference": "x"},
        f"POST {COLLECTION}/exports": lambda _: {"recipients": [RECIPIENT]},
        "POST api/v1/captures": lambda ids: {
            "verb": "verify",
            "collection": ids.collection,
            "reference": ids.person,
        },
        f"POST {COLLECTION}/model": lambda _: {"pack": "accurate"},
        f"PATCH {COLLECTION}/model": lambda _: {"do": "compare"},
        "POST api/v1/keys": lambda _: {"name": "x", "scopes": ["read"]},
        "POST api/v1/webhooks": lambda _: {"url": "https://example.com/hook", "events": ["face.enrolled"]},
        "POST api/v1/liveness-challenges/answer": lambda ids: {"id": _challenge(ids), "frames": [IMAGE] * 3},
        "PATCH api/v1/webhooks/<str:webhook>": lambda _: {"active": False},
        "PUT api/v1/buckets/<str:bucket>": lambda _: BUCKET,
    },
    strict=True,
    without_id=frozenset(
        {
            *(f"GET api/v1/{name}" for name in (*LISTS, *TELLS)),
            "PUT api/v1/buckets/<str:bucket>",
            *(f"POST api/v1/{name}" for name in ("collections", "keys", "webhooks", "detect", "compare")),
            "POST api/v1/liveness-challenges",
        }
    ),
    inner_ids=frozenset({"POST api/v1/captures"}),
    unknown_is_no_error=frozenset({"DELETE api/v1/buckets/<str:bucket>"}),
    makes_a_collection={"POST api/v1/collections": (403, "reach_too_narrow")},
    add=Call("POST", FACES, {"image": IMAGE}),
    optional={"person": {"name": None, "age": None}, "consent": None, "largest": None, "image_url": None},
    reads=(f"{FACES}?limit=1",),
    takes_json="/api/v1/webhooks",
    with_image=lambda text: Call("POST", "/api/v1/detect", {"image": text}),
    usual={"lists": Call("GET", FACES), "adds": Call("POST", FACES, {"image": IMAGE})},
    any_format=True,
    search=_search,
    looks_below=True,
    code=lambda body: body.get("code"),
    refused=frozenset({"unknown_key", "missing_key"}),
    failed="internal_error",
    later=(503, frozenset({"unavailable"})),
    scores=frozenset({"score"}),
    request_id="request_id",
    words=frozenset({"detail", "message"}),
    own=frozenset({"id", "created_at", "gallery_size", "reference"}),
    images=_images,
    known=_known,
)
