"""A client for each dialect, with acme's credentials."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient, NativeClient


@pytest.fixture
def accuauth(acme: Customer) -> AccuAuthClient:
    """Acme's client."""
    return AccuAuthClient(acme.issued.key.pk, acme.issued.secret)


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> None:
    """Store images in a temporary folder."""
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": files}


@pytest.fixture
def facedb(acme: Customer, files: None) -> FacedbClient:
    """Acme's client, with a new node that keeps images."""
    client = FacedbClient(acme.issued.key.pk, acme.issued.secret)
    client.node = client("create-computing-node", {"host": "10.0.0.1", "nodeName": "gate", "license": "x"})["nodeId"]
    return client


@pytest.fixture
def native(acme: Customer) -> NativeClient:
    """Acme's client."""
    return NativeClient(acme.issued.token)
