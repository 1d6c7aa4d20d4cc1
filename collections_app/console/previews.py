"""What the dialects' clients would have been sent for the same request, and how they would have asked.

The one place where the console meets the dialects: the playground's raw answers must be theirs to the letter, so they
are made by their wire modules and by nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from rest_framework.serializers import Serializer

from collections_app.dialects.argos import wire as argos
from collections_app.dialects.nhn import wire as nhn

_LIMIT, _THRESHOLD = 5, 85
_NHN = "nhn-face-reco/v1.0/appkeys/$FACEPLANE_KEY_ID"


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a dialect: where to, with which header, and its body with a file's name where an image goes."""

    url: str
    header: tuple[str, str]
    body: Mapping[str, Any]
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def curl(self) -> str:
        """The request, for a shell."""
        name, value = self.header
        body = json.dumps(self.body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        for mark, file in self.images.items():
            body = body.replace(mark, f"'\"$(base64 < {file} | tr -d '\\n')\"'")
        head = f'curl -s "{self.url}" -H "{name}: ${value}"'
        return f"{head} \\\n  -H 'Content-Type: application/json' -d @- <<< '{body}'"

    @property
    def python(self) -> str:
        """The request, for Python with requests."""
        name, value = self.header
        body = repr(dict(self.body))
        for mark, file in self.images.items():
            body = body.replace(repr(mark), f'encoded("{file}")')
        url = self.url.replace("$FACEPLANE_KEY_ID", "{os.environ['FACEPLANE_KEY_ID']}")
        return (
            "import base64, os, pathlib, requests\n\n"
            "def encoded(file):\n"
            "    return base64.b64encode(pathlib.Path(file).read_bytes()).decode()\n\n"
            "answer = requests.post(\n"
            f'    f"{url}",\n'
            f'    headers={{"{name}": os.environ["{value}"]}},\n'
            f"    json={body},\n"
            "    timeout=30,\n"
            ")\nprint(answer.json())"
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """A dialect's answer, and the request for it."""

    dialect: str
    body: str
    request: Request


def answers(action: str, result: Any, *, profile: str, host: str) -> tuple[Preview, ...]:  # noqa: ANN401 -- the action's own result
    """Return the answers of the dialects that know this action."""
    base = host.rstrip("/")
    one, two = {"@face@": "face.jpg"}, {"@face@": "face.jpg", "@other@": "other.jpg"}
    if action == "detect":
        return (_nhn("detect", nhn.Detected, result, profile, base, {"image": {"bytes": "@face@"}}, one),)
    if action == "compare":
        body = {"sourceImage": {"bytes": "@face@"}, "targetImage": {"bytes": "@other@"}, "threshold": _THRESHOLD}
        return (_nhn("compare", nhn.Compared, result, profile, base, body, two),)
    name = result.collection.name
    group = quote(name, safe="")
    if action == "search":
        fields = {"collectionId": name, "requestName": "playground", "faceImage": "@face@"}
        path = f"groups/{group}/search?limit={_LIMIT}&threshold={_THRESHOLD}"
        return (
            _argos("search", argos.FoundFaces(result).data, base, fields),
            _nhn(path, nhn.FoundByImage, result, profile, base, {"image": {"bytes": "@face@"}}, one),
        )
    fields = {"collectionId": name, "userName": result.faces[0].person.name, "faceImage": "@face@"}
    body = {"image": {"bytes": "@face@"}, "limit": 1}
    return (
        _argos("faces", argos.AddedFace(result).data, base, fields),
        _nhn(f"groups/{group}", nhn.Registered, result, profile, base, body, one),
    )


def _argos(path: str, body: Mapping[str, Any], base: str, fields: dict[str, str]) -> Preview:
    request = Request(f"{base}/{path}", ("x-api-key", "FACEPLANE_KEY"), fields, {"@face@": "face.jpg"})
    return Preview("Argos Face ID", _json(body), request)


def _nhn(  # noqa: PLR0917 -- a request and its answer
    path: str,
    kind: type[Serializer[Any]],
    result: object,
    profile: str,
    base: str,
    body: dict[str, Any],
    images: dict[str, str],
) -> Preview:
    said = {"profile": profile, "orientation": True, "threshold": _THRESHOLD}
    answer = nhn.enveloped(kind)({"header": nhn.SUCCESS[profile], "data": result}, context=said).data
    request = Request(f"{base}/{_NHN}/{path}", ("Authorization", "FACEPLANE_SECRET"), body, images)
    return Preview("NHN Face Recognition", _json(answer), request)


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)
