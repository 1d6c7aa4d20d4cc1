"""The face database's contract: people and matching."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from collections_app import erasure
from collections_app.models import Collection, Face, Person
from collections_app.operations import pictures
from recognition.index.local import LocalIndex
from recognition.models import Embedding, Gallery
from tenants import keys
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.dialects.clients import FacedbClient, details, kept
from tests.make import base64_of, blank, portrait, side_by_side

BAD = 11


def test_a_person_is_registered_listed_matched_and_removed(facedb: FacedbClient, tmp_path: Path) -> None:
    sent = details("macron_2025", "macron_2014", gender=2, identifier=1)
    registered = facedb("register-facedb", sent)
    assert registered == {"code": 0, "message": "", "uuId": "12345"}
    assert list(registered) == ["code", "message", "uuId"]
    assert Face.unscoped.count() == 2

    listed = facedb("list-facedb")
    assert list(listed) == ["code", "message", "faceDBs"]
    [person] = listed["faceDBs"]
    order = ["nodeId", "uuId", "userId", "userName", "userAge", "identifier", "gender", "faceImages", "memo"]
    assert list(person) == order
    assert person == sent | {"nodeId": facedb.node}
    assert all(portrait("macron_2025") not in file.read_bytes() for file in kept(tmp_path))  # sealed

    for path in ("matching-face", "mathing-face"):
        found = facedb(path, details("macron_2014", uuId="", userName="", memo=None, userAge=0))
        assert list(found) == [
            "code", "message", "uuId", "userId", "userName", "userAge", "gender", "identifier", "faceImages", "memo",
            "similarity",
        ]  # fmt: skip
        assert found["similarity"] == pytest.approx(1, abs=0.001)
        assert {name: found[name] for name in sent} == sent

    assert facedb("remove-facedb", {"uuId": "12345"}) == {"code": 0, "message": ""}
    assert facedb("list-facedb")["faceDBs"] == []
    assert facedb("remove-facedb", {"uuId": "12345"})["code"] == BAD
    assert facedb("matching-face", details("macron_2014"))["uuId"] == ""
    left = (Person, Face, Embedding)
    assert [model.unscoped.count() for model in left] == [0, 0, 0]


def test_a_person_is_shown_and_changed(acme: Customer, facedb: FacedbClient, tmp_path: Path) -> None:
    sent = details("macron_2025", gender=2, identifier=1)
    facedb("register-facedb", sent)
    shown = facedb("get-facedb", {"uuId": "12345"})
    assert list(shown)[:4] == ["code", "message", "nodeId", "uuId"]
    assert shown == sent | {"code": 0, "message": "", "nodeId": facedb.node}
    entry = AuditEntry.objects.of(acme.tenant).order_by("-number")[0]
    assert (entry.action, entry.facts["images"]) == ("image.viewed", 1)

    done = {"code": 0, "message": "", "uuId": "12345"}
    assert facedb("modify-facedb", {"uuId": "12345", "userName": "pear", "memo": None, "faceImages": None}) == done
    assert facedb("get-facedb", {"uuId": "12345"}) == shown | {"userName": "pear"}
    image = base64_of(portrait("obama"))
    assert facedb("modify-facedb", {"uuId": "12345", "faceImages": [image]}) == done
    assert facedb("get-facedb", {"uuId": "12345"}) == shown | {"userName": "pear", "faceImages": [image]}
    assert len(kept(tmp_path)) == 2  # the earlier image is erased by the worker
    assert facedb("matching-face", details("macron_2014"))["uuId"] == ""

    refused = facedb("modify-facedb", {"uuId": "12345", "userName": "plum", "faceImages": [base64_of(blank())]})
    assert refused["code"] == BAD
    assert facedb("get-facedb", {"uuId": "12345"})["userName"] == "pear"
    for call in ("get-facedb", "modify-facedb"):
        assert facedb(call, {"uuId": "nobody", "faceImages": [image]})["code"] == BAD
        assert facedb(call, {})["code"] == BAD
    assert Person.unscoped.count() == 1


def test_a_bmp_is_registered_matched_and_shown(acme: Customer, facedb: FacedbClient) -> None:
    bmp = io.BytesIO()
    Image.open(io.BytesIO(portrait("obama"))).save(bmp, "BMP")
    image = base64_of(bmp.getvalue())
    facedb("register-facedb", details("obama") | {"faceImages": [image]})
    assert facedb("get-facedb", {"uuId": "12345"})["faceImages"] == [image]
    assert facedb("matching-face", {"faceImages": [image]})["uuId"] == "12345"
    face, gate = Face.unscoped.get(), Collection.unscoped.get(alias=facedb.node)
    assert pictures.face_picture(acme.caller, collection=gate.name, face=face.uuid).kind == "image/bmp"
    assert pictures.face_thumbnail(acme.caller, collection=gate.name, face=face.uuid, ticket="").kind == "image/jpeg"


@pytest.mark.django_db(transaction=True)
def test_kept_images_go_with_their_person(acme: Customer, facedb: FacedbClient, tmp_path: Path) -> None:
    facedb("register-facedb", details("obama"))
    facedb("register-facedb", details("sunak", uuId="2"))
    assert len(kept(tmp_path)) == 2
    facedb("register-facedb", details("obama", "obama"))
    assert len(kept(tmp_path)) == 3
    facedb("remove-facedb", {"uuId": "12345"})
    assert len(kept(tmp_path)) == 1
    entry = AuditEntry.objects.of(acme.tenant).order_by("-number")[0]
    assert (entry.action, entry.via, len(entry.facts["faces"])) == ("person.deleted", "facedb", 2)


@pytest.mark.parametrize("uu_id", [..., "", None])
def test_a_person_without_an_id_gets_one(facedb: FacedbClient, uu_id: object) -> None:
    first = facedb("register-facedb", details("obama", uuId=uu_id))["uuId"]
    second = facedb("register-facedb", details("obama", uuId=uu_id))["uuId"]
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert first != second


def test_registering_again_replaces_details_faces_and_images(acme: Customer, facedb: FacedbClient) -> None:
    """Decision N7. Nothing of the first registration remains."""
    facedb("register-facedb", details("macron_2025", "macron_2014"))
    before = Person.unscoped.get()
    second = details("obama", userId="u-2", userName="pear", userAge=0, gender=2, identifier=2, memo=...)
    assert facedb("register-facedb", second)["uuId"] == "12345"
    assert facedb("list-facedb")["faceDBs"] == [second | {"nodeId": facedb.node, "memo": ""}]
    assert Person.unscoped.get().pk == before.pk
    assert facedb("matching-face", details("macron_2025"))["uuId"] == ""
    assert facedb("matching-face", details("obama"))["userName"] == "pear"
    assert Gallery.unscoped.get(collection__alias=facedb.node).size == 1


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param('"recognition_embedding"."sequence" <=', id="after the index read how far it has to go"),
        pytest.param('"collections_app_face"."id" IN', id="after the index answered"),
    ],
)
def test_a_person_who_is_replaced_is_found_at_every_moment(
    facedb: FacedbClient, reading: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process commits the replacement during a search, just before the search reads these rows."""
    another = LocalIndex(segmented=True)
    monkeypatch.setattr(erasure, "face_index", lambda: another)
    facedb("register-facedb", details("obama", userName="before"))
    replaced: list[str] = []

    def replace(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if sql.startswith("SELECT") and reading in sql and not replaced:
            replaced.append(sql)
            facedb("register-facedb", details("obama", userName="after"))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(replace):
        found = facedb("matching-face", details("obama"))
    assert replaced
    assert found["userName"] == "after"


def test_the_largest_face_of_an_image_counts(facedb: FacedbClient) -> None:
    assert facedb("register-facedb", details(side_by_side("obama", "sunak")))["code"] == 0
    found = [facedb("matching-face", details(name))["uuId"] for name in ("obama", "sunak")]
    assert sorted(found) == ["", "12345"]


def test_text_and_unknown_fields_come_and_go_as_they_are(facedb: FacedbClient) -> None:
    sent = details("obama", userId=" 사번 1 ", userName="홍길동", memo=" 줄\n바꿈 ", unknown={"a": 1})
    assert facedb("register-facedb", sent)["code"] == 0
    [person] = facedb("list-facedb")["faceDBs"]
    assert (person["userId"], person["userName"], person["memo"]) == (" 사번 1 ", "홍길동", " 줄\n바꿈 ")
    assert "unknown" not in person


def test_a_match_is_the_best_of_several_images(facedb: FacedbClient) -> None:
    facedb("register-facedb", details("obama", uuId="obama"))
    facedb("register-facedb", details("macron_2025", uuId="macron"))
    assert facedb("matching-face", details("sunak", "macron_2014", "obama"))["uuId"] == "obama"
    assert facedb("matching-face", details("sunak", "macron_2014"))["uuId"] == "macron"
    nobody = facedb("matching-face", details("sunak"))
    assert nobody == {
        "code": 0, "message": "", "uuId": "", "userId": "", "userName": "", "userAge": 0, "gender": 0,
        "identifier": 0, "faceImages": [], "memo": "", "similarity": 0.0,
    }  # fmt: skip
    refused = facedb("matching-face", details("obama", blank()))
    assert refused["message"] == "API_REQUEST_DATA_FORMAT_ERROR: faceImages[1]: the image shows no face"


def test_images_that_are_not_kept_are_not_listed(acme: Customer, facedb: FacedbClient, tmp_path: Path) -> None:
    """Decision N8. Acme's collection "people" keeps no images."""
    facedb.node = acme.people.alias
    assert facedb("register-facedb", details("obama"))["code"] == 0
    assert facedb("list-facedb")["faceDBs"] == [details() | {"nodeId": facedb.node}]
    assert not kept(tmp_path)


def test_who_may_search_but_not_read_sees_no_image(acme: Customer, facedb: FacedbClient) -> None:
    facedb("register-facedb", details("obama"))
    searcher = keys.issue(acme.tenant, name="gate", scopes=["search"])
    found = FacedbClient(searcher.key.pk, searcher.secret, facedb.node)("matching-face", details("obama"))
    assert (found["uuId"], found["faceImages"]) == ("12345", [])


def test_handing_out_images_is_logged(acme: Customer, facedb: FacedbClient) -> None:
    """Check 24: images of a list, and images of the recognised person."""
    facedb("register-facedb", details("macron_2025"))
    facedb("list-facedb")
    facedb("matching-face", details("macron_2014"))
    entries = AuditEntry.objects.of(acme.tenant).filter(action__startswith="image.").order_by("number")
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("image.listed", acme.issued.key.pk),
        ("image.viewed", acme.issued.key.pk),
    ]


def test_a_lost_image_does_not_lose_the_list(facedb: FacedbClient, caplog: pytest.LogCaptureFixture) -> None:
    facedb("register-facedb", details("obama", "obama"))
    default_storage.delete(Face.unscoped.order_by("number")[0].stored_image)
    [person] = facedb("list-facedb")["faceDBs"]
    assert person["faceImages"] == [base64_of(portrait("obama"))]
    assert "A kept image is gone" in caplog.text


def test_a_list_takes_as_many_queries_for_many_as_for_one(facedb: FacedbClient) -> None:
    counts = []
    for uuid in ("1", "2", "3"):
        facedb("register-facedb", details("obama", uuId=uuid))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(facedb("list-facedb")["faceDBs"]) == int(uuid)
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]


def test_a_list_reads_images_as_it_goes(facedb: FacedbClient, tmp_path: Path) -> None:
    """Images erased while the list is being sent are not sent."""
    for uuid in ("1", "2", "3"):
        facedb("register-facedb", details("obama", uuId=uuid))
    answer = facedb.raw("POST", "/v2/va/list-facedb", json.dumps({"nodeId": facedb.node}).encode())
    parts = iter(answer.streaming_content)
    start = next(parts) + next(parts)
    for file in kept(tmp_path):
        file.unlink()
    people = json.loads(start + b"".join(parts))["faceDBs"]
    assert [(person["uuId"], len(person["faceImages"])) for person in people] == [("1", 1), ("2", 0), ("3", 0)]
