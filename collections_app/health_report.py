"""The work behind a health report: compare a collection's templates with one another."""

from dataclasses import asdict
from typing import Any

import numpy as np
from django.utils import timezone

from collections_app import scoring
from collections_app.models import HealthReport
from recognition import packs
from recognition.calibration.pairwise import HIGH, LOW, Findings, separate
from recognition.index import store
from recognition.similarity import LOWEST

_BATCH = 500
_MOST_COMPARED = 20_000  # all pairs of these take one core about a minute


def make(report: HealthReport) -> None:
    """Compare the collection's templates and save the findings, and the progress on the way.

    Of a collection with more than _MOST_COMPARED faces a random sample is compared; the findings say how many.
    """
    _save(report, state=HealthReport.State.RUNNING, progress=0, began_at=timezone.now())
    try:
        findings = _findings(report)
    except Exception:
        _save(report, state=HealthReport.State.FAILED)
        raise
    done = {"state": HealthReport.State.DONE, "progress": 100, "finished_at": timezone.now()}
    _save(report, findings=_plain(findings), **done)


def _findings(report: HealthReport) -> Findings:
    collection = report.collection
    order = "?" if collection.gallery.size > _MOST_COMPARED else "number"
    rows = collection.faces.order_by(order).values_list("number", "pk", "person_id")[:_MOST_COMPARED]
    chosen = {face: person for _, face, person in sorted(rows)}
    vectors: dict[int, np.ndarray] = {}
    wanted = list(chosen)
    for start in range(0, len(wanted), _BATCH):
        vectors |= store.vectors(collection.gallery, wanted[start : start + _BATCH])
    stored = [face for face in wanted if face in vectors]  # in the order of enrolment, which the findings keep
    faces = np.array(stored, dtype=np.int64)
    pack = packs.get(collection.pack)
    return separate(
        faces,
        np.array([chosen[face] for face in stored], dtype=np.int64),
        np.array([vectors[face] for face in stored], dtype=np.float32).reshape(len(faces), pack.dimension),
        duplicate_from=collection.similarity_threshold,
        mixed_below=LOWEST.on(pack.similarity),  # faces of one person that are no more alike than many strangers
        compare=lambda some, others: scoring.cosines(collection, some, others, enrolled=True),
        progress=lambda share: _save(report, progress=int(100 * share)),
    )


def _save(report: HealthReport, **values: Any) -> None:  # noqa: ANN401 -- the report's own fields
    for name, value in values.items():
        setattr(report, name, value)
    report.save(update_fields=list(values))


def _plain(findings: Findings) -> dict[str, Any]:
    """Return the findings as JSON; ids as text, because JavaScript's numbers cannot hold them exactly."""
    plain = asdict(findings) | {"low": LOW, "high": HIGH}
    for kind in ("duplicates", "mixed"):
        plain[kind] = [[str(pair["first"]), str(pair["second"]), round(pair["cosine"], 4)] for pair in plain[kind]]
    return plain
