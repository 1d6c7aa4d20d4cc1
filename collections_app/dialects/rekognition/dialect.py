"""The Amazon Rekognition dialect."""

from typing import Any

from rest_framework.request import Request

from collections_app.dialects.descriptor import FACE, OTHER, Credentials, Dialect, Exchange, Setting, Verdict
from collections_app.dialects.rekognition import wire
from collections_app.operations.compare import Comparison
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult
from recognition.results import Analysis

_TARGET = "X-Amz-Target"
SERVICE = "rekognition"
_FACE = {"Bytes": FACE}
_MATCHES = 5
_FOUND = {  # the operations that find or compare, and where their answers list what they found
    "CompareFaces": "FaceMatches",
    "DetectFaces": "FaceDetails",
    "SearchFacesByImage": "FaceMatches",
    "SearchUsersByImage": "UserMatches",
}


def _operation(request: Request) -> str:
    return request.headers.get(_TARGET, "").removeprefix(wire.base.TARGET)


def _detect(result: Analysis, setting: Setting) -> Exchange:
    return _exchange("DetectFaces", {"Image": _FACE}, wire.faces.Detected(result, context={"attributes": ()}).data)


def _compare(result: Comparison, setting: Setting) -> Exchange:
    images = {"SourceImage": _FACE, "TargetImage": {"Bytes": OTHER}}
    body = {**images, "SimilarityThreshold": result.threshold.score}
    return _exchange("CompareFaces", body, wire.search.Compared(result).data)


def _search(result: SearchResult, setting: Setting) -> Exchange:
    body = {"CollectionId": result.collection.name, "Image": _FACE, "MaxFaces": _MATCHES}
    body["FaceMatchThreshold"] = result.record.applied.score
    return _exchange("SearchFacesByImage", body, wire.search.FoundByImage(result).data)


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    body = {"CollectionId": result.collection.name, "Image": _FACE, "MaxFaces": 1, "QualityFilter": "NONE"}
    context = {"gate": "none", "attributes": ()}
    return _exchange("IndexFaces", body, wire.faces.Indexed(result, context=context).data)


def _exchange(operation: str, body: dict[str, Any], answer: object) -> Exchange:
    return Exchange("", body, answer, {_TARGET: wire.base.TARGET + operation})


def _verdict(target: str, answer: Any) -> Verdict | None:
    operation = target.removeprefix(wire.base.TARGET)
    if operation not in _FOUND:
        return None
    if "__type" in answer:
        return Verdict(operation, code=str(answer["__type"]).rpartition("#")[2])
    entries = answer.get(_FOUND[operation], [])
    return Verdict(operation, found=tuple((_who(entry), entry.get("Similarity")) for entry in entries))


def _who(entry: dict[str, Any]) -> str:
    face = entry.get("Face", {})
    return str(entry.get("User", {}).get("UserId") or face.get("ExternalImageId") or face.get("FaceId", ""))


DIALECT = Dialect(
    name="rekognition",
    label="Amazon Rekognition",
    title="Amazon Rekognition",
    prefix="rekognition/",
    ways=(
        {
            "Signature": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "AWS Signature Version 4 with a key that was issued for signing.",
                "x-amazon-apigateway-authtype": "awsSigv4",
            }
        },
    ),
    credentials=Credentials(signs=SERVICE),
    most_bytes=15_000_000,  # two images of 5 MB each in base64
    previews={"detect": _detect, "compare": _compare, "search": _search, "enrol": _enrol},
    threshold=wire.base.THRESHOLD,
    operation_header=_TARGET,
    operation=_operation,
    verdict=_verdict,
)
