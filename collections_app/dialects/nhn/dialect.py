"""The NHN Face Recognition dialect."""

import re
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _
from rest_framework.serializers import Serializer

from collections_app.dialects.descriptor import (
    FACE,
    KEY_ID,
    OTHER,
    Credentials,
    Dialect,
    Exchange,
    Profiles,
    Setting,
    Verdict,
)
from collections_app.dialects.nhn import errors, wire
from collections_app.operations.compare import Comparison
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult
from recognition.results import Analysis
from recognition.similarity import Threshold

_LIMIT = 5
_V1 = "nhn-face-reco/v1.0"
_FOUND = {  # the ends of the paths that find or compare, and where their answers list what they found
    "detect": "faceDetails",
    "compare": "matchedFaceDetails",
    "search": "matchFaces",
}
_BY_FACE = re.compile(r"/faces/[^/]+/search$")  # of a face by its id, which another server does not know
WITHOUT_SECRET = "current_appkey_only"  # noqa: S105 -- a choice below


def _detect(result: Analysis, setting: Setting) -> Exchange:
    return _exchange("detect", {"image": {"bytes": FACE}}, wire.faces.Detected, result, setting)


def _compare(result: Comparison, setting: Setting) -> Exchange:
    images = {"sourceImage": {"bytes": FACE}, "targetImage": {"bytes": OTHER}}
    body = {**images, "threshold": _whole(result.threshold)}
    return _exchange("compare", body, wire.search.Compared, result, setting)


def _search(result: SearchResult, setting: Setting) -> Exchange:
    group = quote(result.collection.name, safe="")
    path = f"groups/{group}/search?limit={_LIMIT}&threshold={_whole(result.record.applied)}"
    return _exchange(path, {"image": {"bytes": FACE}}, wire.search.FoundByImage, result, setting)


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    path = f"groups/{quote(result.collection.name, safe='')}"
    return _exchange(path, {"image": {"bytes": FACE}, "limit": 1}, wire.faces.Registered, result, setting)


def _exchange(
    path: str, body: dict[str, Any], shape: type[Serializer[Any]], result: object, setting: Setting
) -> Exchange:
    generation = errors.of_profile(setting.profile)
    context = {"generation": generation, "orientation": True}
    answer = {"header": wire.base.SUCCESS[generation], "data": result}
    return Exchange(f"{_V1}/appkeys/{KEY_ID}/{path}", body, wire.base.enveloped(shape)(answer, context=context).data)


def _whole(threshold: Threshold) -> int:
    return int(threshold.rounded_up().score)


def _verdict(path: str, answer: Any) -> Verdict | None:
    operation = path.rpartition("/")[2]
    if operation not in _FOUND or _BY_FACE.search(path):
        return None
    header = answer["header"]
    if not header["isSuccessful"]:
        return Verdict(operation, code=str(header["resultCode"]))
    entries = (answer.get("data") or {}).get(_FOUND[operation], [])
    return Verdict(operation, found=tuple((_who(entry), entry.get("similarity")) for entry in entries))


def _who(entry: dict[str, Any]) -> str:
    face = entry.get("face", {})
    return str(face.get("externalImageId") or face.get("faceId", ""))


DIALECT = Dialect(
    name="nhn",
    label="NHN Face Recognition",
    title="NHN Cloud Face Recognition v1.0 and v2.0",
    prefix="",
    roots=("nhn-face-reco", "v2.0"),
    description=(
        "NHN Cloud Face Recognition, as Faceplane speaks it: v1.0, before its release or as it is in production, "
        "whichever the tenant chooses, and v2.0, which is also served under `/nhn-face-reco`. Change the base URL and "
        "the keys, nothing else."
    ),
    ways=({"Secret": {"type": "apiKey", "in": "header", "name": "Authorization"}},),
    credentials=Credentials(headers={"Authorization": "secret"}, path="app_key"),
    previews={"detect": _detect, "compare": _compare, "search": _search, "enrol": _enrol},
    verdict=_verdict,
    profiles=Profiles(  # decision H1
        label=_("NHN API version"),
        help=_("Choose the one that your clients were written for. v2.0 is always served."),
        choices=(
            ("prerelease", _("v1.0 before its release: shared error codes")),
            ("current", _("v1.0 in production: a code for each error")),
            (WITHOUT_SECRET, _("v1.0 in production, with the appKey alone")),  # decision H3
        ),
        warnings={
            WITHOUT_SECRET: _(
                "The id of any of your keys gives access to the NHN API v1.0 without its secret. Ids stand in URLs, in "
                "logs and in this console: give such keys few permissions and fixed networks."
            )
        },
    ),
)
