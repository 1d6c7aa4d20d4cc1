"""A folder for kept images, and what tests of erasure do to a customer."""

from pathlib import Path
from typing import Any

import pytest

from collections_app.errors import Unavailable
from collections_app.models import Face
from collections_app.operations.collections import update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.search import search_by_image
from tests.conftest import Customer
from tests.make import portrait


@pytest.fixture
def stored(settings: Any, tmp_path: Path) -> Path:
    """Keep images in a folder of the test's own."""
    options = {"location": str(tmp_path)}
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"default": files}
    return tmp_path


@pytest.fixture(name="acme")
def acme_with_images(acme: Customer, stored: Path) -> Customer:
    """The customer, whose collection keeps images."""
    update_collection(acme.caller, collection="people", images="original")
    return acme


def enrol(acme: Customer, image: str, reference: str) -> Face:
    person = PersonDetails(reference=reference)
    return enrol_face(acme.caller, collection="people", image=portrait(image), person=person).faces[0]


def files(folder: Path) -> int:
    return sum(file.is_file() for file in (folder / "images").rglob("*"))


def found(acme: Customer, image: str) -> list[str]:
    result = search_by_image(acme.caller, collection="people", image=portrait(image))
    return [match.face.uuid for match in result.matches]


def storage_down(*_: object) -> None:
    raise Unavailable("file storage")
