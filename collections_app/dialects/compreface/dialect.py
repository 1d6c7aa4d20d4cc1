"""The CompreFace dialect."""

from typing import Any
from urllib.parse import quote

from collections_app.dialects.compreface import wire
from collections_app.dialects.descriptor import FACE, OTHER, Credentials, Dialect, Exchange, Setting, Verdict
from collections_app.operations.compare import Comparison
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult
from recognition.results import Analysis

_MATCHES = 5
_FOUND = {  # the paths that find or compare, and where each entry of their answers lists what it found
    "recognition/recognize": "subjects",
    "verification/verify": "face_matches",
    "detection/detect": "",
}


def _detect(result: Analysis, setting: Setting) -> Exchange:
    return Exchange("detection/detect", {"file": FACE}, wire.images.Detected(result).data)


def _compare(result: Comparison, setting: Setting) -> Exchange:
    body = {"source_image": FACE, "target_image": OTHER}
    return Exchange("verification/verify", body, wire.images.Compared(result).data)


def _search(result: SearchResult, setting: Setting) -> Exchange:
    path = f"recognition/recognize?limit=1&prediction_count={_MATCHES}"
    found = wire.images.Found(result.width, result.height, [(result.source, result.matches)] if result.source else [])
    return Exchange(path, {"file": FACE}, wire.images.Recognised(found).data)


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    face = result.faces[0]
    path = f"recognition/faces?subject={quote(face.person.reference, safe='')}"
    return Exchange(path, {"file": FACE}, wire.faces.Example(face).data)


def _verdict(path: str, answer: Any) -> Verdict | None:
    if path not in _FOUND:
        return None
    if "result" not in answer:
        return Verdict(path, code=str(answer.get("code", "")) or "no result")
    lists = (entry.get(_FOUND[path], []) if _FOUND[path] else [entry] for entry in answer["result"])
    found = [(str(one.get("subject", "")), one.get("similarity")) for entries in lists for one in entries]
    return Verdict(path, found=tuple(sorted(found, key=lambda one: -(one[1] or 0))))


DIALECT = Dialect(
    name="compreface",
    label="CompreFace",
    title="CompreFace",
    prefix="api/v1/",
    roots=("recognition", "detection", "verification"),
    one_collection=True,
    description=(
        "CompreFace's recognition, detection and verification services, as Faceplane speaks them. Change the base URL "
        "and the keys, nothing else. A key must be limited to one collection, which takes the place of a service. "
        "`similarity` is our score divided by 100, in whole hundredths: the same rate of false matches with any model, "
        "but not the number that CompreFace would give. Below the collection's threshold `subjects` is empty."
    ),
    ways=({"Key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},),
    credentials=Credentials(headers={"x-api-key": "key"}),
    previews={"detect": _detect, "compare": _compare, "search": _search, "enrol": _enrol},
    verdict=_verdict,
)
