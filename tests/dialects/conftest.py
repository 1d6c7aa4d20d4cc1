"""A client for each dialect, with acme's credentials."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collections_app.dialects.descriptor import Dialect
from tests.conftest import Customer
from tests.dialects.clients import AccuAuthClient, FacedbClient, NativeClient
from tests.processes import environment, manage, prepare, signing_key, web_server


@dataclass(frozen=True)
class Running:
    """A running server with the empty collection "people", and a whole key of its tenant."""

    url: str
    env: dict[str, str]
    key: str

    def pair(self, dialect: Dialect) -> tuple[str, str]:
        """Return id and secret of a key that the dialect accepts."""
        if dialect.credentials.signs:
            return signing_key(self.env, "acme")
        key = self.key
        if dialect.one_collection:
            shown = manage(self.env, "issue_key", "acme", "--collections", "people")
            key = next(word for word in shown.split() if word.startswith("fp_") and "." in word)
        key_id, _, secret = key.partition(".")
        return key_id, secret


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a server."""
    env = environment(tmp_path_factory.mktemp("running"))
    keys = prepare(env, acme="people")
    with web_server(env, workers=1) as (url, _):
        yield Running(url, env, keys["acme"])


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
