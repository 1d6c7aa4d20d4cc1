"""Clients that openapi-python-client generates from the OpenAPI documents work against our server.

`make test-clients` installs the generator; without it these tests are skipped.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from collections_app.samples import SAMPLES
from tests.dialects.conftest import Running
from tests.dialects.documents import document

BIN = settings.BASE_DIR / "var" / "clients" / "openapi-python-client" / "bin"
CONFIG = settings.BASE_DIR / "config" / "clients" / "openapi-python-client.yml"
SCRIPT = settings.BASE_DIR / "tests" / "clients" / "generated.py"

pytestmark = pytest.mark.skipif(not BIN.exists(), reason="make test-clients installs it")


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_client_is_generated_without_a_warning_and_works(dialect: Dialect, running: Running, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document(dialect.name)))
    generate = ("generate", "--path", "openapi.json", "--output-path", dialect.name, "--config", str(CONFIG))
    _run(tmp_path, str(BIN / "openapi-python-client"), *generate, "--meta", "none", "--fail-on-warning")
    pictures = [str(SAMPLES / name) for name in ("ardern_2018.jpg", "ardern_2022.jpg")]
    arguments = (dialect.name, running.url, *running.pair(dialect), *pictures)
    assert _run(tmp_path, str(BIN / "python"), str(SCRIPT), *arguments) == "Jacinda Ardern\n"
