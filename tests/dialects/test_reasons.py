"""Every error names the problem, the input and the limit: in the dialect's message, in X-Reason and in the log."""

import json
import logging
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError as PolicyError
from django.test import Client

from collections_app import errors as collections
from collections_app.dialects.base import in_ascii, reason
from collections_app.dialects.parsers import _LegibleHeaders
from collections_app.reasons import REASONS
from recognition import errors as recognition
from tenants import errors as tenants
from tests.conftest import ArgosClient, Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient, NativeClient, add, details
from tests.dialects.test_answers import ERRORS
from tests.make import base64_of, blank, portrait

OURS = [error for error in ERRORS if not error.__module__.startswith("rest_framework")]
FACTS: dict[type[Exception], tuple[Any, ...]] = {
    tenants.QuotaExceeded: ("faces", 10),
    tenants.StaleSignature: (datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=5)),
    recognition.ImageTooLarge: (5_000_000, 6_000_000, "bytes"),
    recognition.ImageTooSmall: (80, 79),
    recognition.UnsupportedFormat: ("GIF", ["JPEG", "PNG"]),
    recognition.LowQuality: (["too_dark", "small_face"],),
    recognition.Unrecognisable: (["unrecognisable"],),
    recognition.SpoofSuspected: (0.1, 0.5),
    recognition.LivenessUnsure: ("move further away",),
    recognition.ModelUnavailable: ("yunet", "make models"),
    collections.DuplicateFace: ("a-face", 0.8),
    collections.InvalidRequest: ("name", "must not be blank"),
    collections.ChallengeUnusable: ("it has expired",),
    tenants.CaptureUnusable: ("it has expired",),
    collections.ImageRefused: ("1", recognition.NoFace()),
}


def _raised(error: type[Exception]) -> Exception:
    for facts in (FACTS.get(error, ()), (3,)):
        try:
            return error(*facts)
        except TypeError:
            continue
    raise AssertionError(error)


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_every_error_has_its_sentence(error: type[Exception]) -> None:
    assert error in REASONS or error is collections.ImageRefused
    sentence = reason(_raised(error))
    assert sentence
    assert "{" not in sentence


def test_a_sentence_says_which_how_much_and_in_what() -> None:
    assert reason(_raised(recognition.ImageTooLarge)) == "too large: 6000000 bytes, at most 5000000 are allowed"
    assert "at least 80" in reason(_raised(recognition.ImageTooSmall))
    assert reason(_raised(recognition.UnsupportedFormat)) == "the format GIF is not supported; allowed are JPEG, PNG"
    assert reason(_raised(recognition.LowQuality)).endswith(": too_dark, small_face")
    assert reason(_raised(collections.ImageRefused)) == "image 2: the image shows no face"
    assert reason(collections.ImageRefused("source", recognition.NoFace())) == "image source: the image shows no face"
    assert reason(_raised(tenants.QuotaExceeded)).endswith("at most 10 faces")
    assert reason(PolicyError("Ensure this value is less than or equal to 1.")).startswith("Ensure")


def test_a_sentence_tells_no_score_and_repeats_no_reference() -> None:
    assert "0." not in reason(_raised(recognition.SpoofSuspected)) + reason(_raised(collections.DuplicateFace))
    for error in (collections.PersonNotFound, collections.CollectionNotFound, collections.CollectionExists):
        assert "EMP/1" not in reason(error("EMP/1"))


def test_a_header_is_one_line_of_ascii() -> None:
    assert in_ascii("이름: a\r\nSet-Cookie: x\x7f") == r"\uc774\ub984: a  Set-Cookie: x "
    assert len(in_ascii("x" * 1000)) == 300


def test_contracts_without_a_place_for_it_have_it_in_a_header(
    argos: ArgosClient, acme: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    face = {"collectionId": "people", "userName": "x", "faceImage": base64_of(blank())}
    with caplog.at_level(logging.INFO, "faceplane.requests"):
        answer = argos("POST", "/faces", face)
    assert (answer.json()["errorCode"], answer["X-Reason"]) == (6012, "the image shows no face")
    logged = [record for record in caplog.records if record.name == "faceplane.requests"][-1]
    assert (vars(logged)["code"], vars(logged)["reason"]) == (6012, "the image shows no face")
    assert argos("POST", "/faces", {})["X-Reason"] == "collectionId: This field is required."
    assert argos("GET", "/faces", None, collectionId="people", page="0")["X-Reason"].startswith("page: ")
    place = f"/nhn-face-reco/v1.0/appkeys/{acme.issued.key.pk}/compare"
    body = {"sourceImage": {"bytes": base64_of(blank())}, "targetImage": {"bytes": base64_of(portrait("obama"))}}
    answer = Client().post(
        place,
        json.dumps(body | {"threshold": 80}),
        content_type="application/json",
        headers={"Authorization": acme.issued.secret},
    )
    assert answer.json()["header"]["resultMessage"] == "InvalidParam"
    assert answer["X-Reason"] == "image source: the image shows no face"
    assert "X-Reason" not in argos("GET", "/faces", None, collectionId="people", page="1")


def test_contracts_with_a_place_for_it_say_it_there(
    native: NativeClient, accuauth: AccuAuthClient, facedb: FacedbClient
) -> None:
    answer = native("POST", "/compare", {"source": base64_of(portrait("obama")), "target": "aGVsbG8="})
    assert (answer.json()["image"], answer.json()["detail"][:8]) == ("target", "image ta")
    answer = native("POST", "/detect", {"image": ""})
    assert answer.json()["errors"] == {"image": ["The image is empty: it has 0 bytes."]}
    assert "6000" in add(accuauth, blank(6001, 200)).json()["reason"]
    message = facedb("register-facedb", details("obama", blank()))["message"]
    assert message == "API_REQUEST_DATA_FORMAT_ERROR: faceImages[1]: the image shows no face"


def _form(name: bytes, content: bytes, *fields: tuple[str, str]) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode() for key, value in fields]
    parts.append(b'Content-Disposition: form-data; name="FILE"; filename="' + name + b'"\r\n\r\n' + content)
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


@pytest.mark.parametrize("encoding", ["cp949", "utf-8", "euc-jp"])
def test_file_names_in_any_encoding_are_accepted(acme: Customer, encoding: str) -> None:
    name = ("얼굴" if encoding != "euc-jp" else "顔").encode(encoding) + b".jpg"
    form = _form(name, portrait("obama"), ("largest", "true")).replace(b"FILE", b"image")
    client, kind = Client(), "multipart/form-data; boundary=x"
    key = {"x-api-key": acme.issued.token}
    answer = client.generic("POST", "/api/v1/collections/people/faces", form, kind, headers=key)
    assert answer.status_code == 201
    form = _form(name, portrait("obama"), ("name", "people")).replace(b"FILE", b"file")
    key = {"X-DF-API-ID": acme.issued.key.pk, "X-DF-API-SECRET": acme.issued.secret}
    assert client.generic("POST", "/faceset/v2/add_face", form, kind, headers=key).json()["status"] == "OK"


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 65536])
def test_a_form_s_other_bytes_are_what_was_sent(size: int) -> None:
    """Wherever a chunk ends, only a header's non-UTF-8 bytes are replaced."""
    form = _form(b"\xbe\xf3", portrait("sunak")[:20_000] + b"\xbe\xf3" * 2000, ("consent", "x"))
    stream, read = _LegibleHeaders(BytesIO(form)), b""
    while chunk := stream.read(size):
        read += chunk
    assert read == form.replace(b'"\xbe\xf3"', b'"??"')


def test_a_form_that_cannot_be_read_says_why(acme: Customer) -> None:
    client, key = Client(), {"x-api-key": acme.issued.token}
    path = "/api/v1/detect"
    answer = client.generic("POST", path, b"--x--", "multipart/form-data", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert "boundary" in answer.json()["detail"]
    empty = _form(b"a.jpg", b"", ("largest", "true")).replace(b"FILE", b"image")
    answer = client.generic(
        "POST", "/api/v1/collections/people/faces", empty, "multipart/form-data; boundary=x", headers=key
    )
    assert answer.json()["errors"] == {"image": ["The image is empty: it has 0 bytes."]}
