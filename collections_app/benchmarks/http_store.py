"""The store that `benchmark http` measures, and the requests that its clients send: made in a process of its own.

    python -m collections_app.benchmarks.http_store GROWTH DIALECT IMAGE…

One tenant searches in one collection and enrols in another, so that neither changes what the other one costs. A second
tenant searches among the same people. With GROWTH (JSON: faces, collections, entries) a third one does, with so many
more faces among them, collections beside them, and entries in its audit log.
"""

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recognition.evaluation import index_benchmark

if TYPE_CHECKING:
    from django.db.models import Model

    from collections_app.dialects.descriptor import Dialect, Exchange
    from collections_app.models import Collection
    from collections_app.operations.search import SearchResult
    from tenants.keys import IssuedKey
    from tenants.models import Tenant

_READS, _WRITES = ("SELECT",), ("INSERT", "UPDATE", "DELETE")
_FACES_A_PERSON = 5
_BATCH = 1000
_BEYOND = 1_000_000_000  # the numbers of copied entries: the chain itself goes on below


def prepare(growth: Mapping[str, int], name: str, files: Sequence[Path]) -> dict[str, Any]:
    """Create the store; return the requests by action, and what the pipeline's turns need.

    Over 40 lines, which are one list.
    """
    from django.core.management import call_command  # noqa: PLC0415 -- Django is set up only in the child

    from collections_app.dialects import DIALECTS  # noqa: PLC0415
    from collections_app.operations.collections import create_collection  # noqa: PLC0415
    from collections_app.operations.compare import detect  # noqa: PLC0415
    from collections_app.operations.data_subject import PersonDetails  # noqa: PLC0415
    from collections_app.operations.enrol import enrol_face  # noqa: PLC0415
    from tenants.access import system  # noqa: PLC0415
    from tenants.lifecycle import create_tenant  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    dialect = next(one for one in DIALECTS if one.name == name)
    tenant, other = (create_tenant(word, word) for word in ("benchmark", "other"))
    caller = system(tenant, "benchmark")
    files = [file for file in files if len(detect(caller, image=file.read_bytes()).faces) == 1]
    pictures = [file.read_bytes() for file in files]
    client = _Client(dialect, pictures)
    more = create_collection(caller, name="more")
    person = PersonDetails(name="Somebody")
    enrolled = enrol_face(caller, collection=more.name, image=pictures[0], person=person, largest=True)
    found = _searched(tenant, pictures)
    search, key = client.request("search", found, tenant)
    requests = {"search": search, "enrol": client.request("enrol", enrolled, tenant)[0]}
    statements = {action: _statements(request) for action, request in requests.items()}
    if any(growth.values()):
        grown = create_tenant("grown", "grown")
        result = _searched(grown, pictures, growth["faces"])
        _grow(grown, result.collection, growth)
        requests["grown"] = client.request("search", result, grown)[0]
        statements["grown"] = _statements(requests["grown"])
    plain: dict[str, Any] = {"headers": {}, "bodies": [""], "method": "GET"}
    wrong = dialect.credentials.sent(key.key.pk, key.secret[::-1])
    return {
        "requests": requests,
        "other": client.request("search", _searched(other, pictures), other)[0],
        "small": {
            "wrong key": search | {"refusals": True, "headers": search["headers"] | wrong},
            "list": plain | {"url": "/api/v1/collections", "headers": {"x-api-key": key.token}},
            "health": plain | {"url": "/healthz"},
        },
        "statements": statements,
        "pack": more.pack,
        "images": list(map(str, files)),
    }


@dataclass(frozen=True, slots=True)
class _Client:
    """A client of a dialect, with pictures to send."""

    dialect: "Dialect"
    pictures: Sequence[bytes]

    def request(self, action: str, result: Any, tenant: "Tenant") -> tuple[dict[str, Any], "IssuedKey"]:  # noqa: ANN401 -- an operation's result
        """Return what it sends (the path, the headers, and the body for each picture), and the tenant's new key."""
        from collections_app.dialects.descriptor import FACE, KEY_ID, Setting  # noqa: PLC0415
        from tenants import keys  # noqa: PLC0415
        from tenants.access import USUAL_SCOPES  # noqa: PLC0415

        dialect = self.dialect
        limited = [result.collection.pk] if dialect.one_collection else None
        key = keys.issue(tenant, name="benchmark", scopes=USUAL_SCOPES, collections=limited)
        exchange: Exchange = dialect.previews[action](result, Setting(dialect.profile({}), ""))
        body = json.dumps(exchange.body)
        sent = {
            "url": f"/{dialect.prefix}{exchange.path}".replace(KEY_ID, key.key.pk),
            "headers": {"Content-Type": "application/json", **dialect.credentials.sent(key.key.pk, key.secret)},
            "bodies": [body.replace(FACE, base64.b64encode(picture).decode()) for picture in self.pictures],
        }
        return sent, key


def _searched(tenant: "Tenant", pictures: Sequence[bytes], faces: int = 0) -> "SearchResult":
    """Create a collection with so many faces and every other picture's, and search it."""
    from collections_app.operations.collections import create_collection  # noqa: PLC0415
    from collections_app.operations.data_subject import PersonDetails  # noqa: PLC0415
    from collections_app.operations.enrol import enrol_face  # noqa: PLC0415
    from collections_app.operations.search import search_by_image  # noqa: PLC0415
    from recognition.tasks import compact_gallery  # noqa: PLC0415
    from tenants.access import system  # noqa: PLC0415

    caller = system(tenant, "benchmark")
    people = create_collection(caller, name="people")
    if faces:
        _enrol_synthetic(people, faces)
        compact_gallery.run(people.gallery.pk)
    for number, picture in enumerate(pictures[::2]):
        person = PersonDetails(name=f"Person {number}")
        enrol_face(caller, collection=people.name, image=picture, person=person, largest=True)
    return search_by_image(caller, collection=people.name, image=pictures[0], request_name="door", largest=True)


def _enrol_synthetic(collection: "Collection", faces: int) -> None:
    """Give the collection faces with the templates of the index's benchmark."""
    from collections_app.benchmarks.console import fill  # noqa: PLC0415
    from recognition import packs  # noqa: PLC0415
    from recognition.index import face_index  # noqa: PLC0415
    from recognition.models import Gallery  # noqa: PLC0415

    fill(collection, faces)
    galleries = Gallery.objects.of(collection.tenant).filter(serves=collection)
    galleries.update(size=0, head=0)  # the index counts them itself
    ids = iter(collection.faces.order_by("number").values_list("pk", flat=True))
    for batch in index_benchmark.people(faces, packs.get(collection.pack).dimension, _FACES_A_PERSON):
        face_index().add(collection.gallery, {next(ids): vector for vector in batch})


def _grow(tenant: "Tenant", collection: "Collection", growth: Mapping[str, int]) -> None:
    """Give the tenant more collections, and entries in its audit log that are copies of its last one."""
    from django.db.models import F  # noqa: PLC0415

    from collections_app.models import Collection  # noqa: PLC0415
    from recognition.models import Gallery  # noqa: PLC0415
    from tenants import prepared  # noqa: PLC0415
    from tenants.models import AuditEntry  # noqa: PLC0415

    own = {"id", "alias", "name_key", "gallery_id"}
    same = {name: value for name, value in _values(collection).items() if name not in own}
    made = [Collection(**same | {"name": f"collection {number}"}) for number in range(growth["collections"])]
    Collection.unscoped.bulk_create(made, batch_size=_BATCH)
    galleries = (Gallery(id=one.pk, tenant=tenant, collection=one, pack=one.pack) for one in made)
    Gallery.unscoped.bulk_create(galleries, batch_size=_BATCH)
    Collection.objects.of(tenant).filter(gallery=None).update(gallery_id=F("pk"))
    entry = AuditEntry.objects.of(tenant).latest("pk")
    for first in range(0, growth["entries"], _BATCH):
        numbers = range(first + 1, min(first + _BATCH, growth["entries"]) + 1)
        prepared.insert([AuditEntry(**_values(entry) | {"id": n, "number": _BEYOND + n}) for n in numbers])


def _values(row: "Model") -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _statements(request: Mapping[str, Any]) -> dict[str, int]:
    """Send a request to this process, twice, and count the SQL statements of the second time."""
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    client = Client(SERVER_NAME="localhost")
    send = {"content_type": "application/json", "headers": request["headers"]}
    client.post(request["url"], request["bodies"][0], **send)
    with CaptureQueriesContext(connection) as seen:
        client.post(request["url"], request["bodies"][0], **send)
    words = [query["sql"].lstrip("( ").split(" ", 1)[0].upper() for query in seen]
    return {"reads": sum(word in _READS for word in words), "writes": sum(word in _WRITES for word in words)}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(prepare(json.loads(sys.argv[1]), sys.argv[2], list(map(Path, sys.argv[3:])))))  # noqa: T201 -- the answer to the parent
