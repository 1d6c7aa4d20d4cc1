"""What was answered is in the log, whenever a process is killed."""

import os
import signal
import threading
import urllib.error
from pathlib import Path

from tests.make import base64_of, portrait
from tests.processes import call, children, environment, manage, prepare, until, web_server

KILLS, CLIENTS = 4, 6
_LOGGED = """
import json, sys
from collections_app.models import SearchRecord
from tenants import audit
from tenants.models import AuditEntry, LoggedRequest, Tenant
tenant = Tenant.objects.get(slug="acme")
records = dict(SearchRecord.objects.of(tenant).values_list("uuid", "pk"))
targets = set(AuditEntry.objects.of(tenant).filter(action="collection.searched").values_list("target_id", flat=True))
missing = [one for one in json.loads(sys.stdin.read()) if one not in records or str(records[one]) not in targets]
requests = LoggedRequest.objects.of(tenant).filter(operation__contains="search", status=200).exists()
print(json.dumps([missing, len(records) - len(targets), audit.verify(tenant).sound, requests]))
"""


def test_a_killed_process_takes_nothing_that_was_answered_with_it(tmp_path: Path) -> None:
    """Concurrent searches over two processes, which are killed one after the other while their commits run."""
    env = environment(tmp_path)
    key = prepare(env, acme="people")["acme"]
    answered: list[str] = []
    over = threading.Event()
    with web_server(env, workers=2) as (url, process):
        address, head = f"{url}/api/v1/collections/people", {"x-api-key": key}
        status, _ = call(f"{address}/faces", "POST", {"image": base64_of(portrait("obama")), "person": {}}, **head)
        assert status == 201

        def search(body: dict[str, str]) -> None:
            while not over.is_set():
                try:
                    status, found = call(f"{address}/search", "POST", body, **head)
                except (OSError, urllib.error.URLError):  # its process was killed
                    continue
                if status == 200:
                    answered.append(found["id"])

        bodies = [{"image": base64_of(portrait(name))} for name in ("obama", "sunak")]
        clients = [threading.Thread(target=search, args=(bodies[n % 2],)) for n in range(CLIENTS)]
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
    script = ("shell", "--verbosity", "0", "-c", _LOGGED)
    assert manage(env, *script, stdin=str(answered).replace("'", '"')).strip() == "[[], 0, true, true]"
    assert len(answered) >= 2 * KILLS * CLIENTS
