"""A gallery is due exactly when compaction has work to do, so that no task is queued in vain."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from collections_app.operations.jobs import index_job, list_jobs
from recognition import tasks
from recognition.index import compaction, files
from recognition.index.local import LocalIndex
from recognition.models import Gallery, IndexSegment
from tests.conftest import Customer
from tests.index.gallery import enrol, erase, people


def faces(count: int) -> np.ndarray:
    return people(np.random.default_rng(count), count, 1)


def due_exactly_once(customer: Customer) -> bool:
    """Say whether the gallery is due; check that compaction agrees, and that it is not due afterwards."""
    due = customer.people.pk in tasks.due()
    assert (compaction.compact(customer.people.gallery) > 0) == due
    assert customer.people.pk not in tasks.due()
    return due


def test_a_few_templates_added_and_removed_again_are_not_due(acme: Customer, segments: LocalIndex) -> None:
    ids = enrol(segments, acme.people, faces(10))
    erase(segments, acme.people, ids[:5])
    assert not due_exactly_once(acme)


def test_a_small_segment_of_a_large_gallery_is_rebuilt_when_many_of_its_rows_are_removed(
    acme: Customer, segments: LocalIndex
) -> None:
    enrol(segments, acme.people, faces(300))
    assert due_exactly_once(acme)
    ids = enrol(segments, acme.people, faces(60))
    assert due_exactly_once(acme)
    erase(segments, acme.people, ids[:12])
    assert not due_exactly_once(acme)
    erase(segments, acme.people, ids[12:13])
    assert due_exactly_once(acme)
    assert sorted(acme.people.gallery.segments.values_list("rows", flat=True)) == [47, 300]


def before_building(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Run a function once, between planning and building."""
    build = compaction._build  # noqa: SLF001 -- this moment has no public name

    def late(*arguments: Any) -> IndexSegment | None:
        monkeypatch.setattr(compaction, "_build", build)
        then()
        return build(*arguments)

    monkeypatch.setattr(compaction, "_build", late)


def test_who_left_while_nothing_was_left_to_build_is_no_work_later(
    acme: Customer, segments: LocalIndex, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tombstones belong to no segment, so no compaction would ever delete them."""
    ids = enrol(segments, acme.people, faces(100))
    before_building(monkeypatch, lambda: erase(segments, acme.people, ids))
    assert due_exactly_once(acme)
    acme.people.gallery.tombstones.update(at=timezone.now() - timedelta(hours=settings.INDEX_ERASURE_HOURS + 1))
    assert not due_exactly_once(acme)
    assert not acme.people.gallery.tombstones.exists()


def test_without_segments_nothing_is_due(acme: Customer, segments: LocalIndex, settings: Settings) -> None:
    enrol(segments, acme.people, faces(100))
    settings.FACE_INDEX = "exact"
    assert tasks.due() == set()


def test_a_gallery_that_moves_to_pgvector_meanwhile_gets_no_segment(
    acme: Customer, segments: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file would never be read, and an erasure receipt does not wait for it; the job ends without finishing."""
    enrol(segments, acme.people, faces(100))
    mine = Gallery.objects.of(acme.tenant)
    before_building(monkeypatch, lambda: mine.update(mirrored=True))
    assert compaction.compact(acme.people.gallery) == 0
    assert not IndexSegment.objects.of(acme.tenant).exists()
    assert not files.names_of(acme.tenant.pk)
    assert tasks.due() == set()
    assert list_jobs(acme.caller, limit=50).jobs == ()
    assert (index_job(acme.people).state, index_job(acme.people).finished_at) == ("done", None)
