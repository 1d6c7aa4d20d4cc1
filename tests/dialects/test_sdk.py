"""The clients that `make clients` builds of the native API work against our server, and webhooks can be verified.

`make test-clients` installs what they are built with; without it these tests are skipped.
"""

import http.client
import json
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from collections_app.samples import SAMPLES
from tenants import events
from tests.dialects.conftest import Running
from tests.processes import manage

SCRIPTS = settings.BASE_DIR / "tests" / "clients"
CLIENTS = settings.BASE_DIR / "var" / "clients"
PYTHON = CLIENTS / "openapi-python-client" / "bin" / "python"
MODULES = CLIENTS / "node" / "node_modules"
NODE = shutil.which("node")
INTEGRATE = (settings.BASE_DIR / "docs" / "integrate.md").read_text()
NAME = "Jacinda Ardern"

pytestmark = pytest.mark.skipif(
    not (PYTHON.exists() and (MODULES / "openapi-fetch").exists()), reason="make test-clients installs it"
)


@dataclass(frozen=True)
class Workplace:
    """A folder with the built clients, portraits and our scripts."""

    folder: Path

    def run(self, script: str, **env: str) -> str:
        """Run a script; return what it prints."""
        command = [NODE or "", script] if script.endswith(".mjs") else [str(PYTHON), script]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)} | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Build the clients and install them."""
    folder = tmp_path_factory.mktemp("sdk")
    built = folder / "dist"
    make = shutil.which("make") or "make"
    command = [make, "--silent", "clients", f"DIST={built}"]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,), (package,) = built.glob("*.whl"), built.glob("*.tgz")
    shutil.unpack_archive(wheel, folder, "zip")
    modules = folder / "node_modules"
    modules.mkdir()
    for name in ("openapi-fetch", "openapi-typescript-helpers", "standardwebhooks", "@stablelib", "fast-sha256"):
        if (MODULES / name).exists():
            (modules / name).symlink_to(MODULES / name)
    shutil.unpack_archive(package, modules / "faceplane-client", "gztar")
    (modules / "faceplane-client" / "package").rename(modules / "unpacked")
    (modules / "faceplane-client").rmdir()
    (modules / "unpacked").rename(modules / "faceplane-client")
    for name in ("ardern_2018", "ardern_2022"):
        shutil.copy(SAMPLES / f"{name}.jpg", folder / f"{name.replace('ardern', 'jacinda')}.jpg")
    for script in [*SCRIPTS.glob("sdk*"), *SCRIPTS.glob("webhook*")]:
        shutil.copy(script, folder)
    return Workplace(folder)


class Reluctant(BaseHTTPRequestHandler):
    """A server before ours that refuses the first attempt of every POST for a second, and passes on the rest."""

    origin: ClassVar[str]
    attempts: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        """Refuse, or pass on."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        self.attempts[key] += 1
        if self.attempts[key] == 1:
            self._send(429, b"{}", {"Retry-After": "1", "Content-Type": "application/problem+json"})
        else:
            self._pass_on(content)

    def do_GET(self) -> None:
        """Pass on."""
        self._pass_on(None)

    def _pass_on(self, content: bytes | None) -> None:
        place = urlsplit(self.origin)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        fields = {name: text for name, text in self.headers.items() if name.lower() not in {"host", "connection"}}
        connection.request(self.command, self.path, content, fields)
        answer = connection.getresponse()
        self._send(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})
        connection.close()

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def reluctant(running: Running) -> Iterator[str]:
    """Run the reluctant server; return its URL."""
    Reluctant.origin = running.url
    Reluctant.attempts.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Reluctant) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _empty_people(running: Running) -> None:
    """Replace the collection by an empty one."""
    script = (
        "from tenants.access import system; from tenants.models import Tenant;"
        "from collections_app.operations.collections import create_collection, delete_collection;"
        "caller = system(Tenant.objects.get(), 'tests'); delete_collection(caller, name='people');"
        "create_collection(caller, name='people')"
    )
    manage(running.env, "shell", "--verbosity", "0", "-c", script)


@pytest.mark.parametrize("script", ["sdk_quick.py", "sdk_quick.mjs"])
def test_the_clients_in_the_documents_work(workplace: Workplace, running: Running, script: str) -> None:
    assert (SCRIPTS / script).read_text() in INTEGRATE, "docs/integrate.md has the client word for word"
    _empty_people(running)
    shown = workplace.run(script, FACEPLANE_URL=running.url, FACEPLANE_KEY=running.key)
    found, listed, refused = shown.splitlines()
    assert found.startswith("match ")
    assert NAME in found
    assert NAME in listed
    assert refused == "collection_not_found"


@pytest.mark.parametrize(("script", "shown"), [("sdk_more.py", "3 True"), ("sdk_more.mjs", "3")])
def test_what_is_refused_for_now_is_repeated_under_one_key(
    workplace: Workplace, running: Running, reluctant: str, script: str, shown: str
) -> None:
    assert workplace.run(script, FACEPLANE_URL=reluctant, FACEPLANE_KEY=running.key) == f"{shown}\n"
    assert list(Reluctant.attempts.values()) == [2, 2, 2]


# Each prints what the code of the documents makes of three deliveries.
VERIFY = {
    "webhook.py": """
import json, sys
from webhook import event_of
print(json.dumps([event_of(body.encode(), headers, secret) for body, headers, secret in json.loads(sys.argv[1])]))
""",
    "webhook.mjs": """
import { eventOf } from "./webhook.mjs";
const deliveries = JSON.parse(process.argv[1]);
console.log(JSON.stringify(deliveries.map(([body, headers, secret]) => eventOf(body, headers, secret) ?? null)));
""",
}


@pytest.mark.parametrize("script", VERIFY)
def test_webhooks_are_verified_as_the_documents_say(workplace: Workplace, script: str) -> None:
    assert (SCRIPTS / script).read_text() in INTEGRATE, "docs/integrate.md has the code word for word"
    secret, body = events.new_secret(), '{"type":"search.matched"}'
    moment = str(int(time.time()))
    headers = {
        "webhook-id": "7",
        "webhook-timestamp": moment,
        "webhook-signature": events.signature(secret, "7", moment, body.encode()),
    }
    changed = [(body, headers), (f"{body} ", headers), (body, headers | {"webhook-id": "8"})]
    deliveries = json.dumps([(*delivery, secret) for delivery in changed])
    program = [str(PYTHON), "-c"] if script.endswith(".py") else [NODE or "", "--input-type=module", "-e"]
    done = subprocess.run(
        [*program, VERIFY[script], deliveries], cwd=workplace.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"type": "search.matched"}, None, None]
