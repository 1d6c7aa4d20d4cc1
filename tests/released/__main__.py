"""python -m tests.released VERSION: keep this code's migrations and databases as those of a release."""

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from django.conf import settings

from tests.make import base64_of, portrait
from tests.processes import environment, manage, sqlite
from tests.released import DIGESTS, FOLDER, MASTER_KEYS, migrations
from tests.services import POSTGRES_PORT, SUPERUSER, database

_FILL = """
import base64, json, sys
from django.contrib.auth.models import User
from collections_app.operations import collections, data_subject, do_not_enrol, enrol, keys, search, webhooks
from recognition.index import face_index, compaction
from tenants import access, lifecycle, usage
from tenants.models import Member

pictures = {name: base64.b64decode(data) for name, data in json.loads(sys.stdin.read()).items()}
tenant = lifecycle.create_tenant("acme", "Acme")
caller = access.system(tenant, "release")
issued = keys.issue_key(caller, name="gate", scopes=["read", "search", "enrol", "delete", "admin", "audit"])
people = collections.create_collection(caller, name="people", images="none")
for name in ("macron_2025", "obama", "sunak"):
    person = data_subject.PersonDetails(name=name, reference=name)
    enrol.enrol_face(caller, collection="people", image=pictures[name], person=person)
compaction.compact(people.gallery)
search.search_by_image(caller, collection="people", image=pictures["macron_2014"], limit=5, largest=True)
data_subject.delete_person(caller, collection="people", person="sunak")
do_not_enrol.bar(caller, collection="people", reference="nobody")
webhooks.create_webhook(caller, url="https://1.1.1.1/", kinds=["face.enrolled"])
user = User.objects.create_user("owner", "owner@example.com", "a long one of an owner")
Member.unscoped.create(tenant=tenant, user=user, role="owner")
usage.flush()
print(issued.token)
"""


def _make(env: dict[str, str]) -> str:
    """Migrate an empty database and give it some rows; return the key's token."""
    manage(env, "migrate", "--verbosity", "0")
    pictures = {name: base64_of(portrait(name)) for name in ("macron_2025", "macron_2014", "obama", "sunak")}
    return manage(env, "shell", "--verbosity", "0", "-c", _FILL, stdin=json.dumps(pictures)).split()[-1]


def _sqlite(folder: Path) -> tuple[str, str]:
    env = environment(folder, DATABASE_URL=sqlite(folder), MASTER_KEYS=MASTER_KEYS)
    token = _make(env)
    with closing(sqlite3.connect(env["DATABASE_URL"].removeprefix("sqlite:///"))) as there:
        return "\n".join(there.iterdump()) + "\n", token


def _postgresql(folder: Path) -> tuple[str, str]:
    with database() as name:
        url = f"postgresql://{name}@127.0.0.1:{POSTGRES_PORT}/{name}"
        token = _make(environment(folder, DATABASE_URL=url, MASTER_KEYS=MASTER_KEYS))
        command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", f"{SUPERUSER}/{name}"]
        dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # psql's own commands, and what differs from server to server.
    return re.sub(r"^(\\|--|SET transaction_timeout).*\n|^\n", "", dump, flags=re.MULTILINE), token


def main() -> None:
    """Write the files."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    version = sys.argv[1]
    tokens = {}
    for name, make in {"sqlite": _sqlite, "postgresql": _postgresql}.items():
        with tempfile.TemporaryDirectory() as folder:
            text, tokens[name] = make(Path(folder))
        (FOLDER / f"{version}-{name}.sql").write_text(text, encoding="utf-8")
    (FOLDER / f"{version}.json").write_text(json.dumps(tokens, indent=2) + "\n", encoding="utf-8")
    with DIGESTS.open("w", encoding="ascii") as digests:
        for file in migrations():
            digests.write(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(settings.BASE_DIR)}\n")


if __name__ == "__main__":
    main()
