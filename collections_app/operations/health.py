"""A collection's health: start the job that compares its templates, and show what it found."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from collections_app.models import Collection, Face, HealthReport
from collections_app.operations.budget import disclose_pairs, refuse_probing
from collections_app.operations.collections import find
from collections_app.operations.disclosure import Disclosure, below_floor, disclosure, log_look
from tenants import audit
from tenants.access import Caller, Scope
from tenants.queue import enqueue
from tenants.task_names import Task

_SHOWN = 24


@dataclass(frozen=True, slots=True)
class FacePair:
    """Two faces, and their score."""

    first: Face
    second: Face
    score: float


@dataclass(frozen=True, slots=True)
class Health:
    """The newest report, None before the first, and those of its findings that are still true.

    `duplicates` are pairs of faces of two people who are likely one person, in the order of enrolment. `mixed` are
    pairs of faces of one person who are likely two, least similar first; None unless `below`, because that they are
    below the floor is itself a score. `below`: scores below the floor are included, so the page may show the
    distribution of similarities, which for few faces is a list of scores. `poor` are the newest faces with quality
    reasons, `poor_total` is the number of all of them.
    """

    report: HealthReport | None
    duplicates: tuple[FacePair, ...]
    mixed: tuple[FacePair, ...] | None
    poor: tuple[Face, ...]
    poor_total: int
    below: bool


def examine(caller: Caller, *, collection: str) -> HealthReport:
    """Queue a comparison of the collection's templates, unless one is queued or running; return its report."""
    caller.require(Scope.SEARCH)
    collection = find(caller, collection)
    under_way = collection.health_reports.filter(state__in=[HealthReport.State.QUEUED, HealthReport.State.RUNNING])
    with transaction.atomic():
        report = under_way.first()
        if report is None:
            report = HealthReport.unscoped.create(tenant=caller.tenant, collection=collection)
            pk = report.pk
            audit.record(caller, "collection.examined", collection)
            transaction.on_commit(lambda: enqueue(Task.EXAMINE_COLLECTION, pk))
    return report


def health(caller: Caller, *, collection: str, below: bool = False) -> Health:
    """Return what the newest report found.

    `below`: also what is below the floor, which needs Scope.SCORES.

    Raises:
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.READ)
    refuse_probing(caller)
    collection = find(caller, collection)
    terms = below_floor(caller, collection) if below else disclosure(caller, collection)
    report = collection.health_reports.order_by("-created_at").first()
    findings = report.findings if report else {}
    poor = collection.faces.exclude(quality_reasons=[])
    newest = list(poor.order_by("-number").values_list("number", flat=True)[:_SHOWN])
    with transaction.atomic():
        alike = _pairs(caller, collection, findings.get("duplicates", ()), terms)
        unlike = _pairs(caller, collection, findings.get("mixed", ()), terms) if below else []
        duplicates = tuple(pair for pair in alike if not _of_one(pair))
        mixed = tuple(pair for pair in unlike if _of_one(pair)) if below else None
        if mixed is not None and report:
            log_look(caller, collection, "health", {face.uuid for pair in mixed for face in (pair.first, pair.second)})
    return Health(
        report,
        duplicates,
        mixed,
        tuple(collection.faces.filter(number__in=newest).select_related("person").order_by("-number")),
        poor.count(),
        below,
    )


def _of_one(pair: FacePair) -> bool:
    return bool(pair.first.person_id == pair.second.person_id)


def _pairs(
    caller: Caller, collection: Collection, found: Sequence[tuple[str, str, float]], terms: Disclosure
) -> list[FacePair]:
    """Return the pairs whose faces still exist and that may be shown, with their scores; the pairs are charged."""
    ids = {int(face) for first, second, _ in found for face in (first, second)}
    faces = {face.pk: face for face in Face.objects.of(collection.tenant).filter(pk__in=ids).select_related("person")}
    existing = [
        (faces[int(first)], faces[int(second)], cosine)
        for first, second, cosine in found
        if int(first) in faces and int(second) in faces
    ]
    scores = disclose_pairs(caller, collection, existing, terms)
    shown = zip(existing, scores, strict=True)
    return [FacePair(first, second, score) for (first, second, _), score in shown if score is not None]
