"""A home of its own for the index's files, with small limits, so that segments appear among few rows."""

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
    """The default engine, as a process has it."""
    return LocalIndex(segmented=True)


class Actor:
    """A process that obeys (tests.index.actor)."""

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
        """Ask for something and do not wait."""
        assert self.process.stdin
        print(json.dumps([command, named]), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        """Wait for the answer; None also when the process died."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def __call__(self, command: str, **named: Any) -> Any:
        """Ask and wait."""
        self.send(command, **named)
        return self.answer()

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.kill()
        self.process.communicate()


class Stage:
    """A product of its own in a folder, with collections "a" and "b" of two tenants, a key of each, and its actors."""

    def __init__(self, folder: Path, like: "Stage | None" = None) -> None:
        """Make it, or copy one that nobody uses."""
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
        """Let the time pass after which a killed worker's lease is free again."""
        self.rows("UPDATE recognition_compaction SET leased_until = NULL")

    def published(self) -> set[str]:
        """Return the names of the published segments."""
        return {name for (name,) in self.rows("SELECT name FROM recognition_indexsegment")}

    def sealed_files(self) -> set[str]:
        """Return the names of the files in the index's folder, whatever their ending."""
        return {path.stem for path in (self.folder / "data" / "index").glob("*/*")}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database behind the product's back."""
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
    """A product that nobody uses."""
    return Stage(tmp_path_factory.mktemp("made"))


@pytest.fixture
def stage(made: Stage, tmp_path: Path) -> Iterator[Stage]:
    """A product of its own."""
    mine = Stage(tmp_path / "stage", made)
    yield mine
    mine.end()
