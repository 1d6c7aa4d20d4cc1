"""An erasure receipt waits for the index's files."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from collections_app import erasure
from collections_app import tasks as collection_tasks
from collections_app.models import Collection, Face, Receipt
from collections_app.operations.collections import create_collection, delete_collection
from collections_app.operations.erase import delete_face
from recognition import tasks
from recognition.index import compaction, files, selftest
from recognition.index.lease import Lease
from recognition.index.local import LocalIndex
from recognition.models import Compaction, IndexSegment
from tests.conftest import Customer
from tests.index.gallery import enrol, people

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def filled(acme: Customer, segments: LocalIndex) -> list[int]:
    """A hundred faces in one segment."""
    ids = enrol(segments, acme.people, people(np.random.default_rng(13), 100, 1))
    compaction.compact(acme.people.gallery)
    return ids


def _published() -> set[str]:
    return set(IndexSegment.unscoped.values_list("name", flat=True))


def test_a_face_s_receipt_waits_until_no_file_holds_it(acme: Customer, filled: list[int], settings: Settings) -> None:
    """Check 23: the certificate names the index files, and is issued only once they were rebuilt and swept."""
    face = Face.objects.of(acme.tenant).get(pk=filled[0])
    receipt = delete_face(acme.caller, collection="people", face=face.uuid)
    assert receipt.segments == list(_published())
    assert (receipt.searches, receipt.found_again) == (1, 0)
    assert not erasure.finish(receipt)
    acme.people.gallery.tombstones.update(at=timezone.now() - timedelta(hours=settings.INDEX_ERASURE_HOURS + 1))
    tasks.compact_due.run()
    assert not erasure.finish(receipt)  # rebuilt, but the old file still exists
    files.sweep(_published(), grace=-1)
    assert erasure.finish(receipt)
    assert {"store": "index files", "left": 0} in receipt.document["stores"]


def test_a_compaction_that_read_the_face_just_before_it_went_is_followed(acme: Customer, filled: list[int]) -> None:
    """Check 23: a file made after the erasure that still holds the template counts too."""
    face = Face.objects.of(acme.tenant).get(pk=filled[0])
    receipt = delete_face(acme.caller, collection="people", face=face.uuid)
    late = IndexSegment.objects.of(acme.tenant).get()
    late.pk, late.name = None, "f" * 32
    late.save(force_insert=True)
    assert not erasure.finish(receipt)
    assert set(receipt.segments) == _published()


def test_a_receipt_waits_for_whoever_may_still_publish_the_face(
    acme: Customer, segments: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 23: a face is erased while a worker that has read it builds a segment: signed once that file is gone."""
    ids = enrol(segments, acme.people, people(np.random.default_rng(13), 100, 1))
    face = Face.objects.of(acme.tenant).get(pk=ids[0])
    receipts: list[Receipt] = []
    examine = selftest.examine

    def examined(*args: Any) -> Any:
        receipts.append(delete_face(acme.caller, collection="people", face=face.uuid))
        assert not erasure.finish(receipts[0])
        return examine(*args)

    monkeypatch.setattr(selftest, "examine", examined)
    compaction.compact(acme.people.gallery)
    assert not erasure.finish(receipts[0])
    assert set(receipts[0].segments) == _published()
    monkeypatch.undo()
    compaction.outdate(acme.people.gallery)
    compaction.compact(acme.people.gallery)
    files.sweep(_published(), grace=-1)
    assert erasure.finish(receipts[0])


def test_who_slept_through_the_lease_publishes_nothing(
    acme: Customer, segments: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 23: a receipt does not wait for such a worker; the files it sealed count until they are swept."""
    ids = enrol(segments, acme.people, people(np.random.default_rng(13), 100, 1))
    face = Face.objects.of(acme.tenant).get(pk=ids[0])
    seal = files.seal

    def late(*args: Any, **named: Any) -> str:
        digest = seal(*args, **named)
        receipt = delete_face(acme.caller, collection="people", face=face.uuid)
        Compaction.objects.of(acme.tenant).update(leased_until=timezone.now() - timedelta(seconds=1))
        assert not erasure.finish(receipt)
        monkeypatch.setattr(Lease, "progress", lambda *_: None)
        return digest

    monkeypatch.setattr(files, "seal", late)
    compaction.compact(acme.people.gallery)
    assert not _published()
    assert not files.names_of(acme.tenant.pk)
    assert erasure.finish(Receipt.objects.of(acme.tenant).get())


def test_another_host_s_opened_copies_go_when_it_reads_the_next_version(
    acme: Customer, filled: list[int], segments: LocalIndex, settings: Settings, tmp_path: Path
) -> None:
    """Check 23: both those it had open and those of deleted collections; no worker sweeps that host's folder."""
    gone = create_collection(acme.caller, name="gone")
    vectors = people(np.random.default_rng(14), 100, 1)
    enrol(segments, gone, vectors)
    compaction.compact(gone.gallery)

    def search(collection: Collection) -> None:
        other_host.search(collection.gallery, vectors[0], limit=1, floor=-1.0)

    here, there = settings.INDEX_OPEN_DIR, tmp_path / "other-host"
    other_host, settings.INDEX_OPEN_DIR = LocalIndex(segmented=True), there
    search(acme.people)
    search(gone)
    assert len(list(there.glob("*/*"))) == 2
    settings.INDEX_OPEN_DIR = here
    delete_collection(acme.caller, name="gone")
    collection_tasks.purge_due()
    files.sweep(_published(), grace=-1)
    compaction.outdate(acme.people.gallery)
    compaction.compact(acme.people.gallery)
    settings.INDEX_OPEN_DIR = there
    search(acme.people)
    assert {path.stem for path in there.glob("*/*")} == _published()


def test_a_collection_s_receipt_waits_for_its_files(acme: Customer, filled: list[int]) -> None:
    """Check 23: the same for a collection."""
    receipt = delete_collection(acme.caller, name="people")
    collection_tasks.purge_due()
    receipt.refresh_from_db()
    assert receipt.completed_at is None
    files.sweep(_published(), grace=-1)
    collection_tasks.purge_due()
    receipt.refresh_from_db()
    assert receipt.document["erased"]["faces"] == 100


def test_a_collection_s_purge_waits_for_whoever_makes_a_segment_of_it(acme: Customer, segments: LocalIndex) -> None:
    """Check 23: a segment that it publishes meanwhile counts too."""
    enrol(segments, acme.people, people(np.random.default_rng(13), 100, 1))
    lease = Lease.take(acme.people.gallery)
    assert lease
    receipt = delete_collection(acme.caller, name="people")
    collection_tasks.purge_due()
    assert acme.people.faces.count() == 100
    lease.release()
    compaction.compact(acme.people.gallery)
    collection_tasks.purge_due()
    receipt.refresh_from_db()
    assert (acme.people.faces.count(), receipt.completed_at) == (0, None)
    files.sweep(_published(), grace=-1)
    collection_tasks.purge_due()
    receipt.refresh_from_db()
    assert receipt.document["erased"]["faces"] == 100


def test_a_tenant_s_files_go_with_it(acme: Customer, filled: list[int]) -> None:
    """Check 23: the same for a tenant, at once."""
    assert files.names_of(acme.tenant.pk)
    receipt = erasure.erase_tenant(acme.caller)
    assert not files.names_of(acme.tenant.pk)
    assert {store["left"] for store in receipt.document["stores"]} == {0}
