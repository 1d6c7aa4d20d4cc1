"""Kept images on files: a disk that is full while one writes."""

from pathlib import Path

import pytest
from pytest_django import Settings

from collections_app import storage
from collections_app.errors import Unavailable
from collections_app.models import new_uuid
from config.files import storage_at
from tests.config.test_file_queue import files_of_at_most
from tests.conftest import Customer


def test_a_full_disk_refuses_an_image_and_leaves_nothing(acme: Customer, settings: Settings, tmp_path: Path) -> None:
    """It was an unforeseen error before, and the first part of the image stayed."""
    settings.STORAGES = settings.STORAGES | {"default": storage_at(f"file://{tmp_path}")}
    with files_of_at_most(50_000), pytest.raises(Unavailable) as refused:
        storage.keep(acme.people, new_uuid(), bytes(200_000))
    assert refused.value.part == "file storage"
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    kept = storage.keep(acme.people, image := new_uuid(), bytes(200_000))
    assert storage.read(acme.tenant, image, kept) == bytes(200_000)
