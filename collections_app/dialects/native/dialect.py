"""The dialect of the native API."""

from urllib.parse import quote

from collections_app.dialects.descriptor import FACE, OTHER, Credentials, Dialect, Exchange, Setting
from collections_app.dialects.native.wire import faces, search
from collections_app.operations.compare import Comparison
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult
from recognition.results import Analysis

_LIMIT = 5


def _detect(result: Analysis, setting: Setting) -> Exchange:
    return Exchange("detect", {"image": FACE}, search.Detected(result).data)


def _compare(result: Comparison, setting: Setting) -> Exchange:
    return Exchange("compare", {"source": FACE, "target": OTHER}, search.Compared(result).data)


def _search(result: SearchResult, setting: Setting) -> Exchange:
    path = f"collections/{quote(result.collection.name, safe='')}/search"
    body = {"image": FACE, "limit": _LIMIT, "name": result.record.request_name, "largest": True}
    return Exchange(path, body, search.Found(result).data)


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    path, face = f"collections/{quote(result.collection.name, safe='')}/faces", result.faces[0]
    consent = {"consent": face.consent} if face.consent else {}
    body = {"image": FACE, "person": {"name": face.person.name}, **consent}
    return Exchange(path, body, faces.Face(face).data)


DIALECT = Dialect(
    name="native",
    label="Faceplane",
    title="Faceplane",
    prefix="api/v1/",
    description=(
        "Every operation of the platform in plain REST. Send the key in `x-api-key`, or as `Authorization: Bearer`. "
        "A list continues at its `next_cursor`. Scores are 0 to 100; `false_match_rate` is the share of strangers "
        "that reaches a score in the population on which the model pack's scores are anchored. It is higher in others: "
        "`measured_on` of a search names both populations, this and the worst. "
        "Erased faces are unsearchable at once; the receipt tells when every copy is deleted."
    ),
    ways=(
        {"Key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        {"Bearer": {"type": "http", "scheme": "bearer"}},
    ),
    credentials=Credentials(headers={"x-api-key": "key"}),
    previews={"detect": _detect, "compare": _compare, "search": _search, "enrol": _enrol},
)
