"""A separate process that reads one JSON command per line and prints one JSON answer per line, after the commit.

Run as `python -m tests.index.actor`. Test code, never part of the product.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import django

django.setup()

import numpy as np  # noqa: E402 -- Django is set up only now
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from collections_app import erasure  # noqa: E402
from collections_app.errors import CollectionDeleted, CollectionNotFound  # noqa: E402
from collections_app.models import Collection  # noqa: E402
from collections_app.operations.collections import create_collection, delete_collection, find  # noqa: E402
from collections_app.operations.data_subject import delete_person  # noqa: E402
from recognition import tasks  # noqa: E402
from recognition.evaluation.index_benchmark import anonymous_bytes  # noqa: E402
from recognition.index import compaction, face_index, files, segments, selftest  # noqa: E402
from recognition.index.local import LocalIndex  # noqa: E402
from recognition.models import Gallery, IndexSegment  # noqa: E402
from tenants.access import system  # noqa: E402
from tenants.lifecycle import create_tenant  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tests.index import gallery  # noqa: E402


def collection(name: str) -> Collection:
    """Return the collection of that name."""
    return Collection.unscoped.select_related("gallery__tenant", "tenant").get(name=name)


@cache
def vector(seed: int) -> np.ndarray:
    """Return the face of the seed."""
    return gallery.unit(np.random.default_rng(seed).standard_normal(128))


def enrol(name: str, seeds: list[int]) -> list[int]:
    """Enrol the faces of the seeds."""
    return gallery.enrol(face_index(), collection(name), [vector(seed) for seed in seeds])


def erase(name: str, ids: list[int]) -> None:
    """Erase faces."""
    gallery.erase(face_index(), collection(name), ids)


def search(name: str, seed: int, limit: int = 3) -> list[tuple[int, float]]:
    """Search with the face of the seed."""
    return _found(collection(name), seed, limit)


def search_there(tenant: str, name: str, seed: int) -> list[tuple[int, float]]:
    """Search as operations do, in a collection that may have been deleted."""
    try:
        where = find(system(Tenant.objects.get(slug=tenant), "tests"), name)
        return _found(where, seed, 3)
    except (Tenant.DoesNotExist, Gallery.DoesNotExist, CollectionNotFound, CollectionDeleted):
        return []


def _found(where: Collection, seed: int, limit: int) -> list[tuple[int, float]]:
    near = face_index().search(where.gallery, vector(seed), limit=limit, floor=-2)
    return [(one.face_id, one.cosine) for one in near]


def make(tenant: str, name: str) -> None:
    """Make a collection, and its tenant if it does not exist."""
    mine = Tenant.objects.filter(slug=tenant).first() or create_tenant(tenant, tenant)
    create_collection(system(mine, "tests"), name=name)


def delete(what: str, tenant: str, name: str, face: int) -> None:
    """Delete the person of that first face, or the collection, or the tenant."""
    caller = system(Tenant.objects.get(slug=tenant), "tests")
    if what == "person":
        delete_person(caller, collection=name, person=str(face))
    elif what == "collection":
        delete_collection(caller, name=name)
    else:
        erasure.erase_tenant(caller)


def compact(name: str) -> int:
    """Compact until nothing is due."""
    return compaction.compact(collection(name).gallery)


def rebuild(name: str) -> None:
    """Build every segment again."""
    tasks.rebuild_index.run(collection(name).pk)


def sweep() -> None:
    """Sweep without a grace period."""
    files.sweep(set(IndexSegment.unscoped.values_list("name", flat=True)), grace=-1)


def due() -> None:
    """Run what the schedule runs."""
    tasks.compact_due.run()


STEPS: dict[str, tuple[Any, str]] = {
    "write": (segments, "write"),
    "fsync": (os, "fsync"),
    "seal": (files, "seal"),
    "open": (compaction, "open_segment"),
    "test": (selftest, "examine"),
    "publish": (compaction, "_publish"),
}


def die(step: str, *, after: bool) -> None:
    """Kill this process at the step, before it or just after it."""
    module, name = STEPS[step]
    real: Callable[..., Any] = getattr(module, name)

    def fatal(*args: Any, **named: Any) -> None:
        if after:
            real(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, fatal)


def memory() -> dict[str, int]:
    """Return this process's private bytes, the bytes the index reports, and the number of open files."""
    index = face_index()
    assert isinstance(index, LocalIndex)
    held = sum(one.bytes for one in index._cached.values())  # noqa: SLF001 -- only this test reads it
    return {"own": anonymous_bytes(), "held": held, "files": len(list(Path("/proc/self/fd").iterdir()))}


def bound(cap: int) -> None:
    """Limit the index to so many bytes, and SQLite's own cache to almost none."""
    settings.INDEX_MEMORY_BYTES = cap
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA cache_size=-1000")


def small(**values: int) -> None:
    """Change settings."""
    for name, value in values.items():
        setattr(settings, name, value)


if __name__ == "__main__":
    COMMANDS = {
        f.__name__: f
        for f in (
            enrol,
            erase,
            search,
            search_there,
            make,
            delete,
            compact,
            rebuild,
            sweep,
            due,
            die,
            memory,
            bound,
            small,
        )
    }
    for line in sys.stdin:
        command, named = json.loads(line)
        print(json.dumps(COMMANDS[command](**named)), flush=True)  # noqa: T201
