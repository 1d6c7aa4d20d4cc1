"""Examples of the Rekognition dialect."""

import json
import secrets
from typing import Any

from collections_app.dialects.rekognition.dialect import DIALECT
from collections_app.models import Person
from collections_app.operations.named_people import add_person
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import send
from tests.dialects.examples.descriptor import IMAGE, TEXT, Call, Examples, Json
from tests.make import base64_of, portrait
from tests.world import Ids

TARGET = "#X-Amz-Target=RekognitionService."
ROUTE, PATH, SLASHED = (f"{path}{TARGET}" for path in ("POST rekognition/", "/rekognition", "/rekognition/"))
OBAMA = {"Image": {"Bytes": IMAGE}}
PEOPLE = {"CollectionId": "people"}
BYTES = [{"Bytes": text} for text in TEXT]
INNER = ("SearchFaces", "DeleteFaces", "DeleteUser", "AssociateFaces", "DisassociateFaces", "SearchUsers")


def _body(ids: Ids) -> Json:
    image, names = {"Bytes": IMAGE}, {"CollectionId": ids.collection, "FaceId": ids.face, "FaceIds": [ids.face]}
    own = {"UserId": ids.person, "ResourceArn": ids.arn, "Tags": {"a": "b"}, "TagKeys": ["a"]}
    return {**names, **own, "Image": image, "SourceImage": image, "TargetImage": image}


def _search(acme: Customer, key: IssuedKey, probe: str) -> Any:
    signing = acme.key(DIALECT, scopes=key.key.scopes)
    body = {"CollectionId": "people", "Image": {"Bytes": base64_of(portrait(probe))}}
    contents = [json.dumps(body | least).encode() for least in ({}, {"FaceMatchThreshold": 0}, {"MaxFaces": 1})]
    return [send(DIALECT, signing, "POST", f"{PATH}SearchFacesByImage", content).json() for content in contents]


def _known(acme: Customer, somebody: Person) -> dict[str, str]:
    arn = f"arn:aws:rekognition:us-east-1:{acme.tenant.pk % 10**12:012}:collection/people"
    add_person(acme.caller, collection="people", reference="ada")
    return PEOPLE | {"FaceId": somebody.faces.get().uuid, "UserId": "ada", "ResourceArn": arn}


EXAMPLES = Examples(
    label="Amazon Rekognition",
    nobody=lambda body: bool(body["FaceMatches"] == []),
    body=_body,
    bodies={
        f"{ROUTE}CreateUser": lambda ids: {"CollectionId": ids.collection, "UserId": f"n{secrets.token_hex(4)}"},
        f"{ROUTE}SearchUsers": lambda ids: {"CollectionId": ids.collection, "UserId": ids.person},
        f"{ROUTE}CreateCollection": lambda _: {"CollectionId": f"n{secrets.token_hex(4)}"},
    },
    without_id=frozenset(
        f"{ROUTE}{name}" for name in ("CreateCollection", "ListCollections", "DetectFaces", "CompareFaces")
    ),
    inner_ids=frozenset(f"{ROUTE}{name}" for name in INNER),
    makes_a_collection={f"{ROUTE}CreateCollection": (400, "AccessDeniedException")},
    add=Call("POST", f"{PATH}IndexFaces", PEOPLE | OBAMA),
    optional={"ExternalImageId": None, "MaxFaces": None, "Image": {"Bytes": IMAGE, "S3Object": None}},
    takes_json=f"{PATH}CreateCollection",
    with_image=lambda text: Call("POST", f"{SLASHED}DetectFaces", {"Image": {"Bytes": text}}),
    usual={
        "lists": Call("POST", f"{SLASHED}ListFaces", PEOPLE),
        "adds": Call("POST", f"{SLASHED}IndexFaces", PEOPLE | OBAMA),
    },
    search=_search,
    code=lambda body: body.get("Code"),
    refused=frozenset(
        {"UnrecognizedClientException", "MissingAuthenticationTokenException", "UnknownOperationException"}
    ),
    failed="InternalServerError",
    later=(400, frozenset({"ThrottlingException"})),
    scores=frozenset({"Similarity"}),
    request_id="Logref",
    words=frozenset({"Message"}),
    own=frozenset({"FaceId", "ImageId"}),
    images=lambda *_: dict.fromkeys(("Image", "SourceImage", "TargetImage"), BYTES),
    known=_known,
)
