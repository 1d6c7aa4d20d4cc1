"""A gallery is due exactly when the work on it has something to do, so that none is called for again and again."""

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


def told_truly(customer: Customer) -> bool:
    """Say whether the gallery is due; the work then does something, or nothing, accordingly, and it is due no more."""
    due = customer.people.pk in tasks.due()
    assert (compaction.compact(customer.people.gallery) > 0) == due
    assert customer.people.pk not in tasks.due()
    return due


def test_a_few_who_came_and_left_again_are_no_work(acme: Customer, segments: LocalIndex) -> None:
    ids = enrol(segments, acme.people, faces(10))
    erase(segments, acme.people, ids[:5])
    assert not told_truly(acme)


def test_a_small_segment_of_a_large_gallery_is_made_anew_when_many_of_it_are_dead(
    acme: Customer, segments: LocalIndex
) -> None:
    enrol(segments, acme.people, faces(300))
    assert told_truly(acme)
    ids = enrol(segments, acme.people, faces(60))
    assert told_truly(acme)
    erase(segments, acme.people, ids[:12])
    assert not told_truly(acme)
    erase(segments, acme.people, ids[12:13])
    assert told_truly(acme)
    assert sorted(acme.people.gallery.segments.values_list("rows", flat=True)) == [47, 300]


def before_building(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Let something happen between the plan and the building, once."""
    build = compaction._build  # noqa: SLF001 -- this moment has no name outside

    def late(*arguments: Any) -> IndexSegment | None:
        monkeypatch.setattr(compaction, "_build", build)
        then()
        return build(*arguments)

    monkeypatch.setattr(compaction, "_build", late)


def test_who_left_while_nothing_was_left_to_build_is_no_work_later(
    acme: Customer, segments: LocalIndex, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tombstones are in no segment, so no compaction would ever take them in."""
    ids = enrol(segments, acme.people, faces(100))
    before_building(monkeypatch, lambda: erase(segments, acme.people, ids))
    assert told_truly(acme)
    acme.people.gallery.tombstones.update(at=timezone.now() - timedelta(hours=settings.INDEX_ERASURE_HOURS + 1))
    assert not told_truly(acme)
    assert not acme.people.gallery.tombstones.exists()


def test_without_segments_nothing_is_due(acme: Customer, segments: LocalIndex, settings: Settings) -> None:
    enrol(segments, acme.people, faces(100))
    settings.FACE_INDEX = "exact"
    assert tasks.due() == set()


def test_a_gallery_that_moves_to_pgvector_meanwhile_gets_no_segment(
    acme: Customer, segments: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would read it, and a receipt of erasure does not wait for it; the job is over, not finished."""
    enrol(segments, acme.people, faces(100))
    mine = Gallery.objects.of(acme.tenant)
    before_building(monkeypatch, lambda: mine.update(mirrored=True))
    assert compaction.compact(acme.people.gallery) == 0
    assert not IndexSegment.objects.of(acme.tenant).exists()
    assert not files.of_tenant(acme.tenant.pk)
    assert tasks.due() == set()
    assert list_jobs(acme.caller, limit=50).jobs == ()
    assert (index_job(acme.people).state, index_job(acme.people).finished_at) == ("done", None)
