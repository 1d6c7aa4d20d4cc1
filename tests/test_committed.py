"""What was answered is in the log, whenever a process is killed."""

import json
import os
import signal
import threading
import time
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.make import base64_of, portrait
from tests.processes import call, children, environment, manage, prepare, until, web_server

KILLS, CLIENTS = 4, 6
_LOGGED = """
import json, sys
from collections_app.models import SearchRecord
from tenants import audit
from tenants.models import AuditEntry, LoggedRequest, Tenant
tenant = Tenant.objects.get(slug="acme")
enrolled = str(list(AuditEntry.objects.of(tenant).filter(action="face.enrolled").values_list("facts", flat=True)))
records = dict(SearchRecord.objects.of(tenant).values_list("uuid", "pk"))
waiting = AuditEntry.objects.of(tenant).filter(number=None).count()
targets = set(AuditEntry.objects.of(tenant).filter(action="collection.searched").values_list("target_id", flat=True))
searches, faces = json.loads(sys.stdin.read())
unlogged = [one for one in faces if one not in enrolled]
missing = [one for one in searches if one not in records or str(records[one]) not in targets]
requests = LoggedRequest.objects.of(tenant).filter(operation__contains="search", status=200).exists()
print(json.dumps([missing, unlogged, len(records) - len(targets), waiting, audit.verify(tenant).sound, requests]))
"""


def test_a_killed_process_takes_nothing_that_was_answered_with_it(tmp_path: Path) -> None:
    """Concurrent searches and enrolments over two processes, which are killed one after the other while they commit.

    What a killed process had not chained yet, another has chained.
    """
    env = environment(tmp_path)
    key = prepare(env, acme="people")["acme"]
    answered: list[str] = []
    faces: list[str] = []
    over = threading.Event()
    with web_server(env, workers=2) as (url, process):
        address, head = f"{url}/api/v1/collections/people", {"x-api-key": key}
        status, _ = call(f"{address}/faces", "POST", {"image": base64_of(portrait("obama")), "person": {}}, **head)
        assert status == 201

        def send(path: str, name: str, keep: Callable[[Any], None]) -> None:
            body: dict[str, Any] = {"image": base64_of(portrait(name)), **({"person": {}} if path == "faces" else {})}
            while not over.is_set():
                with suppress(OSError, urllib.error.URLError):  # its process was killed
                    status, found = call(f"{address}/{path}", "POST", body, **head)
                    if status < 300:
                        keep(found)

        sent = [
            ("search", ("obama", "sunak")[n % 2], lambda found: answered.append(found["id"])) for n in range(CLIENTS)
        ]
        sent.append(("faces", "sunak", lambda found: faces.append(found["id"])))
        clients = [threading.Thread(target=send, args=each) for each in sent]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            before = len(answered)
            until(lambda: len(answered) >= before + 2 * CLIENTS)  # noqa: B023
            os.kill(min(children(process.pid)), signal.SIGKILL)
            until(lambda: len(children(process.pid)) == 2)
        over.set()
        for client in clients:
            client.join()
        status, _ = call(address, **head)  # from now on a process serves, and chains what the killed ones left
        assert status == 200
        time.sleep(1.5)
        script = ("shell", "--verbosity", "0", "-c", _LOGGED)
        assert manage(env, *script, stdin=json.dumps([answered, faces])).strip() == "[[], [], 0, 0, true, true]"
    assert faces
    assert len(answered) >= 2 * KILLS * CLIENTS
