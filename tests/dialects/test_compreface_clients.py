"""CompreFace's own clients, in Python and JavaScript, work unchanged: every method of both against our server.

`make test-clients` installs them; without it these tests are skipped.
"""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from collections_app.samples import SAMPLES
from tests.processes import environment, manage, prepare, shown_key, web_server

SCRIPTS = settings.BASE_DIR / "tests" / "clients"
PYTHON = settings.BASE_DIR / "var" / "clients" / "compreface-sdk" / "bin" / "python"
MODULES = settings.BASE_DIR / "var" / "clients" / "node" / "node_modules"
NODE = shutil.which("node")
needs_python = pytest.mark.skipif(not PYTHON.exists(), reason="make test-clients installs it")
needs_node = pytest.mark.skipif(not (NODE and MODULES.exists()), reason="make test-clients installs it")
INTEGRATE = (settings.BASE_DIR / "docs" / "integrate.md").read_text()

BOX = {"probability", "x_max", "y_max", "x_min", "y_min"}
VERSIONS = {"detector": "light.yunet", "calculator": "light.v1"}
NAME = "Jacinda Ardern"


@dataclass(frozen=True)
class Service:
    """A running server, a key of an empty collection, and a folder with portraits that is also on the web."""

    url: str
    env: dict[str, str]
    images: str

    def run(self, script: str, folder: Path) -> str:
        """Run a client's script in a folder with the portraits; return what it prints."""
        for picture in SAMPLES.glob("*.jpg"):
            shutil.copy(picture, folder)
        shutil.copy(folder / "ardern_2018.jpg", folder / "jacinda_2018.jpg")
        shutil.copy(folder / "ardern_2022.jpg", folder / "jacinda_2022.jpg")
        shutil.copy(SCRIPTS / script, folder)
        if script.endswith(".mjs"):
            (folder / "node_modules").symlink_to(MODULES)
        shown = manage(self.env, "issue_key", "acme", "--collections", "people")
        key = shown_key(shown)
        host, _, port = self.url.rpartition(":")
        env = os.environ | {"FACEPLANE_HOST": host, "FACEPLANE_PORT": port, "FACEPLANE_KEY": key}
        command = [NODE or "", script] if script.endswith(".mjs") else [str(PYTHON), script]
        done = subprocess.run(
            command, cwd=folder, env=env | {"IMAGES": self.images}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server of files that logs nothing."""

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server with an empty collection, and a web server of portraits."""
    env = environment(tmp_path_factory.mktemp("clients"))
    prepare(env, acme="people")
    handler = functools.partial(_Quiet, directory=str(SAMPLES))
    with web_server(env, workers=1) as (url, _), http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        yield Service(url, env, f"http://127.0.0.1:{files.server_port}")
        files.shutdown()


def _recognised(answer: Any, name: str) -> None:
    """Check a recognition with status and landmarks: who it is, how similar, and the shape of the rest."""
    (face,) = answer["result"]
    assert [one["subject"] for one in face["subjects"]] == [name]
    assert 0.85 <= face["subjects"][0]["similarity"] <= 1
    assert face["box"].keys() == BOX
    assert len(face["landmarks"]) == 5
    assert answer["plugins_versions"] == VERSIONS
    assert face["execution_time"]["detector"] > 0


def _verified(answer: Any) -> None:
    """Check a verification of two images of one person."""
    (pair,) = answer["result"]
    assert 0.85 <= pair["face_matches"][0]["similarity"] <= 1
    assert pair["source_image_face"]["box"].keys() == BOX
    assert pair["plugins_versions"] == VERSIONS


def _deleted(answers: dict[str, Any]) -> None:
    """Check what deletions answer in both clients."""
    added = next(answer for name, answer in answers.items() if name.startswith("faces.add"))
    assert answers["faces.delete"] == added == {"image_id": added["image_id"], "subject": NAME}
    assert answers["subjects.add again"] == answers["subjects.delete"] == {"subject": "Mia"}


@needs_python
def test_every_method_of_the_python_sdk(service: Service, tmp_path: Path) -> None:
    answers = json.loads(service.run("compreface_all.py", tmp_path))
    assert answers["subjects.add"] == {"subject": "Mia"}
    assert answers["subjects.list"] == {"subjects": ["Mia"]}
    assert answers["subjects.update"] == {"updated": True}
    assert answers["faces.add bytes"]["subject"] == "Barack Obama"
    listed = answers["faces.list"]
    assert [face["subject"] for face in listed["faces"]] == ["Barack Obama", NAME]
    assert (listed["page_number"], listed["page_size"], listed["total_pages"], listed["total_elements"]) == (
        0,
        20,
        1,
        2,
    )
    _recognised(answers["recognize"], NAME)
    (face,) = answers["recognize bytes"]["result"]
    assert (face.keys(), face["subjects"][0]["similarity"]) == ({"box", "subjects"}, 1)
    assert [face["box"].keys() for face in answers["detect"]["result"]] == [BOX, BOX]
    _verified(answers["verify"])
    (face,) = answers["faces.verify"]["result"]
    assert (face["subject"], face["similarity"] >= 0.85) == (NAME, True)
    _deleted(answers)
    assert answers["faces.delete_all"] == {"deleted": 1}
    assert answers["subjects.delete_all"] == {"deleted": 0}
    assert answers["get_available_functions"] == []


@needs_node
def test_every_method_of_the_javascript_sdk(service: Service, tmp_path: Path) -> None:
    answers = json.loads(service.run("compreface_all.mjs", tmp_path))
    assert answers["subjects.add"] == {"subject": "Mia"}
    assert answers["subjects.list"] == {"subjects": ["Mia"]}
    assert answers["subjects.rename"] == {"updated": True}
    assert answers["faces.add base64"]["subject"] == "Barack Obama"
    assert answers["faces.add url"]["subject"] == "Emmanuel Macron"
    # In Node the SDK names no boundary for a blob, so nobody could read it; it gets the envelope.
    blob = {"status": 400, "message": "Something went wrong, please try again", "code": 0}
    assert answers["faces.add blob"] == blob
    subjects = [face["subject"] for face in answers["faces.list"]["faces"]]
    assert subjects == ["Emmanuel Macron", "Barack Obama", NAME]
    _recognised(answers["recognize path"], NAME)
    assert answers["recognize url"]["result"][0]["subjects"][0]["subject"] == "Emmanuel Macron"
    assert answers["recognize base64"]["result"][0]["subjects"][0]["subject"] == "Barack Obama"
    assert [len(face["landmarks"]) for face in answers["detect"]["result"]] == [5, 5]
    for images in ("paths", "urls", "url and path", "path and url", "base64"):
        _verified(answers[f"verify {images}"])
    assert answers["faces.verify"]["result"][0]["similarity"] >= 0.85
    _deleted(answers)
    second = answers["faces.add base64"]
    assert answers["faces.delete_multiple_images"] == [second]
    assert answers["faces.delete_all_subject"] == {"deleted": 1}
    assert answers["faces.delete_all"] == answers["subjects.deleteAll"] == {"deleted": 0}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("compreface_quick.py", marks=needs_python),
        pytest.param("compreface_quick.mjs", marks=needs_node),
    ],
)
def test_the_clients_in_the_documents_work(service: Service, tmp_path: Path, script: str) -> None:
    code = (SCRIPTS / script).read_text()
    assert code in INTEGRATE, "docs/integrate.md has the client word for word"
    assert NAME in service.run(script, tmp_path)
