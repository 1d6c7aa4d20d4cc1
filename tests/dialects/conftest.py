"""A client per dialect, each with the credentials of acme."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient


@pytest.fixture
def accuauth(acme: Customer) -> AccuAuthClient:
    """Acme's client."""
    return AccuAuthClient(acme.issued.key.pk, acme.issued.secret)


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> None:
    """Keep kept images away from the installation's."""
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": files}


@pytest.fixture
def facedb(acme: Customer, files: None) -> FacedbClient:
    """Acme's client, with a node of its own that keeps images."""
    client = FacedbClient(acme.issued.key.pk, acme.issued.secret)
    client.node = client("create-computing-node", {"host": "10.0.0.1", "nodeName": "gate", "license": "x"})["nodeId"]
    return client
