"""The face database's contract: the node calls."""

import re

import pytest

from collections_app.models import Collection
from collections_app.operations.collections import create_collection, delete_collection
from tenants import keys
from tests.conftest import Customer
from tests.dialects.clients import FacedbClient, details

BAD, NO_NODE = 11, 503


@pytest.mark.parametrize(
    "call", ["register-facedb", "list-facedb", "get-facedb", "modify-facedb", "remove-facedb", "matching-face"]
)
def test_a_node_that_is_not_the_callers_is_not_there(
    acme: Customer, globex: Customer, facedb: FacedbClient, call: str
) -> None:
    gone = create_collection(acme.caller, name="gone")
    delete_collection(acme.caller, name="gone")
    narrow = keys.issue(acme.tenant, name="narrow", scopes=["admin"], collections=[acme.people.pk])
    assert narrow.key.collections == [acme.people.pk]
    for node in (globex.people.alias, gone.alias, "53ba9bc997c72840", "people", "x" * 300):
        facedb.node = node
        answer = facedb(call, details("obama"))
        assert answer == {"code": NO_NODE, "message": "NOT_FOUND_COMPUTING_NODE"}


def test_a_node_is_made_described_renamed_and_removed(acme: Customer, facedb: FacedbClient) -> None:
    made = facedb("create-computing-node", {"host": "192.168.0.39", "nodeName": "TEST_SYSTEM_PC", "license": "x"})
    assert list(made) == ["nodeId", "productVersion", "releaseDate", "code"]
    assert re.fullmatch("[0-9a-f]{16}", made["nodeId"])
    assert Collection.unscoped.get(alias=made["nodeId"]).images == Collection.Images.ORIGINAL
    assert facedb("create-computing-node", {"host": "h"})["code"] == BAD

    for spelling, name in (("update", "front"), ("udpate", "back")):
        changed = {"nodeId": made["nodeId"], "nodeName": name}
        assert facedb(f"{spelling}-computing-node", changed) == {"code": 0, "message": ""}
        assert Collection.unscoped.get(alias=made["nodeId"]).name == name

    removed = facedb("remove-computing-node", {"nodeId": made["nodeId"]})
    assert list(removed.items()) == [("nodeId", made["nodeId"]), ("code", 0), ("message", "")]
    assert facedb("remove-computing-node", {"nodeId": made["nodeId"]})["code"] == NO_NODE
    assert facedb("update-computing-node", {"nodeId": made["nodeId"], "nodeName": "x"})["code"] == NO_NODE


def test_nodes_of_one_name_are_told_apart_by_their_ids(acme: Customer, facedb: FacedbClient) -> None:
    """Decision R6; a collection's name is its own all the same."""
    made = [facedb("create-computing-node", {"host": "h", "nodeName": "door"})["nodeId"] for _ in range(3)]
    assert len(set(made)) == 3
    nodes = {node["nodeId"]: node["nodeName"] for node in facedb("list-computing-node")["nodes"]}
    assert [nodes[node] for node in made] == ["door"] * 3
    assert {one.name for one in Collection.unscoped.filter(alias__in=made)} == {
        *("door", f"door ({made[1]})", f"door ({made[2]})")
    }
    for _ in range(2):
        assert facedb("update-computing-node", {"nodeId": made[0], "nodeName": "people"})["code"] == 0
    assert facedb("get-computing-node")["node"]["nodeId"] == made[2]
    assert Collection.unscoped.get(alias=made[0]).name == f"people ({made[0]})"
    assert facedb("update-computing-node", {"nodeId": made[0], "nodeName": "free"})["code"] == 0
    assert Collection.unscoped.get(alias=made[0]).name == "free"
    assert facedb("create-computing-node", {"host": "h", "nodeName": "n" * 255})["code"] == 0
    assert facedb("create-computing-node", {"host": "h", "nodeName": "n" * 255})["code"] == 100


def test_the_callers_node_is_the_last_one_that_its_key_made(
    acme: Customer, globex: Customer, facedb: FacedbClient
) -> None:
    """Decision R5; a key that made none has the oldest node that it can access."""
    other = keys.issue(acme.tenant, name="other", scopes=["admin", "read", "delete"])
    theirs = FacedbClient(other.key.pk, other.secret)
    made = [theirs("create-computing-node", {"host": "h", "nodeName": name})["nodeId"] for name in ("a", "b")]
    facedb("create-computing-node", {"host": "h", "nodeName": "newest"})
    assert theirs("get-computing-node")["node"]["nodeId"] == made[1]
    theirs("remove-computing-node", {"nodeId": made[1]})
    assert theirs("get-computing-node")["node"]["nodeId"] == made[0]
    theirs("remove-computing-node", {"nodeId": made[0]})
    assert theirs("get-computing-node")["node"]["nodeId"] == acme.people.alias


def test_nodes_are_listed(acme: Customer, globex: Customer, facedb: FacedbClient) -> None:
    made = facedb("create-computing-node", {"host": "h", "nodeName": "front"})["nodeId"]
    listed = facedb("list-computing-node")
    assert list(listed) == ["nodes", "code", "message"]
    assert {made, facedb.node, acme.people.alias} == {node["nodeId"] for node in listed["nodes"]}
    assert facedb("get-computing-node")["node"] in listed["nodes"]
    narrow = keys.issue(acme.tenant, name="narrow", scopes=["read"], collections=[])
    assert FacedbClient(narrow.key.pk, narrow.secret)("list-computing-node")["nodes"] == []


def test_the_callers_node_is_described(acme: Customer, globex: Customer, facedb: FacedbClient) -> None:
    found = facedb("get-computing-node")
    assert list(found) == ["node", "code", "message"]
    node = found["node"]
    assert list(node) == [
        "nodeId", "httpHost", "httpPort", "rpcHost", "rpcPort", "nodeName", "releaseDate", "productVersion",
        "description", "licenseValidity", "licenseExpired", "functions",
    ]  # fmt: skip
    assert (node["nodeId"], node["nodeName"]) == (facedb.node, "gate")
    assert (node["httpHost"], node["httpPort"], node["functions"]) == ("testserver", 80, [0])
    gate = Collection.unscoped.get(alias=facedb.node)
    narrow = keys.issue(acme.tenant, name="narrow", scopes=["read"], collections=[gate.pk])
    assert FacedbClient(narrow.key.pk, narrow.secret)("get-computing-node")["node"]["nodeId"] == gate.alias
    nothing = keys.issue(acme.tenant, name="nothing", scopes=["read"], collections=[])
    assert FacedbClient(nothing.key.pk, nothing.secret)("get-computing-node")["code"] == NO_NODE
