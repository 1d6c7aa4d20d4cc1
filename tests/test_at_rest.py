"""Check 22: files reveal no face, other users cannot read them, and with the wrong key nothing starts."""

import base64
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import numpy as np
import pytest
from django.conf import settings

from recognition import pipeline
from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, shown_key, sqlite, web_server

PEOPLE = ("macron_2025", "ardern_2018", "obama", "sunak")
INVITED = "/account/invitation/an-invitation-that-is-still-open/"
PASSWORD = "correct horse battery"  # noqa: S105 -- of a person who exists for a minute
WINDOW = 24  # bytes of a vector or an image: too many to repeat by chance

# Several commands in one process: a start takes seconds.
_BEGIN = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("create_tenant", "acme")
call_command("create_collection", "acme", "people", images="original")
call_command("collectstatic", interactive=False, verbosity=0)
call_command("issue_key", "acme")
"""
_INVITE = """
from django.core.management import call_command
call_command("create_tenant", "globex", owner="owner@example.com")
call_command("create_tenant", "initech", owner="other@example.com")
"""
_END = """
from django.core.management import call_command
from collections_app.tasks import purge_due
purge_due.delay()
call_command("sendtestemail", "somebody@example.com")
"""


def _environment(folder: Path, **changed: str) -> dict[str, str]:
    """An environment with everything in files, for the scan: SQLite, and the embedded queue."""
    return environment(folder, DATABASE_URL=sqlite(folder), CELERY_BROKER_URL="filesystem://", **changed)


@contextlib.contextmanager
def _permissive() -> Iterator[None]:
    """Start processes with a shell's usual umask, under which others may read what they write."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that has been in use: server, enrolments with kept images, searches, a queue, logs."""
    folder = tmp_path_factory.mktemp("installation")
    with _permissive():
        return _used(folder)


def _used(folder: Path) -> Path:
    env = _environment(folder, LOG_LEVEL="DEBUG")
    key = {"x-api-key": shown_key(manage(env, "shell", "--verbosity", "0", "-c", _BEGIN))}
    (folder / "key").write_text(key["x-api-key"])
    with (folder / "web.log").open("wb") as log, contextlib.ExitStack() as server:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            url, _ = server.enter_context(web_server(env, workers=1))
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        for name in PEOPLE:
            body = {"collectionId": "people", "userName": name, "faceImage": base64_of(portrait(name))}
            assert call(f"{url}/faces", "POST", body, **key)[0] == 200
        probe = {"collectionId": "people", "requestName": "?", "faceImage": base64_of(portrait("macron_2014"))}
        found = call(f"{url}/search", "POST", probe, **key)[1]
        assert [match["user_name"] for match in found["result"]] == ["macron_2025"]
        for host, status in (("localhost", 403), ("somewhere.example", 400)):
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(url + INVITED, b"", {"Host": host}))  # noqa: S310
            with refused.value:
                assert refused.value.code == status
        (folder / "handed").write_text(json.dumps(_handed(env, url)))
        manage(env, "shell", "--verbosity", "0", "-c", _END)
    shutil.rmtree(folder / "data" / "static", ignore_errors=True)  # the code's files, for everybody
    live, copy = sqlite3.connect(folder / "data" / "faceplane.sqlite3"), sqlite3.connect(folder / "backup.db")
    with contextlib.closing(live), contextlib.closing(copy):
        live.backup(copy)
    return folder


def _handed(env: dict[str, str], url: str) -> dict[str, str]:
    """Accept an invitation, add an authenticator, follow a password link; return each secret that was issued."""
    host = "http://localhost:8000"
    offered, waiting = re.findall(r"http://\S+", manage(env, "shell", "--verbosity", "0", "-c", _INVITE))
    person, forgetful = Browser(url), Browser(url)
    person.get(offered.removeprefix(host))
    person.post("/account/invitation/", username="owner", password1=PASSWORD, password2=PASSWORD)
    seed = re.search(r"<code>([A-Z2-7]{32})</code>", person.get("/account/authenticator/"))
    assert seed
    Browser(url).get(waiting.removeprefix(host))
    guess = {"username": "owner", "password": "a guess", "next": waiting.removeprefix(host)}
    forgetful.post("/account/login/", **guess)
    forgetful.post("/account/forgotten/", email="owner@example.com")
    mail = _mail(Path(env["DATA_DIR"], "mail"))
    renewing = re.search(r"http://localhost:\d+(/account/forgotten/\S+/(\S+)/)", mail)
    assert renewing
    forgetful.get(renewing[1])
    return {
        "session": person.cookie("sessionid"),
        "seed": seed[1],
        "invitation": waiting.split("/")[-2],
        "taken invitation": offered.split("/")[-2],
        "password's token": renewing[2],
        "session with a token": forgetful.cookie("sessionid"),
    }


def _mail(folder: Path) -> str:
    """Wait for the mail, which is sent after the answer, and return it."""
    ends = time.monotonic() + 30
    while True:
        for file in folder.glob("*.log"):
            if (text := file.read_text()).count("/account/forgotten/") and text.endswith("\n"):
                return text
        assert time.monotonic() < ends, "no mail came"
        time.sleep(0.1)


class Browser:
    """A browser: it keeps cookies, and sends a page's CSRF token with its form."""

    def __init__(self, url: str) -> None:
        """Start without cookies."""
        self._url, self._jar = url, CookieJar()
        self._http = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def get(self, path: str) -> str:
        """Return a page."""
        with self._http.open(self._url + path, timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> None:
        """Send the page's form; a refused form is accepted."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path))
        assert token
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1]}).encode()
        try:
            self._http.open(self._url + path, body, timeout=60).close()
        except HTTPError as refused:
            refused.close()
            if refused.code != 400:
                raise

    def cookie(self, name: str) -> str:
        """Return a cookie's value."""
        return next(str(cookie.value) for cookie in self._jar if cookie.name == name)


def _needles() -> Iterator[tuple[str, bytes]]:
    """Yield bytes that would reveal a face: of vectors in three widths, of images plain and in base64."""
    for name in (*PEOPLE, "macron_2014"):
        image = portrait(name)
        middle = len(image) // 2
        yield f"{name} JPEG", image[middle : middle + WINDOW]
        yield f"{name} base64", base64.b64encode(image[middle - middle % 3 :])[: 2 * WINDOW]
        vector = pipeline.analyse(image, embed=1).faces[0].template
        for width in ("<f2", "<f4", "<f8"):
            yield f"{name} {width}", vector.astype(width).tobytes()[:WINDOW]
        yield f"{name} text", json.dumps([float(value) for value in vector[:2]])[1:-1].encode()


def test_no_file_holds_a_byte_of_a_face(installation: Path) -> None:
    """Check 22: database, write-ahead log, backup, files, queue and logs hold no vector and no image."""
    files = [path for path in installation.rglob("*") if path.is_file() and "secrets" not in path.parts]
    kinds = {path.name for path in files} | {part for path in files for part in path.parts}
    assert {"faceplane.sqlite3", "backup.db", "web.log", "files", "queue"} <= kinds
    haystacks = {path: path.read_bytes() for path in files}
    assert any(b"argos" in content for content in haystacks.values()), "the scan reads the files"
    hits = [(what, path.name) for what, needle in _needles() for path, hay in haystacks.items() if needle in hay]
    assert hits == []


def test_other_users_of_the_host_can_read_none_of_it(installation: Path) -> None:
    """Check 22: started with umask 022, the processes make database, queue, mail and images private.

    SQLite gives its write-ahead log the mode of the database.
    """
    data = installation / "data"
    made = [data, *data.rglob("*")]
    assert {"faceplane.sqlite3", "files", "messages", "mail"} <= {path.name for path in made}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_the_scan_would_find_what_it_looks_for(installation: Path) -> None:
    """Check 22: the same scan over an unsealed template and image does find them."""
    vector = pipeline.analyse(portrait("obama"), embed=1).faces[0].template
    hay = b"x" * 7 + vector.astype("<f4").tobytes() + np.float16(vector).tobytes() + portrait("obama")
    found = {what for what, needle in _needles() if needle in hay}
    assert found == {"obama <f4", "obama <f2", "obama JPEG"}


def test_database_and_logs_hold_no_usable_key(installation: Path) -> None:
    """Check 20: the dump and the logs hold no secret with which a request would be answered."""
    secret = (installation / "key").read_text().partition(".")[2].encode()
    places = [path for path in installation.rglob("*") if path.is_file() and path.name != "key"]
    assert [path.name for path in places if secret in path.read_bytes()] == []


def test_a_stolen_database_is_no_login(installation: Path) -> None:
    """Check 20: database, its log, backup, queue and logs hold no session, seed, invitation or token.

    The mail itself is in a file, since no mail server is configured; its folder is the operator's mailbox.
    """
    handed = json.loads((installation / "handed").read_text())
    seed = base64.b32decode(handed["seed"])
    needles = {what: secret.encode() for what, secret in handed.items()}
    needles |= {"raw seed": seed, "seed in hexadecimal": seed.hex().encode(), "seed in base64": base64.b64encode(seed)}
    places = [path for path in installation.rglob("*") if path.is_file() and path.name not in {"handed", "key"}]
    read = {path.name: path.read_bytes() for path in places if "mail" not in path.parts}
    assert {"faceplane.sqlite3", "backup.db", "web.log"} <= read.keys()
    assert [(what, name) for what, needle in needles.items() for name, hay in read.items() if needle in hay] == []
    with contextlib.closing(sqlite3.connect(installation / "backup.db")) as backup:
        held = [base64.urlsafe_b64decode(data) for (data,) in backup.execute("SELECT session_data FROM django_session")]
        (seeds,) = backup.execute("SELECT count(*) FROM tenants_authenticator").fetchone()
        logged = "SELECT path_info FROM axes_accesslog UNION SELECT path_info FROM axes_accessattempt"
        paths = {path for (path,) in backup.execute(logged)}
    assert seeds == 1
    assert paths == {"/account/invitation/", "/account/login/"}
    assert len(held) >= 3
    assert [
        name for name in (b"_auth_user_id", b"_password_reset_token", b"invitation") for data in held if name in data
    ] == []


def test_no_path_with_a_secret_in_it_is_logged(installation: Path) -> None:
    """Check 20: requests refused before any view, for a missing token or their host, are logged without their path."""
    log = (installation / "web.log").read_text()
    assert "DisallowedHost" in log
    assert INVITED not in log


@pytest.mark.parametrize("start", ["web", "worker"])
def test_with_the_wrong_master_key_nothing_starts(installation: Path, start: str) -> None:
    """Check 22: web server and worker end at once with a sentence."""
    wrong = base64.urlsafe_b64encode(bytes(range(32))).decode()
    env = _environment(installation, MASTER_KEYS=wrong, BIND="127.0.0.1:0", WEB_WORKERS="1")
    arguments = {
        "web": ["config.server"],
        "worker": ["celery", "--app", "config", "worker", "--pool", "solo"],
    }[start]
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "The master key does not open this database" in done.stderr + done.stdout


def test_a_command_may_supply_the_master_key(installation: Path) -> None:
    """Check 22: a key management service's client can replace the file; one that fails stops the start."""
    secret = (installation / "secrets" / "master.key").read_text()
    env = _environment(
        installation,
        MASTER_KEYS_COMMAND=f"echo {secret}",
        SECRETS_DIR=str(installation / "elsewhere"),
    )
    assert "acme: whole" in manage(env, "verify_audit")
    env = _environment(installation, MASTER_KEYS_COMMAND="false")
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "MASTER_KEYS_COMMAND gave no keys" in done.stderr
