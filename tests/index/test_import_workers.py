"""An import over real workers: one is killed in the midst of it, and nothing is lost or doubled."""

import signal

from tests.index.conftest import Stage
from tests.index.test_workers import FILES, Queue
from tests.processes import manage

ROWS = 60
WORK = """
import io, json, tarfile
from collections_app.models import Collection
from collections_app.operations import imports
from collections_app.samples import SAMPLES
from tenants import access

collection = Collection.unscoped.select_related("tenant").get(name="a")
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as tar:
    tar.add(SAMPLES / "obama.jpg", "obama.jpg")
rows = [json.dumps({{"file": "obama.jpg", "reference": f"p{{number}}"}}) for number in range({rows})]
caller, options = access.system(collection.tenant, "tests"), imports.ImportOptions()
listed = "\\n".join(rows).encode()
job = imports.receive(caller, collection="a", options=options, archive=packed.getvalue(), manifest=listed)
print(job.id.partition("-")[2])
"""
FACES = "SELECT count(*) FROM collections_app_face"
SETTLED = "SELECT count(*) FROM collections_app_jobunit WHERE outcome <> ''"


def test_a_worker_killed_in_the_midst_of_an_import_loses_and_doubles_nothing(stage: Stage) -> None:
    queue = Queue(stage, FILES)
    job = int(manage(stage.env, "shell", "--verbosity", "0", "-c", WORK.format(rows=ROWS)))
    with queue.workers(2) as workers:
        queue.until(lambda: stage.rows(SETTLED)[0][0] > 0)
        victim = workers.pop(0)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert stage.rows(SETTLED)[0][0] < ROWS
        stage.rows("UPDATE collections_app_jobunit SET leased_until = NULL")  # as time does
        stage.rows("UPDATE collections_app_bulkjob SET leased_until = NULL")
        queue.send("collections_app.tasks.work_due")
        queue.until(lambda: stage.rows("SELECT state FROM collections_app_bulkjob") == [("done",)], 120)
    assert stage.rows(FACES) == stage.rows("SELECT count(*) FROM collections_app_person") == [(ROWS,)]
    assert stage.rows("SELECT count(DISTINCT face_id) FROM collections_app_jobunit WHERE outcome = 'enrolled'") == [
        (ROWS,)
    ]
    queue.send("collections_app.tasks.work_on_job", job, again=10)
    with queue.workers(1):
        queue.until(lambda: queue.waiting() == 0)
    assert stage.rows(FACES) == [(ROWS,)]
