"""The clients of docs/integrate.md that need no library of a vendor, in Python and JavaScript, word for word."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from collections_app.samples import SAMPLES
from tests.processes import environment, manage, prepare, shown_key, web_server

SCRIPTS = settings.BASE_DIR / "tests" / "clients"
INTEGRATE = (settings.BASE_DIR / "docs" / "integrate.md").read_text()
NODE = shutil.which("node")
CLIENTS = sorted(
    file
    for file in SCRIPTS.glob("*_quick.*")
    if any(word in file.read_text() for word in ("import requests", "await fetch("))
)
FOUND = ("Jacinda", "1980")  # her name, or her number where the contract has no names
PROGRAMS = {".py": sys.executable, ".mjs": str(NODE)}


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running server, as the clients' environment names it."""
    env = environment(tmp_path_factory.mktemp("quick"))
    prepare(env, acme="people")
    scopes = ("--scopes", "read", "search", "enrol", "delete", "admin")
    key = shown_key(manage(env, "issue_key", "acme", *scopes))
    with web_server(env, workers=1) as (url, _):
        key_id, _, secret = key.partition(".")
        named = {"FACEPLANE_URL": url, "FACEPLANE_KEY": key, "FACEPLANE_ID": key_id, "FACEPLANE_SECRET": secret}
        yield os.environ | named


def test_there_are_clients_in_both_languages() -> None:
    endings = [file.suffix for file in CLIENTS]
    assert endings.count(".py") == endings.count(".mjs") == 4


@pytest.mark.parametrize("script", CLIENTS, ids=lambda script: script.name)
def test_the_clients_in_the_documents_work(variables: dict[str, str], tmp_path: Path, script: Path) -> None:
    if script.suffix == ".mjs" and NODE is None:
        pytest.skip("node is not installed")
    assert script.read_text() in INTEGRATE, "docs/integrate.md has the client word for word"
    for name, sample in (("jacinda_2018.jpg", "ardern_2018.jpg"), ("jacinda_2022.jpg", "ardern_2022.jpg")):
        shutil.copy(SAMPLES / sample, tmp_path / name)
    shutil.copy(script, tmp_path)
    done = subprocess.run(
        [PROGRAMS[script.suffix], script.name], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(word in done.stdout for word in FOUND)
