"""The bodies of /v2/va/, in the vendor's field order and spellings."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers

from collections_app.dialects.facedb.wire.base import (
    DIGITS,
    IMAGES,
    LONGEST,
    LONGEST_NOTE,
    OLDEST,
    FaceImage,
    Outcome,
    Whole,
)
from collections_app.dialects.openapi import Always, Identifier, Text, example
from collections_app.models import Collection
from collections_app.operations.data_subject import PersonDetails, PersonRecord
from collections_app.operations.search import PersonMatch

# Clients choose the API generation by the product version: this is the last one of v2.
_PRODUCT = "1.0.8.9"
_RELEASED = "2023.06.01"
_NEVER = "9999-12-31"


_PERSON = {
    "nodeId": "53ba9bc997c72840",
    "uuId": "12345",
    "userId": "12345",
    "userName": "apple",
    "userAge": 25,
    "gender": 1,
    "identifier": 0,
    "faceImages": ["/9j/4AAQSkZJRgABAQEAYABgAAD/2...."],
    "memo": "memo",
}


@example(_PERSON)
class Register(serializers.Serializer[Any]):
    """POST register-facedb. Unknown fields are ignored (decision N10)."""

    nodeId = serializers.CharField()
    uuId = Identifier(default="", allow_blank=True, allow_null=True)
    userId = Text()
    userName = Text()
    userAge = Whole(min_value=0, max_value=OLDEST)
    gender = Whole(min_value=0, max_value=2)
    identifier = Whole(min_value=0, max_value=2)  # decision N1
    faceImages = serializers.ListField(child=FaceImage(), min_length=1, max_length=IMAGES)
    memo = serializers.CharField(
        max_length=LONGEST_NOTE, default="", allow_blank=True, allow_null=True, trim_whitespace=False
    )

    def validate_uuId(self, value: str | None) -> str:
        """Return the id, or a new one if the caller sent none (decision N7)."""
        return value or secrets.token_hex(8)

    def validate_memo(self, value: str | None) -> str:
        """Return the memo; null empties it."""
        return value or ""


@example({"code": 0, "message": "", "uuId": "70697e9139e95a76"})
class Registered(serializers.Serializer[Any]):
    """The answer to register-facedb."""

    code = Always(0)
    message = Always("")
    uuId = serializers.CharField(source="reference")


@example({"nodeId": "53ba9bc997c72840"})
class List(serializers.Serializer[Any]):
    """POST list-facedb."""

    nodeId = serializers.CharField()


class FaceDB(serializers.Serializer[Any]):
    """A person in the list."""

    nodeId = serializers.CharField(source="collection.alias")
    uuId = serializers.CharField(source="person.reference")
    userId = serializers.CharField(source="person.external_id")
    userName = serializers.CharField(source="person.name")
    userAge = serializers.SerializerMethodField()
    identifier = serializers.IntegerField(source="person.listing")
    gender = serializers.IntegerField(source="person.gender")
    faceImages = serializers.ListField(child=FaceImage(), source="images")
    memo = serializers.CharField(source="person.note")

    def get_userAge(self, record: PersonRecord) -> int:
        """The age; 0 if it is unknown."""
        return record.person.age or 0


@example({"code": 0, "message": "", "faceDBs": [_PERSON]})
class Listed(serializers.Serializer[Any]):
    """The answer to list-facedb, streamed person by person."""

    code = Always(0)
    message = Always("")
    faceDBs = FaceDB(many=True)


@example({"nodeId": "53ba9bc997c72840", "uuId": "70697e9139e95a76"})
class Remove(serializers.Serializer[Any]):
    """POST remove-facedb."""

    nodeId = serializers.CharField()
    uuId = serializers.CharField(max_length=LONGEST)


class Get(Remove):
    """POST get-facedb."""


@example({"code": 0, "message": "", **_PERSON})
class Got(Outcome, FaceDB):
    """The answer to get-facedb."""


@example({"nodeId": "53ba9bc997c72840", "uuId": "70697e9139e95a76", "userName": "apple"})
class Modify(Remove):
    """POST modify-facedb; omitted fields stay unchanged."""

    userId = Text(required=False)
    userName = Text(required=False)
    userAge = Whole(min_value=0, max_value=OLDEST, required=False)
    gender = Whole(min_value=0, max_value=2, required=False)
    identifier = Whole(min_value=0, max_value=2, required=False)
    faceImages = serializers.ListField(child=FaceImage(), max_length=IMAGES, required=False)
    memo = serializers.CharField(max_length=LONGEST_NOTE, required=False, allow_blank=True, trim_whitespace=False)


@example({"nodeId": "53ba9bc997c72840", "faceImages": _PERSON["faceImages"]})
class Match(serializers.Serializer[Any]):
    """POST matching-face. The client sends a whole FaceDB; only the node and the images are used."""

    nodeId = serializers.CharField()
    faceImages = serializers.ListField(child=FaceImage(), min_length=1, max_length=IMAGES)


@example({"code": 0, "message": "", **{name: _PERSON[name] for name in list(_PERSON)[1:]}, "similarity": 0.93})
class Matched(serializers.Serializer[Any]):
    """The answer to matching-face; without a match uuId is empty and similarity 0 (contract 2.5)."""

    code = Always(0)
    message = Always("")
    uuId = serializers.CharField(source="record.person.reference", default="", read_only=True)
    userId = serializers.CharField(source="record.person.external_id", default="", read_only=True)
    userName = serializers.CharField(source="record.person.name", default="", read_only=True)
    userAge = serializers.SerializerMethodField()
    gender = serializers.IntegerField(source="record.person.gender", default=0, read_only=True)
    identifier = serializers.IntegerField(source="record.person.listing", default=0, read_only=True)
    faceImages = serializers.ListField(child=FaceImage(), source="record.images", default=list, read_only=True)
    memo = serializers.CharField(source="record.person.note", default="", read_only=True)
    similarity = serializers.SerializerMethodField()

    def get_userAge(self, found: PersonMatch | dict[str, Any]) -> int:
        """The age; 0 if it is unknown or nobody matches."""
        return found.record.person.age or 0 if isinstance(found, PersonMatch) else 0

    def get_similarity(self, found: PersonMatch | dict[str, Any]) -> float:
        """How similar it is, 0 to 1: the documents name no scale, but every other share in them is 0 to 1."""
        return round(found.score / 100, DIGITS) if isinstance(found, PersonMatch) else 0.0


@example({"host": "10.0.0.1", "nodeName": "gate"})
class CreateNode(serializers.Serializer[Any]):
    """POST create-computing-node. `host` and `license` are ignored: the API key is the licence."""

    nodeName = Identifier()


@example({"nodeId": "53ba9bc997c72840", "productVersion": _PRODUCT, "releaseDate": _RELEASED, "code": 0})
class CreatedNode(serializers.Serializer[Any]):
    """The answer to create-computing-node."""

    nodeId = serializers.CharField(source="alias")
    productVersion = Always(_PRODUCT)
    releaseDate = Always(_RELEASED)
    code = Always(0)


class ComputingNode(serializers.Serializer[Any]):
    """A node. It has no metadata port, because no video is analysed."""

    nodeId = serializers.CharField(source="alias")
    httpHost = serializers.SerializerMethodField()
    httpPort = serializers.SerializerMethodField()
    rpcHost = Always("")
    rpcPort = Always(0)
    nodeName = serializers.SerializerMethodField()
    releaseDate = Always(_RELEASED)
    productVersion = Always(_PRODUCT)
    description = serializers.CharField()
    licenseValidity = Always(value=True)
    licenseExpired = Always(_NEVER)
    functions = Always([0])

    def get_nodeName(self, node: Collection) -> str:
        """The name without the id that tells nodes of one name apart (decision R6)."""
        return node.name.removesuffix(f" ({node.alias})")

    def get_httpHost(self, _: Collection) -> str:
        """The host of the request's URL."""
        return str(urlsplit(self.context["url"]).hostname)

    def get_httpPort(self, _: Collection) -> int:
        """The port of the request's URL."""
        url = urlsplit(self.context["url"])
        return url.port or (443 if url.scheme == "https" else 80)


_NODE = {
    "nodeId": "53ba9bc997c72840",
    "httpHost": "10.0.0.1",
    "httpPort": 8880,
    "rpcHost": "",
    "rpcPort": 0,
    "nodeName": "gate",
    "releaseDate": _RELEASED,
    "productVersion": _PRODUCT,
    "description": "",
    "licenseValidity": True,
    "licenseExpired": _NEVER,
    "functions": [0],
}


@example({"node": _NODE, "code": 0, "message": ""})
class FoundNode(serializers.Serializer[Any]):
    """The answer to get-computing-node."""

    node = ComputingNode(source="*")
    code = Always(0)
    message = Always("")


@example({"nodes": [_NODE], "code": 0, "message": ""})
class ListedNodes(serializers.Serializer[Any]):
    """The answer to list-computing-node."""

    nodes = ComputingNode(many=True)
    code = Always(0)
    message = Always("")


@example({"nodeId": "53ba9bc997c72840", "nodeName": "gate"})
class UpdateNode(serializers.Serializer[Any]):
    """POST update-computing-node."""

    nodeId = serializers.CharField()
    nodeName = Identifier()


@example({"nodeId": "53ba9bc997c72840"})
class RemoveNode(serializers.Serializer[Any]):
    """POST remove-computing-node."""

    nodeId = serializers.CharField()


@example({"nodeId": "53ba9bc997c72840", "code": 0, "message": ""})
class RemovedNode(serializers.Serializer[Any]):
    """The answer to remove-computing-node."""

    nodeId = serializers.CharField()
    code = Always(0)
    message = Always("")


def details(body: dict[str, Any]) -> PersonDetails:
    """Return the person of a registration, which has every field, or of a change, which has some of them."""
    return PersonDetails(
        reference=body["uuId"],
        external_id=body.get("userId"),
        name=body.get("userName"),
        age=body.get("userAge"),
        gender=body.get("gender"),
        listing=body.get("identifier"),
        note=body.get("memo"),
    )
