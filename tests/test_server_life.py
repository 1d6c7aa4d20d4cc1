"""Check 16: the web server's processes: reload, replacement of a dead one, and their common end."""

import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.processes import call, children, environment, prepare, until, web_server
from tests.strangers import Neighbour

PATIENCE = 2.0  # seconds: the longest that a call may take during a reload


def test_a_reload_starts_new_processes_before_the_old_ones_end(tmp_path: Path) -> None:
    """Check 16: no call, each on a new connection, fails or waits for a process to start."""
    env = environment(tmp_path)
    key = prepare(env, acme="people")["acme"]
    with web_server(env) as (url, process):
        where = urlsplit(url)
        before = children(process.pid)
        process.send_signal(signal.SIGHUP)
        waited, deadline = [], time.monotonic() + 120
        while children(process.pid) & before and time.monotonic() < deadline:
            neighbour = Neighbour(str(where.hostname), int(where.port or 0), key)
            neighbour.run(0.01)
            assert neighbour.failed == 0
            waited += neighbour.waited
        after = children(process.pid)
    print(f"\n{len(waited)} calls, the slowest {max(waited):.2f} s")  # noqa: T201
    assert (len(before), len(after), before & after) == (2, 2, set())
    assert max(waited) < PATIENCE


def test_a_process_that_dies_is_replaced_and_none_outlives_the_first(tmp_path: Path) -> None:
    env = environment(tmp_path)
    prepare(env, acme="people")
    with web_server(env, workers=1) as (url, process):
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)  # after its first heartbeat, so the server goes on
        until(lambda: child not in children(process.pid) and children(process.pid) != set())
        (child,) = children(process.pid)
        until(lambda: _answers(url))
        process.kill()
        process.wait()
        until(lambda: not Path(f"/proc/{child}").exists())


def test_a_process_that_is_still_loading_ends_when_the_server_does(tmp_path: Path) -> None:
    env = environment(tmp_path)
    prepare(env, acme="people")
    with web_server(env, workers=2) as (_, process):
        child = min(children(process.pid))
        os.kill(child, signal.SIGKILL)
        until(lambda: child not in children(process.pid) and len(children(process.pid)) == 2)
        began = time.monotonic()
        process.terminate()
        process.wait()
    assert time.monotonic() < began + 25  # a process that ignores SIGTERM is killed after 35


def _answers(url: str) -> bool:
    try:
        return call(f"{url}/healthz")[0] == 200
    except OSError:
        return False
