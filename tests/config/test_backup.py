"""A drill: back up under load, destroy, restore elsewhere; every search, receipt and audit chain is as before."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.conf import settings

from tests.config.conftest import worker
from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, prepare, until, web_server

ALBUM = """
from collections_app.operations.collections import create_collection
from tenants.access import system
from tenants.models import Tenant
create_collection(system(Tenant.objects.get(slug="acme"), "tests"), name="album", images="original")
"""
PEOPLE = ("obama", "macron_2025", "ardern_2018", "sunak")
RECEIPTS_SECONDS = 60  # the schedule tries an open receipt again every twenty seconds


class Installation:
    """A running installation, asked through the native API."""

    def __init__(self, url: str, key: str) -> None:
        """Keep its address and key."""
        self._url, self._headers = f"{url}/api/v1", {"x-api-key": key}

    def __call__(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Ask; return the answer, which must be a success."""
        status, answer = call(f"{self._url}/{path}", method, body, **self._headers)
        assert status < 300, answer
        return answer

    def enrol(self, name: str, reference: str) -> Any:
        """Enrol a portrait; return its face's id."""
        body = {"image": base64_of(portrait(name)), "person": {"reference": reference}}
        return self("collections/album/faces", "POST", body)

    def _image(self, face: str) -> str:
        """Return the digest of a face's kept image."""
        request = Request(f"{self._url}/collections/album/faces/{face}/image", headers=self._headers)  # noqa: S310
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return hashlib.sha256(answer.read()).hexdigest()

    def state(self) -> dict[str, Any]:
        """Return what must be the same after a restore: who is found with which score, images, receipts."""
        found = {}
        for name in (*PEOPLE, "macron_2014"):
            body = {"image": base64_of(portrait(name)), "largest": True}
            answer = self("collections/album/search", "POST", body)
            found[name] = [(match["face"]["id"], match["score"]) for match in answer["matches"]]
        faces = {face for matches in found.values() for face, _ in matches}
        return {
            "found": found,
            "images": {face: self._image(face) for face in faces},
            "receipts": sorted((each["id"], each["kind"], each["subject"]) for each in self("receipts")["receipts"]),
            "people": self("collections/album/people"),
        }


def _run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False)


def _elsewhere(env: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of an empty installation with the same master key and nothing else."""
    key = Path(env["SECRETS_DIR"]) / "master.key"
    return environment(folder, MASTER_KEYS=key.read_text())


@contextmanager
def under_load(asked: Installation) -> Iterator[None]:
    """Enrol and erase without pause during the block."""
    stop = threading.Event()
    done: list[Any] = []

    def load() -> None:
        while not stop.is_set():
            made = asked.enrol("ardern_2022", f"load-{len(done)}")
            asked(f"collections/album/people/{made['person']['id']}", "DELETE")
            done.append(made)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(load)
        try:
            yield
        finally:
            stop.set()
        running.result()
    assert done


def test_the_drill(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    env = environment(first)
    key = prepare(env, acme="people")["acme"]
    manage(env, "shell", "--verbosity", "0", "-c", ALBUM)
    copy, log = tmp_path / "copy", tmp_path / "log"
    background = ("--beat", "--pool", "threads", "--concurrency", "2")
    with web_server(env, workers=1) as (url, _), worker(env, *background, log=log):
        asked = Installation(url, key)
        faces = {name: asked.enrol(name, name) for name in PEOPLE}
        asked(f"collections/album/people/{faces['sunak']['person']['id']}", "DELETE")
        until(lambda: all(each["document"] for each in asked("receipts")["receipts"]), RECEIPTS_SECONDS, log=log)

        with under_load(asked):
            made = _run(env, "backup", str(copy))
        assert made.returncode == 0, made.stderr
        assert _run(env, "backup", str(copy)).returncode == 1  # never over an older one
        subprocess.run(["/usr/bin/sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=copy, check=True)
        # Erased after the backup: one by a receipt that is in the storage, one whose storage is lost, too.
        asked(f"collections/album/people/{faces['macron_2025']['person']['id']}", "DELETE")
        until(lambda: all(each["document"] for each in asked("receipts")["receipts"]), RECEIPTS_SECONDS, log=log)
        before = asked.state()
    manage(env, "verify_audit")
    for secret in (Path(env["SECRETS_DIR"]) / "master.key").read_text().split(","):
        assert not [file for file in copy.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]

    receipts = tmp_path / "receipts"
    shutil.copytree(first / "data" / "files" / "erasures", receipts)
    shutil.rmtree(first / "data")

    other = _elsewhere(env, second)
    wrong = _run(other | {"MASTER_KEYS": "A" * 43}, "restore", str(copy))
    assert "needs the master key" in wrong.stderr
    done = _run(other, "restore", str(copy), "--receipts", str(receipts))
    assert done.returncode == 0, done.stderr
    assert "later erasures applied again" in done.stdout
    refused = _run(other, "restore", str(copy))
    assert (refused.returncode, "--replace" in refused.stderr) == (1, True)
    manage(other, "verify_audit")
    with web_server(other, workers=1) as (url, _), worker(other, *background, log=log):
        asked = Installation(url, key)
        after = asked.state()
        assert after["found"] == before["found"]
        assert after["found"]["macron_2014"] == []  # erased after the backup
        assert after["images"] == before["images"]
        assert len(after["images"]) == 2
        assert after["people"] == before["people"]
        assert set(before["receipts"]) <= set(after["receipts"])


@pytest.fixture
def backed_up(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """Return an installation that is not running, and its backup."""
    env = environment(tmp_path / "first")
    prepare(env, acme="people")
    manage(env, "backup", str(tmp_path / "copy"))
    return env, tmp_path / "copy"


def test_a_damaged_or_foreign_backup_changes_nothing(backed_up: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    env, copy = backed_up
    manifest = json.loads((copy / "manifest.json").read_text())
    file = copy / manifest["database"]
    content = file.read_bytes()
    for damage, words in (
        (lambda: file.write_bytes(content[:-1]), "1 files are changed"),
        ((copy / "more").touch, "1 files are unlisted"),
        (file.unlink, "1 files are missing"),
        (lambda: _rewrite(copy, manifest | {"migrations": ["tenants.9999_later"]}), "does not know tenants.9999_later"),
        (lambda: _rewrite(copy, manifest | {"vendor": "oracle"}), "The backup is of oracle"),
        (lambda: _rewrite(copy, manifest | {"format": 2}), "has the format 2"),
        ((copy / "manifest.json").unlink, "no complete backup"),
    ):
        damage()
        done = _run(env, "restore", str(copy), "--replace")
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        file.write_bytes(content)
        (copy / "more").unlink(missing_ok=True)
        _rewrite(copy, manifest)
    assert "acme: whole" in manage(env, "verify_audit")
    assert _run(env, "restore", str(copy), "--replace").returncode == 0


def _rewrite(copy: Path, manifest: dict[str, Any]) -> None:
    (copy / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def test_nothing_is_restored_while_a_worker_lives(backed_up: tuple[dict[str, str], Path]) -> None:
    env, copy = backed_up
    beat = "from tenants import heartbeat; heartbeat.beat_worker('w')"
    if env["DATABASE_URL"].startswith("postgres"):
        pytest.skip("there the server says who is connected")
    manage(env, "shell", "--verbosity", "0", "-c", beat)
    done = _run(env, "restore", str(copy), "--replace")
    assert (done.returncode, "stop web server, worker and beat" in done.stderr) == (1, True)


def test_a_forged_receipt_erases_nothing(backed_up: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    env, copy = backed_up
    forged = {"id": "x", "erased": {"kind": "tenant", "id": "1"}, "requested_at": "2030-01-01T00:00:00+00:00"}
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    done = _run(env, "restore", str(copy), "--replace", "--receipts", str(tmp_path / "forged.json"))
    assert (done.returncode, "another installation signed them: x" in done.stderr) == (1, True), done.stderr
    assert "acme: whole" in manage(env, "verify_audit")


def test_a_backup_is_closed_to_others_and_an_interrupted_one_leaves_none(tmp_path: Path) -> None:
    env = environment(tmp_path / "first")
    prepare(env, acme="people")
    manage(env, "backup", str(tmp_path / "copy"))
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.stat().st_mode & 0o077]
    env["STORAGE_URL"] = f"file://{tmp_path}/broken"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "images").symlink_to(tmp_path / "broken" / "images")
    done = _run(env, "backup", str(tmp_path / "second"))
    assert done.returncode != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "copy", "first"]
