"""Erasure on disk: what was enrolled is looked for, byte by byte, in everything that the product has written."""

from pathlib import Path

from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, prepare, sqlite, web_server

_SEALED = """
from pathlib import Path
from django.conf import settings
from collections_app.models import KeyedRequest
from recognition.models import Embedding
print(*(bytes(row.sealed).hex() for row in Embedding.unscoped.all()))
print(*(bytes(row.answer).hex() for row in KeyedRequest.unscoped.all()))
print(*(file.read_bytes()[100:400].hex() for file in Path(settings.DATA_DIR, "files").rglob("*") if file.is_file()))
"""
_PURGE = "from collections_app.tasks import purge_due; purge_due()"


def _lies(folder: Path, needle: bytes) -> bool:
    return any(needle in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_no_byte_of_an_erased_face_is_left_on_disk(tmp_path: Path) -> None:
    """Check 23: 0 bytes left in database, log, files and queue after the job, while the server runs."""
    env = environment(tmp_path, DATABASE_URL=sqlite(tmp_path))  # whose files can be read
    key = {"x-api-key": prepare(env, acme="others")["acme"]}
    with web_server(env, workers=1) as (url, _):
        api = f"{url}/api/v1/collections"
        assert call(api, "POST", {"name": "people", "images": "original"}, **key)[0] == 201
        for name in ("obama", "sunak"):
            body = {"image": base64_of(portrait(name)), "person": {"reference": name}}
            assert call(f"{api}/people/faces", "POST", body, **key, **{"Idempotency-Key": name})[0] == 201
        sealed = [bytes.fromhex(word) for word in manage(env, "shell", "--verbosity", "0", "-c", _SEALED).split()]
        assert len(sealed) == 6
        assert all(_lies(tmp_path, needle) for needle in sealed)
        for name in ("obama", "sunak"):
            status, receipt = call(f"{api}/people/people/{name}", "DELETE", **key)
            assert (status, receipt["state"]) == (202, "pending")
        manage(env, "shell", "--verbosity", "0", "-c", _PURGE)
        assert not any(_lies(tmp_path, needle) for needle in sealed)
        receipts = call(f"{url}/api/v1/receipts", **key)[1]["receipts"]
        assert [one["state"] for one in receipts] == ["complete", "complete"]
