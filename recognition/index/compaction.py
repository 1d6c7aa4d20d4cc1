"""Compaction: turn templates into segments, in the background.

Every change of a gallery gets the next sequence number; `Gallery.head` is the latest. Segments hold the templates
numbered up to `Gallery.base`. The templates after `base` are the delta, which searches read from the database. Removing
a template leaves a tombstone, because a segment may still hold it. A gallery is due when its delta has grown, when a
segment has many tombstones or one whose time for erasure is over, or when a segment cannot be used.

The steps: plan a span of sequence numbers, read its templates, build the file, seal it, open it again, test it against
exact search, publish. To publish is one transaction under the gallery's row lock. It checks the lease's token and the
version that the plan was made for, replaces the span's segments, deletes the tombstones that the new file has taken in,
and advances `base`. Before it nothing refers to the new file; after it nothing needs the old ones.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from recognition.index import files, segments, selftest, store
from recognition.index.lease import Lease, LeaseLost
from recognition.index.local import open_segment
from recognition.models import Embedding, Gallery, IndexSegment, Tombstone
from tenants import events
from tenants.vault import Vault

logger = logging.getLogger("faceplane.index")
DEAD_SHARE = 0.2
_GROWTH = 2  # a segment is merged with what follows it if it is at most this many times as large
TOMBSTONES_AT_LEAST = 1000
_FLOAT = 4
_KINDS = (IndexSegment.Kind.GRAPH, IndexSegment.Kind.SCAN, IndexSegment.Kind.FLAT)


class AllKindsFailed(Exception):
    """No kind of segment passed its test."""


@dataclass(frozen=True, slots=True)
class Span:
    """Templates numbered `low` < sequence <= `high`, which become one segment, or none if all were removed."""

    low: int
    high: int


def compact(gallery: Gallery) -> int:
    """Make every segment that is due; return how many were published. Do nothing if another worker has the lease.

    Raises:
        NoRoom: the folder for building is full.
    """
    lease = Lease.take(gallery)
    if lease is None:
        return 0
    published = 0
    try:
        while plan := _plan(gallery):
            _publish_span(gallery, *plan, lease)
            published += 1
    except (LeaseLost, Gallery.DoesNotExist):
        logger.info("Another worker took the work over.", extra={"gallery": gallery.pk})
        return published
    except Exception as error:
        lease.release(fault=type(error).__name__)
        raise
    lease.release()
    return published


def outdate(gallery: Gallery) -> None:
    """Mark every segment for rebuilding; they are searched until they are replaced."""
    segments_ = IndexSegment.objects.of(gallery.tenant).filter(gallery=gallery)
    segments_.update(condition=IndexSegment.Condition.OUTDATED)


def due(galleries: QuerySet[Gallery], segments: QuerySet[IndexSegment], tombstones: QuerySet[Tombstone]) -> set[int]:
    """Return the ids of the galleries for which `compact` has work to do."""
    stale = _stale(segments, tombstones).values_list("gallery_id", flat=True)
    return {*_delta_due(galleries).values_list("pk", flat=True), *stale}


def _plan(gallery: Gallery) -> tuple[store.State, Span] | None:
    """Return what to build next and the gallery's state that this was planned for; None: nothing is due.

    Raises:
        Gallery.DoesNotExist: the gallery was erased.
    """
    state, published = store.layout(gallery)
    mine = IndexSegment.objects.of(gallery.tenant).filter(gallery=gallery)
    if stale := _stale(mine, Tombstone.objects.of(gallery.tenant)).order_by("low").first():
        return state, Span(stale.low, stale.high)
    if _delta_due(Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk)).exists():
        return state, _tail(gallery, state, published)
    return None


def _stale(segments: QuerySet[IndexSegment], tombstones: QuerySet[Tombstone]) -> QuerySet[IndexSegment]:
    """Narrow to those to be rebuilt: not sound, with many tombstones, or with one whose time for erasure is over."""
    mine = tombstones.filter(
        gallery=OuterRef("gallery"), added_seq__gt=OuterRef("low"), added_seq__lte=OuterRef("high")
    )
    late = mine.filter(at__lt=timezone.now() - timedelta(hours=settings.INDEX_ERASURE_HOURS))
    dead = mine.values("gallery").annotate(dead=Count("pk")).values("dead")
    unsound = ~Q(condition=IndexSegment.Condition.SOUND)
    return segments.filter(
        unsound | Exists(late) | GreaterThan(Subquery(dead), F("rows") * DEAD_SHARE), gallery__mirrored=False
    )


def _delta_due(galleries: QuerySet[Gallery]) -> QuerySet[Gallery]:
    """Narrow to those with many changes after `base`, or many templates that were added and removed there."""
    counted = galleries.filter(mirrored=False).annotate(
        removed=Count("tombstones", filter=Q(tombstones__added_seq__gt=F("base")))
    )
    many = Q(removed__gt=TOMBSTONES_AT_LEAST) & Q(removed__gt=F("size") * DEAD_SHARE)
    return counted.filter(Q(head__gt=F("base") + settings.INDEX_DELTA_ROWS) | many)


def _tail(gallery: Gallery, state: store.State, published: Sequence[IndexSegment]) -> Span:
    """Return the delta, with the segments before it that are not much larger, up to a segment's maximum of rows."""
    fresh = Embedding.objects.of(gallery.tenant).filter(
        gallery=gallery, sequence__gt=state.base, sequence__lte=state.head
    )
    numbers = fresh.order_by("sequence").values_list("sequence", flat=True)
    most = settings.INDEX_SEGMENT_ROWS
    last = numbers[most - 1 : most].first()
    if last is not None:
        return Span(state.base, last)
    low, rows = state.base, fresh.count()
    for segment in reversed(published):
        if segment.rows > _GROWTH * max(rows, settings.INDEX_DELTA_ROWS) or segment.rows + rows > most:
            break
        low, rows = segment.low, rows + segment.rows
    return Span(low, state.head)


def _publish_span(gallery: Gallery, state: store.State, span: Span, lease: Lease) -> None:
    """Build the span and publish it; a file that cannot be published is removed."""
    segment = _build(gallery, span, lease)
    try:
        _publish(gallery, span, state, segment, lease)
    except BaseException:
        if segment:
            files.remove(segment)
        raise


def _build(gallery: Gallery, span: Span, lease: Lease) -> IndexSegment | None:
    """Make the span's file in the best kind that passes its test; None: no template is left in the span.

    Raises:
        AllKindsFailed: not even the exact kind passed, so something is broken; what is published stays.
    """
    mine = Embedding.objects.of(gallery.tenant).filter(gallery=gallery, sequence__gt=span.low, sequence__lte=span.high)
    total, width = mine.count(), store.dimension(gallery)
    if not total:
        return None
    with files.draft(lease.prefix, total * width * _FLOAT) as raw:
        ids = np.zeros(total, dtype=np.int64)
        vectors = np.memmap(raw, "<f4", "w+", shape=(total, width))
        filled = 0
        for rows in store.rows(gallery, span.low, span.high):
            upto = filled + len(rows.ids)
            ids[filled:upto], vectors[filled:upto] = rows.ids, rows.vectors
            filled = upto
            lease.progress("reading", filled, total)
        if not filled:
            return None
        for kind in _kinds(gallery, filled * width * _FLOAT):
            segment = IndexSegment(
                tenant_id=gallery.tenant_id,
                gallery=gallery,
                name=lease.prefix + secrets.token_hex(4),
                kind=kind,
                pack=gallery.pack,
                low=span.low,
                high=span.high,
                rows=filled,
            )
            if _build_file(segment, ids[:filled], vectors[:filled], lease):
                return segment
    raise AllKindsFailed(gallery.pk)


def _kinds(gallery: Gallery, size: int) -> tuple[str, ...]:
    """Return the kinds to try, best first. The last is flat, which is exact and so always passes."""
    if size <= settings.INDEX_EXACT_BYTES:
        return _KINDS[2:]
    return _KINDS if gallery.size >= settings.INDEX_GRAPH_ROWS else _KINDS[1:]


def _build_file(segment: IndexSegment, ids: np.ndarray, vectors: np.ndarray, lease: Lease) -> bool:
    """Write and seal the segment's file, open it again, and test it; say whether it passed."""
    gallery, rows, size = segment.gallery, len(ids), 2 * vectors.nbytes
    with files.draft(segment.name, size) as target, files.draft(segment.name, 0) as scratch:
        segments.write(
            segment.kind,
            ids,
            vectors,
            target,
            scratch=scratch,
            progress=lambda row: lease.progress("building", row, rows),
        )
        segment.bytes = target.stat().st_size
        lease.progress("sealing", 0, rows)
        segment.digest = files.seal(
            target, vault=Vault.of(gallery.tenant), tenant_id=segment.tenant_id, name=segment.name
        )
    try:
        part = open_segment(segment, gallery)
        gate = selftest.examine(part, ids, vectors, lambda probe: lease.progress("testing", probe, rows))
    except BaseException:
        files.remove(segment)
        raise
    segment.expansion, segment.rank1, segment.recall = part.expansion, gate.rank1, gate.recall
    facts = {"gallery": gallery.pk, "kind": segment.kind, "rows": rows, "rank1": gate.rank1, "recall": gate.recall}
    if gate.passed:
        logger.info("A segment passed its test.", extra=facts)
        return True
    logger.warning("A segment failed its test and is not published.", extra=facts)
    files.remove(segment)
    return False


def _publish(gallery: Gallery, span: Span, state: store.State, segment: IndexSegment | None, lease: Lease) -> None:
    """Replace the segments of the span and delete the tombstones it has taken in, in one transaction.

    A template that was removed after the plan may be in the new file, so its tombstone stays.
    """
    with transaction.atomic():
        locked = Gallery.objects.of(gallery.tenant).select_for_update(no_key=True).get(pk=gallery.pk)
        lease.hold()
        if locked.mirrored or locked.version != state.version:
            raise LeaseLost
        mine = IndexSegment.objects.of(gallery.tenant).filter(gallery=gallery)
        mine.filter(low__gte=span.low, high__lte=span.high).delete()
        if segment:
            segment.save(force_insert=True)
        tombstones = Tombstone.objects.of(gallery.tenant).filter(
            gallery=gallery, added_seq__gt=span.low, added_seq__lte=span.high
        )
        (tombstones.filter(sequence__lte=state.head) if segment else tombstones).delete()
        locked.version += 1
        locked.base = max(locked.base, span.high)
        locked.save(update_fields=["version", "base"])
        events.emit(
            gallery.tenant,
            events.Kind.COLLECTION_INDEX_READY,
            collection_id=str(gallery.collection_id),
            faces=locked.size,
        )
