"""What two callers do at the same time adds up: on PostgreSQL their transactions run side by side."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from collections_app import erasure, stores
from collections_app.errors import CollectionDeleted, CollectionNotFound
from collections_app.models import Collection, Face, Receipt
from collections_app.operations.collections import create_collection, delete_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.members import change_role
from recognition.index.lease import Lease
from recognition.models import Gallery
from tenants import rls
from tenants.access import caller_for_member
from tenants.errors import OwnerNeeded, QuotaExceeded
from tenants.models import Member, Tenant
from tests.conftest import Customer
from tests.make import portrait

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="its writers follow one another"),
]


def _at_once(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run them together, each in its thread; return what each answered or raised."""
    works = list(works)
    ready = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        try:
            with rls.all_tenants():
                ready.wait(30)
                return work()
        except (CollectionDeleted, CollectionNotFound, OwnerNeeded, QuotaExceeded) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_two_owners_cannot_demote_each_other(acme: Customer) -> None:
    places = []
    for name in ("ada", "grace"):
        user = User.objects.create_user(name)
        places.append(Member.unscoped.create(tenant=acme.tenant, user=user, role="owner"))
    found = [caller_for_member(place.user, "acme") for place in places]
    callers = [caller for caller in found if caller]
    for _ in range(10):
        done = _at_once(
            partial(change_role, caller, member=other.pk, role="operator")
            for caller, other in zip(callers, reversed(places), strict=True)
        )
        assert [type(answer) for answer in done].count(OwnerNeeded) == 1
        assert Member.objects.of(acme.tenant).filter(role="owner").count() == 1
        Member.objects.of(acme.tenant).update(role="owner")


def test_a_quota_of_collections_holds(acme: Customer) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(collection_quota=3)
    acme.tenant.refresh_from_db()
    done = _at_once(partial(create_collection, acme.caller, name=f"room-{number}") for number in range(6))
    assert [type(answer) for answer in done].count(QuotaExceeded) == 4
    assert Collection.objects.of(acme.tenant).count() == 3


def test_a_quota_of_faces_holds_over_collections(acme: Customer) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(face_quota=2)
    acme.tenant.refresh_from_db()
    rooms = [create_collection(acme.caller, name=f"room-{number}").name for number in range(5)]
    enrol = partial(enrol_face, acme.caller, image=portrait("obama"), person=PersonDetails())
    done = _at_once(partial(enrol, collection=room) for room in rooms)
    assert [type(answer) for answer in done].count(QuotaExceeded) == 3
    assert Face.objects.of(acme.tenant).count() == 2


def test_a_collection_is_deleted_once(acme: Customer) -> None:
    done = _at_once(partial(delete_collection, acme.caller, name="people") for _ in range(4))
    assert [type(answer) for answer in done].count(Receipt) == 1
    assert Receipt.objects.of(acme.tenant).count() == 1


def test_erasing_and_publishing_take_their_locks_in_the_same_order(acme: Customer) -> None:
    """A worker that publishes locks the gallery, then its lease; neither a receipt nor a purge may hold it up."""
    enrol_face(acme.caller, collection="people", image=portrait("obama"), person=PersonDetails())
    face = Face.objects.of(acme.tenant).get()
    receipt = delete_face(acme.caller, collection="people", face=face.uuid)
    lease = Lease.take(acme.people.gallery)
    assert lease
    locked = Barrier(2)

    def publish() -> None:
        with transaction.atomic():
            Gallery.objects.of(acme.tenant).select_for_update(no_key=True).get()
            locked.wait(30)
            _wait_until_another_waits()
            lease.hold()

    def erase_after(erase: Callable[[], Any]) -> None:
        locked.wait(30)
        erase()

    for erase in (partial(erasure.finish, receipt), partial(stores.remove_rows, Gallery.objects.of(acme.tenant))):
        assert len(_at_once([publish, partial(erase_after, erase)])) == 2  # a deadlock would raise
    assert not Gallery.objects.of(acme.tenant).exists()


def _wait_until_another_waits(seconds: float = 2) -> None:
    """Wait until another connection to this database waits for a lock, or until it evidently does not."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() != (0,):
                return
        time.sleep(0.05)
