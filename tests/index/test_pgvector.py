"""The same promises on a real PostgreSQL with pgvector, and on its standbys."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.index.conftest import Actor
from tests.pgserver import Servers
from tests.processes import environment, manage, prepare

VISITS = 10_000


@pytest.fixture
def servers() -> Iterator[Servers]:
    """No server yet."""
    mine = Servers()
    yield mine
    mine.end()


@pytest.mark.skipif(not os.environ.get("TEST_SERVICES"), reason="make test-services: with the other databases")
def test_pgvector_keeps_the_contract(servers: Servers, tmp_path: Path) -> None:
    """Check 15 without standbys: the contract over every engine, on PostgreSQL, and what pgvector adds to it."""
    env = os.environ | {"DATABASE_URL": servers.primary(), "FACE_INDEX": "pgvector", "DATA_DIR": str(tmp_path)}
    files = ["tests/index/test_contract.py", "tests/index/on_pgvector.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "skipped" not in done.stdout


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="three servers and ten thousand visits: make soak")
def test_a_standby_answers_with_what_was_just_committed(servers: Servers, tmp_path: Path) -> None:
    """Check 15: two synchronous standbys with remote_apply; of 10,000 enrolments and 9,000 deletions stale reads 0."""
    dice = random.Random(4)  # noqa: S311
    env = environment(tmp_path, DATABASE_URL=servers.primary(), FACE_INDEX="pgvector", LOG_LEVEL="CRITICAL")
    prepare(env, a="a")
    manage(env, "shell", "-c", "from recognition.index import pgvector_table; pgvector_table.prepare()")
    urls = [servers.standby(name) for name in ("one", "two")]
    with servers.superuser() as primary:
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 2 (one, two)'")
        primary.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
        primary.execute("SELECT pg_reload_conf()")
    actors = [Actor(env), *(Actor(env | {"DATABASE_URL": url}) for url in urls)]
    writer, *readers = actors
    stale = 0
    try:
        for seed in range(0, VISITS, 10):
            seeds = list(range(seed, seed + 10))
            ids = writer("enrol", name="a", seeds=seeds)
            for one, face in zip(seeds, ids, strict=True):
                stale += dice.choice(readers)("search", name="a", seed=one)[0][0] != face
            writer("erase", name="a", ids=ids[1:])
            for one, face in zip(seeds[1:], ids[1:], strict=True):
                stale += face in {found for found, _ in dice.choice(readers)("search", name="a", seed=one)}
    finally:
        for actor in actors:
            actor.end()
    assert stale == 0
    with servers.superuser() as primary:
        states = primary.execute("SELECT application_name, sync_state FROM pg_stat_replication ORDER BY 1").fetchall()
        assert states == [("one", "sync"), ("two", "sync")]
