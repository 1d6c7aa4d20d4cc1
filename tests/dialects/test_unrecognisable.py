"""Decision R20: a face that cannot be told from others is neither enrolled nor searched, whatever the policy."""

from typing import Any

import cv2
import numpy as np
import pytest

from collections_app.models import Face, SearchRecord
from recognition.pipeline.decode import decode
from tests.conftest import ArgosClient, Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient, NativeClient, add, details, refused, search
from tests.dialects.test_nhn import NhnClient, image
from tests.make import base64_of, encoded, half_face, portrait


@pytest.fixture(autouse=True)
def nothing_is_stored(acme: Customer) -> Any:
    """Check after each test that no face of half a face and no search by one was stored."""
    acme.people.quality_gate = "none"
    acme.people.save()
    yield
    assert not SearchRecord.objects.of(acme.tenant).exists()


def test_argos(acme: Customer, argos: ArgosClient) -> None:
    body = {"collectionId": "people", "faceImage": base64_of(half_face())}
    assert argos("POST", "/faces", body | {"userName": "x"}).json()["errorCode"] == 6012
    assert argos("POST", "/search", body | {"requestName": "x"}).json()["errorCode"] == 6038
    assert not Face.objects.of(acme.tenant).exists()


def test_accuauth(acme: Customer, accuauth: AccuAuthClient) -> None:
    for call in (add, search):
        assert refused(call(accuauth, half_face()), 400, "INVALID_ARGUMENT") == "no face detected"
    assert not Face.objects.of(acme.tenant).exists()


def test_facedb(acme: Customer, facedb: FacedbClient) -> None:
    for call in ("register-facedb", "matching-face"):
        answer = facedb(call, details(half_face()))
        assert answer["code"] == 11
        assert "cannot be told from others" in answer["message"]
    assert not Face.objects.of(acme.tenant).exists()


def test_native(acme: Customer, native: NativeClient) -> None:
    sent = {"image": base64_of(half_face())}
    for path in ("/collections/people/faces", "/collections/people/search"):
        answer = native("POST", path, sent)
        assert answer.status_code == 422
        assert answer.json() | {"code": "no_face", "reasons": ["unrecognisable"]} == answer.json()
    assert not Face.objects.of(acme.tenant).exists()


def test_nhn_stores_the_others(acme: Customer) -> None:
    nhn = NhnClient(acme.issued.key.pk, acme.issued.secret)
    still = decode(portrait("sunak"))[..., ::-1]
    moved = cv2.blur(still, (87, 1))  # a third of the face's width
    body = {"image": image(encoded(np.hstack((still, moved)), "JPEG")), "limit": 2}
    added = nhn("POST", "groups/people", body)["data"]
    assert (added["addedFaceCount"], added["notAddedFaceCount"]) == (1, 1)
    assert Face.objects.of(acme.tenant).count() == 1
