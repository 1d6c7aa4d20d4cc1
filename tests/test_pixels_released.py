"""An answered request releases its pixels: no reference cycle holds them until the garbage collector runs."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from django.test import Client

from recognition import pipeline
from recognition.results import Analysis
from tests.conftest import Customer
from tests.make import base64_of, portrait

_, _JPEG = cv2.imencode(".jpg", np.full((600, 600, 3), 128, np.uint8))
IMAGES = {"no face": _JPEG.tobytes(), "a face": portrait("obama")}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Collect weak references to the pixels of all images, with the garbage collector off."""
    references: list[Any] = []
    analyse = pipeline.analyse

    def watched(*args: Any, **options: Any) -> Analysis:
        analysis = analyse(*args, **options)
        references.append(weakref.ref(analysis.pixels))
        return analysis

    monkeypatch.setattr(pipeline, "analyse", watched)
    gc.disable()
    yield references
    gc.enable()


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("path", ["/search", "/faces", "/api/v1/collections/people/search"])
def test_an_answered_request_holds_no_pixels(acme: Customer, seen: list[Any], path: str, image: bytes) -> None:
    text = base64_of(image)
    body = {"collectionId": "people", "requestName": "x", "userName": "x", "faceImage": text}
    if path.startswith("/api"):
        body = {"image": text}
    answer = Client().post(path, body, content_type="application/json", headers={"x-api-key": acme.issued.token})
    assert answer.status_code in {200, 400, 422}
    assert [reference() for reference in seen] == [None]
