"""The stores that hold data of enrolled people. An erasure purges each and counts what is left in it.

STORES lists all of them, in the order of purging and of a receipt's document. A new store is a new entry there.
Longer than 300 lines: the stores are read together, since what one leaves another must not need.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.apps import apps
from django.db import transaction
from django.db.models import Q, QuerySet

from collections_app import job_files, storage
from collections_app.models import (
    AnsweredFace,
    BarredReference,
    BulkJob,
    Face,
    JobFile,
    JobUnit,
    JudgedMatch,
    KeyedRequest,
    ModelChange,
    NearMatch,
    Person,
    Receipt,
)
from recognition.index import files, pgvector_graph
from recognition.models import Calibration, Embedding, Gallery, IndexSegment
from tenants.models import AuditEntry, AuditHead, CaptureToken, DataKey, LoggedRequest
from tenants.scope import TenantOwned

_BATCH = 500
_KEPT = (AuditHead, AuditEntry, Receipt)


class Store(Protocol):
    """A place that may hold data of an erased face, person, collection or tenant."""

    @property
    def name(self) -> str:
        """Its name in receipts; of two stores with the same name an erasure concerns only one."""

    @property
    def in_receipt(self) -> bool:
        """Whether the receipt's document lists it."""

    def purge(self, receipt: Receipt) -> None:
        """Remove what the receipt says must be erased. Can be run again at any point."""

    def left(self, receipt: Receipt) -> int | None:
        """Count what is left; None: the erasure does not concern the store, or another store's count covers it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a model, found with one lookup for each kind of erasure; kinds without a lookup do not concern them.

    `collection` takes a collection's id, `gallery` galleries' ids, `faces` a list of faces' ids, `person` a person's
    id.
    """

    name: str
    model: type[TenantOwned]
    tenant: bool = True
    collection: str = ""
    gallery: str = ""
    faces: str = ""
    person: str = ""
    in_receipt: bool = True

    def purge(self, receipt: Receipt) -> None:
        """Delete the rows, in batches."""
        rows = self._rows(receipt)
        if rows is not None:
            remove_rows(rows)

    def left(self, receipt: Receipt) -> int | None:
        """Count the rows."""
        rows = self._rows(receipt)
        return None if rows is None else rows.count()

    def _rows(self, receipt: Receipt) -> QuerySet[Any] | None:
        rows = self.model.objects.of(receipt.tenant)
        if receipt.kind == Receipt.Kind.TENANT:
            return rows if self.tenant else None
        if receipt.kind == Receipt.Kind.TEMPLATES:
            return rows.filter(**{self.gallery: [receipt.subject]}) if self.gallery else None
        if receipt.kind == Receipt.Kind.COLLECTION and self.gallery:
            those = Gallery.objects.of(receipt.tenant).filter(collection=receipt.collection_id)
            return rows.filter(**{self.gallery: those.values("pk")})
        if receipt.kind == Receipt.Kind.COLLECTION:
            return rows.filter(**{self.collection: receipt.collection_id}) if self.collection else None
        if receipt.kind == Receipt.Kind.PERSON and self.person:
            return rows.filter(**{self.person: receipt.subject})
        return rows.filter(**{self.faces: receipt.faces}) if self.faces else None


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """The answers that are kept for requests that are repeated, with the faces that they describe (AnsweredFace)."""

    name: str = "kept answers"
    in_receipt: bool = True

    def purge(self, receipt: Receipt) -> None:
        """Delete the answers."""
        remove_rows(self._rows(receipt))

    def left(self, receipt: Receipt) -> int | None:
        """Count the answers."""
        return self._rows(receipt).count()

    def _rows(self, receipt: Receipt) -> QuerySet[KeyedRequest]:
        rows, told = KeyedRequest.objects.of(receipt.tenant), AnsweredFace.objects.of(receipt.tenant)
        if receipt.kind == Receipt.Kind.TENANT:
            return rows
        if receipt.kind == Receipt.Kind.COLLECTION:
            told = told.filter(collection_id=receipt.collection_id)
        else:
            told = told.filter(face_id__in=receipt.faces)
        return rows.filter(pk__in=told.values("request"))  # not a join, which would lock both


@dataclass(frozen=True, slots=True)
class Graphs:
    """The search graphs of a gallery in PostgreSQL; they are dropped before the gallery's row, which refers to them."""

    name: str = "search graphs"
    in_receipt: bool = False

    def purge(self, receipt: Receipt) -> None:
        """Drop the graphs of a collection, a gallery or a tenant; the index removes single faces from theirs."""
        galleries = Gallery.objects.of(receipt.tenant)
        if receipt.kind == Receipt.Kind.TENANT:
            pgvector_graph.drop(galleries.values_list("pk", flat=True))
        elif receipt.kind == Receipt.Kind.COLLECTION:
            pgvector_graph.drop(galleries.filter(collection=receipt.collection_id).values_list("pk", flat=True))
        elif receipt.kind == Receipt.Kind.TEMPLATES:
            pgvector_graph.drop([int(receipt.subject)])

    def left(self, receipt: Receipt) -> int | None:
        """Return None: a graph has no rows besides those of the templates' table."""
        return None


@dataclass(frozen=True, slots=True)
class OtherRows:
    """All other rows of a tenant, so that no model is forgotten; the audit chain and the receipts stay."""

    name: str = "other rows"
    in_receipt: bool = False

    def purge(self, receipt: Receipt) -> None:
        """Delete them if the tenant is erased."""
        if receipt.kind != Receipt.Kind.TENANT:
            return
        for model in apps.get_models():
            if issubclass(model, TenantOwned) and model not in _KEPT:
                remove_rows(model.objects.of(receipt.tenant))

    def left(self, receipt: Receipt) -> int | None:
        """Return None: they are counters and settings, and a request that is still running may write one."""
        return None


@dataclass(frozen=True, slots=True)
class KeptImages:
    """The files of kept images: for a tenant or collection all in its folder, else those that the receipt lists."""

    name: str = "kept images"
    in_receipt: bool = True

    def purge(self, receipt: Receipt) -> None:
        """Remove the files."""
        for file in self._files(receipt):
            storage.erase(file)

    def left(self, receipt: Receipt) -> int | None:
        """Count the files that still exist."""
        return sum(storage.exists(file) for file in self._files(receipt))

    def _files(self, receipt: Receipt) -> list[str]:
        if receipt.kind == Receipt.Kind.TENANT:
            return list(storage.names(receipt.tenant_id))
        if receipt.kind == Receipt.Kind.COLLECTION:
            return list(storage.names(receipt.tenant_id, int(receipt.subject)))
        named: list[str] = receipt.files
        return named


@dataclass(frozen=True, slots=True)
class IndexFiles:
    """The index's segment files. Without a tenant's erasure a sweep removes them, once no row refers to them."""

    name: str = "index files"
    in_receipt: bool = True

    def purge(self, receipt: Receipt) -> None:
        """Remove all files, if the tenant is erased."""
        if receipt.kind == Receipt.Kind.TENANT:
            files.erase_tenant(receipt.tenant_id)

    def left(self, receipt: Receipt) -> int | None:
        """Count the files that have an erased template, or may have one: all files that are not published."""
        names = files.names_of(receipt.tenant_id)
        if receipt.kind != Receipt.Kind.TENANT:
            published = IndexSegment.objects.of(receipt.tenant).values_list("name", flat=True)
            names = names.difference(published) | set(receipt.segments)
        return files.count_existing(receipt.tenant_id, names)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs with their units and files. Of an erased face, what its unit holds, and the files that may have it.

    These are the received files that it came in, and the bundles of its collection that were asked for before. A job
    that is under way still needs them: the receipt waits for its end.
    """

    name: str = "jobs"
    in_receipt: bool = False

    def purge(self, receipt: Receipt) -> None:
        """Remove the jobs of a tenant or collection; empty the units of erased faces."""
        if self._whole(receipt):
            for file in storage.job_names(self._folder(receipt)):
                storage.erase(file)
            jobs = self._jobs(receipt)
            remove_rows(JobUnit.objects.of(receipt.tenant).filter(job__in=jobs))
            remove_rows(jobs)
            return
        units = self._units(receipt)
        units.update(payload=b"", result=None)
        over = BulkJob.objects.of(receipt.tenant).exclude(state__in=["waiting", "running"])
        for file in self._given(receipt).filter(job__in=over):
            job_files.remove(file)

    def left(self, receipt: Receipt) -> int | None:
        """Count what is left of them."""
        if self._whole(receipt):
            return sum(1 for _ in storage.job_names(self._folder(receipt))) + self._jobs(receipt).count()
        return self._units(receipt).exclude(payload=b"").count() + self._given(receipt).count()

    def _whole(self, receipt: Receipt) -> bool:
        return receipt.kind in {Receipt.Kind.TENANT, Receipt.Kind.COLLECTION}

    def _folder(self, receipt: Receipt) -> str:
        of = None if receipt.kind == Receipt.Kind.TENANT else int(receipt.subject)
        return storage.job_folder(receipt.tenant_id, of)

    def _jobs(self, receipt: Receipt) -> QuerySet[BulkJob]:
        jobs: QuerySet[BulkJob] = BulkJob.objects.of(receipt.tenant)
        return jobs if receipt.kind == Receipt.Kind.TENANT else jobs.filter(collection_id=receipt.subject)

    def _units(self, receipt: Receipt) -> QuerySet[JobUnit]:
        units: QuerySet[JobUnit] = JobUnit.objects.of(receipt.tenant).filter(face_id__in=receipt.faces)
        return units

    def _given(self, receipt: Receipt) -> QuerySet[JobFile]:
        files: QuerySet[JobFile] = JobFile.objects.of(receipt.tenant).select_related("job", "tenant")
        in_unit = Q(job__in=self._units(receipt).values("job"))
        exported = {"kind": BulkJob.Kind.EXPORT, "collection_id": receipt.collection_id}
        earlier = BulkJob.objects.of(receipt.tenant).filter(**exported, created_at__lt=receipt.requested_at)
        return files.filter(in_unit | Q(job__in=earlier), given=True)


KEPT_ANSWERS, KEPT_IMAGES, JOBS = KeptAnswers(), KeptImages(), Jobs()
REQUEST_LOG = Rows("request log", LoggedRequest, collection="collection_id", in_receipt=False)
STORES: tuple[Store, ...] = (
    Rows("face records", Face, collection="collection_id", faces="pk__in"),
    Rows("people", Person, collection="collection_id"),
    Rows("templates", Embedding, gallery="gallery__in", faces="face_id__in"),
    KEPT_ANSWERS,
    Rows("people", Person, tenant=False, person="pk"),  # the receipt of one person's erasure lists them here
    Rows("near matches", NearMatch, collection="face__collection_id", faces="face_id__in", in_receipt=False),
    Rows("judged matches", JudgedMatch, collection="collection_id", faces="face_id__in", in_receipt=False),
    Rows("model changes", ModelChange, collection="collection_id", in_receipt=False),
    Rows("do-not-enrol list", BarredReference, collection="collection_id", in_receipt=False),
    Rows("calibrations", Calibration, gallery="gallery__in", in_receipt=False),
    REQUEST_LOG,
    Rows("capture tokens", CaptureToken, collection="collection_id", in_receipt=False),
    Graphs(),
    Rows("galleries", Gallery, gallery="pk__in", in_receipt=False),
    Rows("data keys", DataKey),
    JOBS,
    OtherRows(),
    KEPT_IMAGES,
    IndexFiles(),
)


def purge(receipt: Receipt) -> None:
    """Remove what a collection's or tenant's receipt says must be erased from every store."""
    for store in STORES:
        store.purge(receipt)


def left(receipt: Receipt) -> Mapping[Store, int]:
    """Count what is left in each store that the erasure concerns."""
    counts = ((store, store.left(receipt)) for store in STORES)
    return {store: count for store, count in counts if count is not None}


def remove_rows(rows: QuerySet[Any]) -> None:
    """Delete rows in batches, so that no transaction takes long.

    They are locked before the rows that are deleted with them: a gallery before its compaction, as when publishing.
    """
    while batch := list(rows.values_list("pk", flat=True)[:_BATCH]):
        with transaction.atomic():
            list(rows.filter(pk__in=batch).order_by("pk").select_for_update().values_list("pk", flat=True))
            rows.filter(pk__in=batch).delete()
