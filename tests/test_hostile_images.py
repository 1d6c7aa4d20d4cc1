"""Odd and hostile image files over HTTP: every one is answered in time, in the envelope, in bounded memory.

Some are made here; the others lie outside the project: FACEPLANE_TEST_DATA names the folder that holds `robustness/`.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests import hostile
from tests.make import base64_of
from tests.processes import call, environment, prepare, web_server

DATA = Path(os.environ.get("FACEPLANE_TEST_DATA") or "/nonexistent", "robustness")
FILES = sorted(file for file in DATA.glob("*") if file.suffix != ".json")
SECONDS = 10.0  # of a machine that may be busy; what it costs is counted in tests/recognition/test_decoding.py
GROWTH_MB = 260  # 60 of them are the session that the first doubtful face opens: of the second opinion


def _resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of the server's only worker."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)  # noqa: S607
    status = Path(f"/proc/{found.stdout.split()[0]}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.skipif(not FILES, reason="FACEPLANE_TEST_DATA names no folder with robustness/")
def test_every_file_is_answered(tmp_path: Path) -> None:
    env = environment(tmp_path)
    key = prepare(env, acme="people")["acme"]
    slow: dict[str, float] = {}
    with web_server(env, workers=1) as (url, process):
        before = _resident_mb(process)
        for file in FILES:
            body = {
                "collectionId": "people",
                "userName": "x",
                "requestName": "x",
                "faceImage": base64_of(file.read_bytes()),
            }
            for path in ("/faces", "/search"):
                started = time.monotonic()
                status, answer = call(url + path, "POST", body, **{"x-api-key": key})
                slow[f"{path} {file.name}"] = time.monotonic() - started
                assert status in {200, 400}, (file.name, answer)
                assert "message" in answer
        growth = _resident_mb(process) - before
    print(f"{len(FILES)} files twice, slowest {max(slow.values()):.2f} s, worker grew by {growth:.0f} MB")  # noqa: T201
    assert growth < GROWTH_MB
    assert {name: seconds for name, seconds in slow.items() if seconds >= SECONDS} == {}


def test_files_that_cost_more_than_they_weigh_are_refused_and_the_largest_are_read(tmp_path: Path) -> None:
    env = environment(tmp_path)
    key = prepare(env, acme="people")["acme"]
    refused: set[tuple[object, object]] = {(400, 6036)}  # "Image size is too large."
    read: set[tuple[object, object]] = {(200, None), (400, 6038)}  # no face: it was looked at
    cases = [
        *((name, make, refused) for name, (_, make) in hostile.REFUSED.items()),
        *((name, make, read) for name, make in (*hostile.READ.items(), *hostile.LARGEST.items())),
    ]
    with web_server(env, workers=1) as (url, process):
        before = _resident_mb(process)
        for name, make, expected in cases:
            body = {"collectionId": "people", "requestName": "x", "faceImage": base64_of(make())}
            status, answer = call(f"{url}/search", "POST", body, **{"x-api-key": key})
            assert (status, answer.get("errorCode")) in expected, (name, answer)
        growth = _resident_mb(process) - before
    assert growth < GROWTH_MB  # the largest six are 780 MB of pixels together, and as much again in copies
