"""Names and references: stored as sent, compared by a key, addressable by every path."""

import re
import unicodedata
from contextlib import nullcontext
from urllib.parse import quote

import pytest
from django.db import IntegrityError, transaction
from django.urls import URLPattern

from collections_app.dialects.native import urls
from collections_app.errors import CollectionExists, InvalidRequest
from collections_app.identifiers import PATH_WORDS, problem
from collections_app.models import Collection, Person
from collections_app.operations.collections import create_collection, find, update_collection
from collections_app.operations.data_subject import PersonDetails, save_person
from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient, NativeClient, details

NFC, NFD = (unicodedata.normalize(form, "홍길동") for form in ("NFC", "NFD"))
UNUSABLE = {
    "blank": "  ",
    "newline": "a\nb",
    "zero": "a\0b",
    "right to left": "a\u202eb",
    "invisible": "a\u200bb",
    "nothing but joiners": "\u200d\u200c",
    "a filler of Hangul": "홍\u3164길동",
    "a joiner of marks": "a\u034fb",
    "dots": "EMP/../001",
    "a dot": ".",
    "a word of a path": "EMP/faces",
    "too long": "x" * 256,
    "too long as a key": "\u0958" * 200,
}
USABLE = [
    "EMP/2024/001",
    " padded ",
    NFC,
    NFD,
    "faces",
    "a/b/",
    "//",
    "100%",
    "%2F",
    "a?b#c",
    "e\u200d\u200c",
    "...",
]


@pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE)
def test_an_invalid_identifier_is_refused_everywhere(acme: Customer, native: NativeClient, text: str) -> None:
    assert problem(text)
    with pytest.raises(InvalidRequest):
        create_collection(acme.caller, name=text)
    with pytest.raises(InvalidRequest):
        update_collection(acme.caller, collection="people", name=text)
    with pytest.raises(InvalidRequest):
        save_person(acme.people, PersonDetails(reference=text))
    answer = native.enrol(person={"reference": text})
    assert (answer.status_code, list(answer.json()["errors"]["person"])) == (422, ["reference"])
    assert answer.json()["detail"].startswith("person.reference: ")
    assert native("POST", "/collections", {"name": text}).json()["errors"].keys() == {"name"}


@pytest.mark.parametrize("text", USABLE)
def test_who_enrols_can_be_looked_up_changed_and_erased_by_the_path(native: NativeClient, text: str) -> None:
    assert native.enrol("obama", person={"reference": text}).json()["person"]["reference"] == text
    path = f"/collections/people/people/{quote(text, safe='')}"
    assert native("GET", path).json()["reference"] == text
    assert native("GET", f"{path}/faces").json()["total"] == 1
    assert native("GET", f"{path}/export").status_code == 200
    assert native("PATCH", path, {"name": "B"}).json()["name"] == "B"
    assert native("DELETE", path).status_code == 202
    assert native("GET", path).status_code == 404
    assert not Person.unscoped.exists()


@pytest.mark.parametrize("text", USABLE)
def test_a_collection_is_addressed_by_the_path(native: NativeClient, text: str) -> None:
    assert native("POST", "/collections", {"name": text}).json()["name"] == text
    path = f"/collections/{quote(text, safe='')}"
    assert native("GET", path).json()["name"] == text
    for part in ("faces", "people", "index", "health"):
        assert native("GET", f"{path}/{part}").status_code == 200
    assert native("GET", f"{path}/people/EMP%2F1").json()["code"] == "person_not_found"
    assert native("DELETE", path).status_code == 202


def test_what_looks_the_same_is_the_same(acme: Customer, native: NativeClient) -> None:
    native.enrol("obama", person={"reference": NFC, "name": "one"})
    native.enrol("sunak", person={"reference": f" {NFD} ", "name": "two"})
    (person,) = native("GET", "/collections/people/people").json()["people"]
    assert (person["reference"], person["name"]) == (NFC, "two")
    create_collection(acme.caller, name=NFC)
    for other in (NFD, f"{NFC} "):
        with pytest.raises(CollectionExists):
            create_collection(acme.caller, name=other)
        with pytest.raises(CollectionExists):
            update_collection(acme.caller, collection="people", name=other)
        assert find(acme.caller, other).name == NFC
    assert native("GET", f"/searches?collection={quote(NFD)}").status_code == 200


def test_the_vendors_dialects_apply_the_same_rule(accuauth: AccuAuthClient, facedb: FacedbClient) -> None:
    assert accuauth("create", {"name": NFC}).status_code == 200
    assert NFC in accuauth("create", {"name": NFC}).json()["reason"]
    assert accuauth("create", {"name": NFD}).status_code == 400
    assert "control characters" in accuauth("create", {"name": "a\tb"}).json()["reason"]
    alike = facedb("create-computing-node", {"nodeName": NFD})["nodeId"]  # decision R6
    assert Collection.unscoped.get(alias=alike).name == f"{NFD} ({alike})"
    assert facedb("register-facedb", details("obama", uuId=f"{NFC} "))["uuId"] == f"{NFC} "
    assert facedb("register-facedb", details("obama", uuId=NFD))["uuId"] == f"{NFC} "
    assert "uuId: must not hold control" in facedb("register-facedb", details("obama", uuId="a\nb"))["message"]
    assert facedb("remove-facedb", {"uuId": NFD})["code"] == 0


def test_no_route_has_a_word_that_a_name_could_hold() -> None:
    """A name cannot contain, between slashes, a word that follows a name in a path."""
    routes = [str(one.pattern) for one in urls.urlpatterns if isinstance(one, URLPattern)]
    after = [route.partition("<name:collection>")[2] for route in routes if "<name:" in route]
    words = {word for route in after for word in re.sub(r"<[^>]+>", "", route).split("/") if word}
    assert words <= PATH_WORDS


def test_no_two_names_that_look_the_same_can_be_stored(acme: Customer) -> None:
    """By the database's constraints, whatever key a row is given."""
    for one, key in ((NFD, ""), (NFC, "another"), (f" {NFD}", "\x1fkey")):
        person = Person(tenant=acme.tenant, collection=acme.people, reference=one, reference_key=key)
        collection = Collection(tenant=acme.tenant, name=one, name_key=key, similarity_threshold=0.5)
        for row in (person, collection):
            with nullcontext() if one == NFD else pytest.raises(IntegrityError), transaction.atomic():
                row.save()
