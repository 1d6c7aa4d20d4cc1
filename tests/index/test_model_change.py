"""A pack changes under load, over real processes: no search fails or mixes packs, and a killed worker loses nothing."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Self

from tests.index.conftest import Stage
from tests.index.test_workers import FILES, Queue
from tests.make import base64_of, portrait
from tests.processes import call, manage, web_server

NAMES, COPIES, RATE = ("obama", "sunak", "macron_2025"), 16, 20
ENROL = """
import json
from collections_app.models import Collection
from collections_app.operations.collections import update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.samples import SAMPLES
from tenants import access, keys

collection = Collection.unscoped.select_related("tenant").get(name="a")
caller = access.system(collection.tenant, "tests")
update_collection(caller, collection="a", images="original")
faces = {{}}
for name in {names}:
    for number in range({copies}):
        person = PersonDetails(reference=f"{{name}}-{{number}}")
        image = (SAMPLES / f"{{name}}.jpg").read_bytes()
        faces[name] = enrol_face(caller, collection="a", image=image, person=person).faces[0].uuid
key = keys.issue(collection.tenant, name="search", scopes=["read", "search"])
print(json.dumps([collection.tenant.slug, key.token, faces]))
"""
SETTLED = "SELECT count(*) FROM collections_app_jobunit WHERE outcome <> ''"
STATE = "SELECT state FROM collections_app_modelchange"
PACKS = "SELECT pack FROM collections_app_searchrecord ORDER BY at"
TEMPLATES = (
    "SELECT pack, count(*) FROM recognition_embedding JOIN recognition_gallery g ON g.id = gallery_id GROUP BY pack"
)


class Load:
    """RATE searches a second, every fourth by an image, the others by an enrolled face; it keeps what was wrong."""

    def __init__(self, url: str, token: str, faces: dict[str, str]) -> None:
        """Keep where to search for whom."""
        self.url, self.headers, self.faces = f"{url}/api/v1/collections/a/search", {"x-api-key": token}, faces
        self.images = {name: base64_of(portrait(name)) for name in NAMES}
        self.wrong: list[Any] = []
        self.sent = 0
        self._ended = threading.Event()
        self._pacer = threading.Thread(target=self._pace)

    def __enter__(self) -> Self:
        """Begin."""
        self._pacer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the last answer."""
        self._ended.set()
        self._pacer.join()

    def _pace(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            while not self._ended.is_set():
                pool.submit(self._search, self.sent)
                self.sent += 1
                time.sleep(max(0.0, began + self.sent / RATE - time.monotonic()))

    def _search(self, number: int) -> None:
        name = NAMES[number % len(NAMES)]
        probe = {"image": self.images[name]} if number % 4 == 0 else {"face": self.faces[name]}
        try:
            status, answer = call(self.url, "POST", {**probe, "limit": 3}, **self.headers)
            people = [match["face"]["person"]["reference"] for match in answer["matches"]] if status == 200 else answer
            if status != 200 or not people or not all(person.startswith(name) for person in people):
                self.wrong.append((status, people))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the search failed
            self.wrong.append(repr(error))


def test_searches_go_on_at_20_a_second_through_a_whole_change_in_which_a_worker_is_killed(stage: Stage) -> None:
    """Begun, filled, switched, rolled back, switched again and ended: no search fails, and each is by one pack."""
    queue = Queue(stage, FILES)
    listed, copies = str(NAMES), COPIES
    shown = manage(stage.env, "shell", "--verbosity", "0", "-c", ENROL.format(names=listed, copies=copies))
    tenant, token, faces = json.loads(shown)
    total = len(NAMES) * COPIES
    with web_server(stage.env) as (url, _), Load(url, token, faces) as load, queue.workers(2) as workers:
        manage(stage.env, "change_model", tenant, "a", "--to", "accurate")
        queue.until(lambda: stage.rows(SETTLED)[0][0] > 0, 120)
        victim = workers.pop(0)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        stage.rows("UPDATE collections_app_jobunit SET leased_until = NULL")  # as time does
        stage.rows("UPDATE collections_app_bulkjob SET leased_until = NULL")
        queue.send("collections_app.tasks.work_due")
        queue.until(lambda: stage.rows(STATE) == [("ready",)], 180)
        assert dict(stage.rows(TEMPLATES)) == {"light": total, "accurate": total}
        for step in ("--switch", "--roll-back", "--switch", "--end"):
            manage(stage.env, "change_model", tenant, "a", step)
            time.sleep(1)
        stage.rows("UPDATE collections_app_receipt SET requested_at = '2026-01-01 00:00:00+00:00'")  # as time does
        queue.send("collections_app.tasks.purge_due")
        queue.until(lambda: dict(stage.rows(TEMPLATES)) == {"accurate": total}, 120)
    assert load.wrong == []
    used = [pack for (pack,) in stage.rows(PACKS)]
    assert len(used) == load.sent > 5 * RATE
    switches = [(one, other) for one, other in pairwise(used) if one != other]
    assert {"light", "accurate"} == set(used)
    assert used[0] == "light"
    assert used[-1] == "accurate"
    assert ("accurate", "light") in switches
