"""Measure the console's lists in a large collection, with a database of its own in a temporary folder.

Measures whole pages, as the web server renders them, without the network. The faces have neither templates nor images,
because lists read neither. The command prints the results.
"""

import json
import sys
import tempfile
import time
from datetime import timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from django.utils import timezone

from recognition.evaluation import index_benchmark

if TYPE_CHECKING:
    from django.test import Client

    from collections_app.models import Collection, Face, Person

_DAYS = 90
_FACES_A_PERSON = 5
_BATCH = 1000
_SYLLABLES = ("an", "bo", "cha", "dee", "el", "fra", "go", "ha", "in", "jo", "ka", "lu", "min", "no", "park", "ri")
_FLAWS: tuple[tuple[str, ...], ...] = ((), (), (), (), (), ("small_face",), ("low_sharpness", "too_dark"))
_WAYS = (("FIRST", "door"), ("FIRST", "gate"), ("SECOND", "app"), ("console", "1"))
_DAY = (timezone.now() - timedelta(days=_DAYS // 2)).date().isoformat()
# By page, by description: the query; stand_for() replaces its words in capitals.
LISTS: dict[str, dict[str, dict[str, str]]] = {
    "faces": {
        "newest": {},
        "oldest": {"order": "oldest"},
        "from the middle on": {"before": "MIDDLE"},
        "a name": {"person": "chapark"},
        "a name that half have": {"person": "a"},
        "nobody's name": {"person": "xyz"},
        "one day": {"since": _DAY, "until": _DAY},
        "since a day": {"since": _DAY},
        "until a day": {"until": _DAY},
        "nothing wrong": {"quality": "none"},
        "too dark": {"quality": "too_dark"},
        "a flaw that none has": {"quality": "extreme_pose"},
        "liveness": {"liveness": "0.02"},
        "a dialect": {"via": "SECOND"},
        "a dialect that none used": {"via": "THIRD"},
        "a key": {"key": "gate"},
        "all at once": {
            "person": "park",
            "since": _DAY,
            "quality": "none",
            "liveness": "0.9",
            "via": "FIRST",
            "key": "gate",
        },
    },
    "people": {
        "newest": {},
        "oldest": {"order": "oldest"},
        "a name": {"person": "chapark"},
        "nobody's name": {"person": "xyz"},
    },
    "health": {"poor templates": {}},
    "overview": {"all of it": {}},
}


def measure(faces: int, rounds: int) -> list[dict[str, Any]]:
    """Fill a collection and request each list `rounds` times with each query; return p50 and p95 of each."""
    with tempfile.TemporaryDirectory(prefix="faceplane-benchmark-") as folder:
        measured: list[dict[str, Any]] = index_benchmark.run_in(folder, __name__, faces, rounds)
        return measured


def stand_for(word: str, faces: int) -> str:
    """Return what a query's word stands for: MIDDLE the number of the middle face, FIRST the first dialect's name."""
    from collections_app.dialects import DIALECTS  # noqa: PLC0415 -- Django is set up only in the child

    first, second, third, *_ = (dialect.name for dialect in DIALECTS)
    return {"MIDDLE": str(faces // 2), "FIRST": first, "SECOND": second, "THIRD": third}.get(word, word)


def fill(collection: "Collection", faces: int) -> None:
    """Create faces as two dialects and the console would in three months, five of each person."""
    from collections_app.models import Face, Person  # noqa: PLC0415 -- Django is set up only in the child
    from recognition.models import Gallery  # noqa: PLC0415

    random = np.random.default_rng(faces)
    people = [
        Person(tenant=collection.tenant, collection=collection, reference=f"p{n}", name=_name(n))
        for n in range(-(-faces // _FACES_A_PERSON))
    ]
    Person.unscoped.bulk_create(people, batch_size=_BATCH)
    rows = (_face(people[n // _FACES_A_PERSON], n + 1, random) for n in range(faces))
    Face.unscoped.bulk_create(rows, batch_size=_BATCH)
    edges = np.linspace(0, faces, _DAYS + 1, dtype=int).tolist()
    for day, (first, last) in enumerate(pairwise(edges)):  # auto_now_add set the present time
        at = timezone.now() - timedelta(days=_DAYS - 1 - day)
        enrolled = collection.faces.filter(number__gt=first, number__lte=last)
        enrolled.update(created_at=at)
        collection.people.filter(pk__in=enrolled.values("person")).update(created_at=at)
    Gallery.objects.of(collection.tenant).filter(serves=collection).update(size=faces, head=faces)


def _face(person: "Person", number: int, random: np.random.Generator) -> "Face":
    from collections_app.models import Face  # noqa: PLC0415

    via, actor = _WAYS[random.integers(len(_WAYS))]
    return Face(
        tenant_id=person.tenant_id,
        collection_id=person.collection_id,
        person=person,
        number=number,
        image=f"image-{number}",
        image_width=640,
        image_height=480,
        box_x=200,
        box_y=100,
        box_width=160,
        box_height=200,
        landmarks=[[240, 170], [320, 170], [280, 210], [250, 250], [310, 250]],
        confidence=0.98,
        yaw=0,
        pitch=0,
        roll=0,
        sharpness=float(random.gamma(4, 20)),
        brightness=float(random.normal(128, 20)),
        quality_reasons=list(_FLAWS[random.integers(len(_FLAWS))]),
        liveness=float(random.beta(8, 1)) if number % 2 else None,
        actor_kind="key",
        actor_id=actor,
        via=stand_for(via, number),
    )


def _name(number: int) -> str:
    """Return a name of four syllables; the same for the same number."""
    chosen = np.random.default_rng(number).integers(len(_SYLLABLES), size=4)
    first, second, third, fourth = (_SYLLABLES[n] for n in chosen)
    return f"{first}{second} {third}{fourth}".title()


def _measured(faces: int, rounds: int) -> list[dict[str, Any]]:
    """Create the database, fill it, and measure."""
    from django.contrib.auth.models import User  # noqa: PLC0415 -- Django is set up only in the child
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.urls import reverse  # noqa: PLC0415

    from collections_app.operations.collections import create_collection  # noqa: PLC0415
    from tenants.access import system  # noqa: PLC0415
    from tenants.lifecycle import create_tenant  # noqa: PLC0415
    from tenants.models import Member  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    tenant = create_tenant("benchmark", "benchmark")
    collection = create_collection(system(tenant, "benchmark"), name="people")
    fill(collection, faces)
    user = User.objects.create_user("benchmark")
    Member.unscoped.create(tenant=tenant, user=user, role=Member.Role.OWNER)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    measured = []
    for page, ways in LISTS.items():
        where = {"tenant": tenant.slug} | ({} if page == "overview" else {"alias": collection.alias})
        address = reverse(f"console:{page}", kwargs=where)
        for way, query in ways.items():
            values = {name: stand_for(value, faces) for name, value in query.items()}
            times = [_seconds(client, address, values) for _ in range(rounds)]
            p50, p95 = (round(index_benchmark.percentile(times, share) * 1000, 1) for share in (50, 95))
            measured.append({"page": page, "asked": way, "p50_ms": p50, "p95_ms": p95})
    return measured


def _seconds(client: "Client", address: str, query: dict[str, str]) -> float:
    began = time.perf_counter()
    answer = client.get(address, query)
    took = time.perf_counter() - began
    if answer.status_code != HTTPStatus.OK:
        message = f"{address} answered {answer.status_code}"
        raise RuntimeError(message)
    return took


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_measured(*map(int, sys.argv[1:]))))  # noqa: T201 -- the answer to the parent
