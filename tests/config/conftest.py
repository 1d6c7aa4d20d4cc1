"""Real workers, and a disk that can be filled."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings


@contextmanager
def worker(
    env: dict[str, str], *arguments: str, log: Path, tracer: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real worker, under a tracer if given; end it with SIGTERM, as a supervisor would."""
    command = [*tracer, sys.executable, "-m", "celery", "--app", "config", "worker", "--loglevel", "INFO", *arguments]
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=env, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 20 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("only a superuser who may mount can make a small disk")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill what is free of the folder's disk to its last byte; return the file that fills it."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1_000_000, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast
