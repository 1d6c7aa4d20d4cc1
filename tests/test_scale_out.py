"""An installation of nine hosts: two web hosts, two worker hosts, PostgreSQL with a standby, Redis, S3, a proxy.

What is written on one web host is read on the other, a new version is rolled out without a failed call, and each part
is killed in turn. `pytest -s` prints how long each kill was felt; docs/operate.md has the figures.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests import hosts
from tests.processes import shown_key, until
from tests.proxy import NGINX
from tests.site import REDIS, Site, picture

WHY_NOT = (
    (hosts.missing() or ("" if NGINX and REDIS else "nginx or Redis is not installed"))
    if os.environ.get("SOAK")
    else "nine hosts, for some minutes: make soak"
)
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
VISITS = 100
MOST_SECONDS = 30.0  # for which the kill of any part may be felt
RECEIPTS_SECONDS = 420.0  # the schedule tries an erasure again after five minutes
# The next version, in a copy of the code: a column more in a table that every request writes to.
NEXT, COLUMN = "99.0.0", "remark"
MIGRATION = f"""
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("tenants", "{{last}}")]
    operations = [
        migrations.AddField("loggedrequest", "{COLUMN}", models.CharField(max_length=9, default="", db_default=""))
    ]
"""
FIELD = f'\nLoggedRequest.add_to_class("{COLUMN}", models.CharField(max_length=9, default="", db_default=""))\n'


@dataclass
class Felt:
    """What clients of one kind felt: when each call began, ended, and whether it succeeded."""

    calls: list[tuple[float, float, bool]] = field(default_factory=list)

    def failed(self, since: float) -> int:
        """Return how many calls failed."""
        return sum(not good for _, end, good in self.calls if end > since)

    def pause(self, since: float) -> float:
        """Return the longest time without a successful answer."""
        ends = [since, *(end for _, end, good in self.calls if good and end > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(ends))

    def well(self, calls: int) -> bool:
        """Return whether the latest calls all succeeded."""
        return len(self.calls) >= calls and all(good for _, _, good in self.calls[-calls:])


class Clients:
    """Somebody who searches and somebody who enrols, without pause, through the proxy."""

    def __init__(self, site: Site) -> None:
        """Keep the way in."""
        self._door, self._over = site.door(), threading.Event()
        self.searches, self.enrolments = Felt(), Felt()
        self.enrolled: list[str] = []

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Run them during the block."""
        threads = [threading.Thread(target=run) for run in (self._search, self._enrol)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _search(self) -> None:
        self._repeat(self.searches, "/api/v1/collections/doors/search", picture("obama"), lambda _: None)

    def _enrol(self) -> None:
        path, body = "/api/v1/collections/album/faces", picture("ardern_2018", person={})
        self._repeat(self.enrolments, path, body, lambda answer: self.enrolled.append(answer["id"]))

    def _repeat(self, felt: Felt, path: str, body: object, keep: Callable[[Any], None]) -> None:
        while not self._over.wait(0.1):
            began = time.monotonic()
            status, answer = self._door(path, "POST", body)
            good = 200 <= status < 300
            felt.calls.append((began, time.monotonic(), good))
            if good:
                keep(answer)


@dataclass(frozen=True)
class Kill:
    """What a kill was like for the clients."""

    part: str
    searches: tuple[int, float]
    enrolments: tuple[int, float]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole installation, running, with two collections."""
    made = Site(tmp_path_factory.mktemp("hosts"))
    try:
        made.postgres.primary(made.db1)
        made.follow()
        made.start_redis()
        made.start_s3()
        made.manage("migrate", "--verbosity", "0")
        made.manage("create_tenant", "acme")
        scopes = ("read", "search", "enrol", "delete", "admin", "audit")
        made.key = shown_key(made.manage("issue_key", "acme", "--scopes", *scopes))
        made.start_proxy()
        for host in made.web:
            made.start_web(host)
        for host in made.work:
            made.start_work(host)
        for name, images in (("doors", "none"), ("visits", "none"), ("album", "original")):
            made.door().done("/api/v1/collections", "POST", {"name": name, "images": images})
        made.door().enrol("doors", "obama")
        yield made
    finally:
        made.end()


def test_each_host_reads_what_the_other_wrote(site: Site) -> None:
    one, two = map(site.door, site.web)
    stale = 0
    for visit in range(VISITS):
        writer, reader = (one, two) if visit % 2 else (two, one)
        face = writer.enrol("visits", "sunak")
        stale += reader.found("visits", "sunak") != [face["id"]]
        reader.done(f"/api/v1/collections/visits/faces/{face['id']}", "DELETE")
        stale += writer.found("visits", "sunak") != []
    print(f"\n{VISITS} enrolments and {VISITS} deletions, {stale} stale answers")  # noqa: T201
    assert stale == 0
    _until_receipts(site)


def test_a_new_version_is_rolled_out_without_a_failed_call(site: Site) -> None:
    """One host after the other, behind a proxy that leaves it out meanwhile; its migration runs first."""
    clients = Clients(site)
    with clients.busy():
        until(lambda: clients.searches.well(3) and clients.enrolments.well(3))
        began = time.monotonic()
        site.code = _next_version(site.folder / "next")
        assert f"_{COLUMN}: online" in site.manage("plan_upgrade")
        site.manage("migrate", "--verbosity", "0")
        for host in site.web:
            site.route((host,))
            host.stop()
            site.start_web(host)
            site.route(())
        for host in site.work:
            host.stop()
            site.start_work(host)
        versions = {site.door(host).done("/api/v1/version")["version"] for host in site.web}
        felt = {name: (each.failed(began), each.pause(began)) for name, each in _kinds(clients)}
    print(f"\n{felt}")  # noqa: T201
    assert versions == {NEXT}
    assert [failed for failed, _ in felt.values()] == [0, 0]
    assert max(pause for _, pause in felt.values()) < MOST_SECONDS


def test_each_part_is_killed_and_nothing_that_was_acknowledged_is_lost(site: Site) -> None:
    web, work = site.web[0], site.work[0]
    parts: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "a web host": (web.kill, lambda: site.start_web(web)),
        "a worker host": (work.kill, lambda: site.start_work(work)),
        "Redis": (site.redis.kill, site.start_redis),
        "S3": (site.s3.kill, site.start_s3),
        "the standby": (lambda: _lose_standby(site), site.follow),
        "the primary": (lambda: _lose_primary(site), site.follow),
    }
    clients = Clients(site)
    kills = []
    with clients.busy():
        for part, (kill, restore) in parts.items():
            gone = site.door().enrol("visits", "sunak")["id"]
            until(lambda: clients.searches.well(5) and clients.enrolments.well(5), MOST_SECONDS)
            began = time.monotonic()
            kill()
            until(lambda: site.door()(f"/api/v1/collections/visits/faces/{gone}", "DELETE")[0] in {202, 404})  # noqa: B023
            if part != "S3":  # pictures cannot be kept until it is back
                until(lambda: clients.enrolments.well(5), MOST_SECONDS)
            until(lambda: clients.searches.well(5), MOST_SECONDS)
            time.sleep(3)
            searches = (clients.searches.failed(began), clients.searches.pause(began))
            restore()
            until(lambda: clients.searches.well(5) and clients.enrolments.well(5), MOST_SECONDS)
            enrolments = (clients.enrolments.failed(began), clients.enrolments.pause(began))
            kills.append(Kill(part, searches, enrolments))
            print(f"\n{kills[-1]}")  # noqa: T201
    felt = {kill.part: kill for kill in kills}
    assert max(kill.searches[1] for kill in kills) < MOST_SECONDS
    for part in ("a worker host", "Redis", "S3"):
        assert felt[part].searches[0] == 0
    for part in ("a worker host", "Redis"):
        assert felt[part].enrolments[0] == 0
    kept = {face["id"] for face in _every(site, "collections/album/faces", "faces")}
    assert [face for face in clients.enrolled if face not in kept] == []
    assert len(clients.enrolled) > len(parts)
    _until_receipts(site)
    assert site.door().done("/api/v1/audit/verification")["sound"] is True
    assert site.door().found("visits", "sunak") == []


def _kinds(clients: Clients) -> tuple[tuple[str, Felt], tuple[str, Felt]]:
    return ("searches", clients.searches), ("enrolments", clients.enrolments)


def _lose_standby(site: Site) -> None:
    """A cluster manager sees within a second that it is gone, and no longer lets commits wait for it."""
    site.db2.kill()
    time.sleep(1)
    site.wait_for_standby("")


def _lose_primary(site: Site) -> None:
    """A cluster manager sees it within a second."""
    site.db1.kill()
    time.sleep(1)
    site.fail_over()


def _next_version(folder: Path) -> Path:
    """Return a copy of the code as its next version: another number, and an online migration."""
    shutil.copytree(settings.BASE_DIR, folder, ignore=shutil.ignore_patterns(".git", ".venv", "var", "__pycache__"))
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    assert f'\nversion = "{settings.VERSION}"\n' in text
    project.write_text(text.replace(f'\nversion = "{settings.VERSION}"\n', f'\nversion = "{NEXT}"\n'), encoding="utf-8")
    migrations = folder / "tenants" / "migrations"
    last = max(file.stem for file in migrations.glob("[0-9]*.py"))
    (migrations / f"{int(last[:4]) + 1:04}_{COLUMN}.py").write_text(MIGRATION.format(last=last))
    with (folder / "tenants" / "models.py").open("a", encoding="utf-8") as models:
        models.write(FIELD)
    return folder


def _every(site: Site, path: str, name: str) -> list[Any]:
    """Return all entries of a list."""
    found: list[Any] = []
    more = ""
    while True:
        page = site.door().done(f"/api/v1/{path}?limit=200{more}")
        found += page[name]
        if not page["next_cursor"]:
            return found
        more = f"&cursor={page['next_cursor']}"


def _until_receipts(site: Site) -> None:
    """Wait until each erasure is complete and its receipt signed."""
    until(lambda: all(each["document"] for each in _every(site, "receipts", "receipts")), RECEIPTS_SECONDS)
