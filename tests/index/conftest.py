"""A separate folder for the index's files, with small limits, so that a few rows already make segments."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as product
from pytest_django.fixtures import Settings

from recognition.index.local import LocalIndex
from tests import processes

SMALL = {"INDEX_DELTA_ROWS": 50, "INDEX_EXACT_BYTES": 60_000}


@pytest.fixture(autouse=True)
def small_index(settings: Settings, tmp_path: Path) -> None:
    """Keep the index's files in the test's folder; make a segment after 50 changes, scan them above 60 KB."""
    settings.INDEX_DIR = tmp_path / "index"
    settings.INDEX_OPEN_DIR = tmp_path / "open"
    for name, value in SMALL.items():
        setattr(settings, name, value)


@pytest.fixture
def segments() -> LocalIndex:
    """The default engine, as in a process."""
    return LocalIndex(segmented=True)


class Actor:
    """A process that runs commands (tests.index.actor)."""

    def __init__(self, env: dict[str, str]) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.index.actor"],
            cwd=product.BASE_DIR,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, command: str, **named: Any) -> None:
        """Send a command without waiting."""
        assert self.process.stdin
        print(json.dumps([command, named]), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        """Wait for the answer; None also if the process died."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def __call__(self, command: str, **named: Any) -> Any:
        """Send a command and wait for the answer."""
        self.send(command, **named)
        return self.answer()

    def end(self) -> None:
        """Kill it and wait until it has ended."""
        self.process.kill()
        self.process.communicate()


class Stage:
    """A separate installation in a folder: collections "a" and "b" of two tenants, a key of each, and actors."""

    def __init__(self, folder: Path, like: "Stage | None" = None) -> None:
        """Make it, or copy one that is not in use."""
        small = {name: str(value) for name, value in SMALL.items()}
        self.folder = folder
        small |= {"INDEX_OPEN_DIR": str(folder / "open"), "LOG_LEVEL": "WARNING", "COMPUTE_WAIT_SECONDS": "60"}
        self.env: dict[str, str]
        self.keys: dict[str, str]
        if like:
            shutil.copytree(like.folder, folder)
            self.env = processes.environment(folder, like=like.env["DATABASE_URL"], **small)
            self.keys = like.keys
        else:
            self.env = processes.environment(folder, **small)
            self.keys = processes.prepare(self.env, a="a", b="b")
        self._actors: list[Actor] = []

    def actor(self) -> Actor:
        """Start a process."""
        self._actors.append(Actor(self.env))
        return self._actors[-1]

    def expire_leases(self) -> None:
        """Expire all leases, as time does after a worker was killed."""
        self.rows("UPDATE recognition_compaction SET leased_until = NULL")

    def published(self) -> set[str]:
        """Return the names of the published segments."""
        return {name for (name,) in self.rows("SELECT name FROM recognition_indexsegment")}

    def sealed_files(self) -> set[str]:
        """Return the names of the files in the index's folder, without their suffixes."""
        return {path.stem for path in (self.folder / "data" / "index").glob("*/*")}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        url = self.env["DATABASE_URL"]
        file = self.folder / "data" / "faceplane.sqlite3"
        opened: Any = sqlite3.connect(file) if url.startswith("sqlite") else psycopg.connect(url)
        with closing(opened), opened:
            if not url.startswith("sqlite"):
                opened.execute("SET faceplane.tenant = '0'")
            answer = opened.execute(query)
            return list(answer.fetchall()) if answer.description else []

    def end(self) -> None:
        """End every process."""
        for actor in self._actors:
            actor.end()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """An installation to copy."""
    return Stage(tmp_path_factory.mktemp("made"))


@pytest.fixture
def stage(made: Stage, tmp_path: Path) -> Iterator[Stage]:
    """A separate installation."""
    mine = Stage(tmp_path / "stage", made)
    yield mine
    mine.end()
