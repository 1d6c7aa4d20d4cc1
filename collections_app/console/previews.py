"""What the dialects' clients would have been sent for the same request, and how they would have asked.

The one place where the console meets the dialects: the playground's raw answers must be theirs to the letter, so they
are made by their wire modules and by nothing else. A record for the person it is about has the native API's form.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import Serializer

from collections_app.dialects.accuauth import wire as accuauth
from collections_app.dialects.argos import wire as argos
from collections_app.dialects.facedb import wire as facedb
from collections_app.dialects.native.wire import faces as native_faces
from collections_app.dialects.native.wire import search as native
from collections_app.dialects.native.wire.subjects import Subject
from collections_app.dialects.nhn import wire as nhn
from collections_app.operations.compare import Comparison
from collections_app.operations.data_subject import PersonRecord, SubjectRecord
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import PersonMatch, SearchResult
from recognition.results import Analysis
from recognition.similarity import Threshold

_LIMIT = 5
_LEFT_OUT = "…"  # the kept images of whoever matched, which facedb sends along
_FACE, _OTHER = "@face@", "@other@"  # where an image goes
_FILES = {_FACE: "face.jpg", _OTHER: "other.jpg"}
_ID, _SECRET, _KEY = "FACEPLANE_KEY_ID", "FACEPLANE_SECRET", "FACEPLANE_KEY"


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of a dialect; a header's value, like the id in a URL, is the environment variable that holds it.

    Without headers it carries HTTP Basic, with the key's id and its secret.
    """

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def curl(self) -> str:
        """The request, for a shell."""
        body = json.dumps(self.body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        for mark, file in _FILES.items():
            body = body.replace(mark, f"'\"$(base64 < {file} | tr -d '\\n')\"'")
        said = [f'-H "{name}: ${value}"' for name, value in self.headers.items()] or [f'-u "${_ID}:${_SECRET}"']
        head = " ".join(["curl -s", f'"{self.url}"', *said])
        return f"{head} \\\n  -H 'Content-Type: application/json' -d @- <<< '{body}'"

    @property
    def python(self) -> str:
        """The request, for Python with requests."""
        body = repr(dict(self.body))
        for mark, file in _FILES.items():
            body = body.replace(repr(mark), f'encoded("{file}")')
        url = self.url.replace(f"${_ID}", f"{{os.environ['{_ID}']}}")
        said = ", ".join(f'"{name}": os.environ["{value}"]' for name, value in self.headers.items())
        proof = f"headers={{{said}}}" if said else f'auth=(os.environ["{_ID}"], os.environ["{_SECRET}"])'
        return (
            "import base64, os, pathlib, requests\n\n"
            "def encoded(file):\n"
            "    return base64.b64encode(pathlib.Path(file).read_bytes()).decode()\n\n"
            "answer = requests.post(\n"
            f'    f"{url}",\n'
            f"    {proof},\n"
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


@dataclass(frozen=True, slots=True)
class Setting:
    """What an answer depends on besides its facts: the server's address, the tenant's NHN generation, the request."""

    host: str
    profile: str
    request_id: str


def answers(action: str, result: Any, setting: Setting) -> tuple[Preview, ...]:
    """Return the answers of the dialects that know this action."""
    ways: dict[str, Callable[[Any, Setting], Iterator[Preview]]] = {
        "detect": _detect,
        "compare": _compare,
        "search": _search,
        "enrol": _enrol,
    }
    return tuple(ways[action](result, setting))


def subject(record: SubjectRecord) -> bytes:
    """Return everything about one person as the native API hands it out."""
    return _json(Subject(record).data).encode()


def _detect(result: Analysis, setting: Setting) -> Iterator[Preview]:
    yield _nhn("detect", nhn.faces.Detected, result, setting, {"image": {"bytes": _FACE}})
    yield _native("detect", native.Detected(result).data, setting, {"image": _FACE})


def _compare(result: Comparison, setting: Setting) -> Iterator[Preview]:
    images = {"sourceImage": {"bytes": _FACE}, "targetImage": {"bytes": _OTHER}}
    yield _nhn("compare", nhn.search.Compared, result, setting, {**images, "threshold": _whole(result.threshold)})
    yield _native("compare", native.Compared(result).data, setting, {"source": _FACE, "target": _OTHER})


def _search(result: SearchResult, setting: Setting) -> Iterator[Preview]:
    home, record = result.collection, result.record
    fields = {"collectionId": home.name, "requestName": record.request_name, "faceImage": _FACE}
    yield _argos("search", argos.FoundFaces(result).data, setting, fields)
    path = f"groups/{_quoted(home.name)}/search?limit={_LIMIT}&threshold={_whole(record.applied)}"
    yield _nhn(path, nhn.search.FoundByImage, result, setting, {"image": {"bytes": _FACE}})
    share = accuauth.share(record.applied.score)
    asked = {"name": home.name, "image_base64": _FACE, "threshold": share, "start_time": 0, "topN": _LIMIT}
    yield _accuauth("search_face", accuauth.Found, result, setting, asked)
    best = next(iter(result.matches), None)
    found: Any = PersonMatch(PersonRecord(home, best.face.person, ()), best.score) if best else {}
    kept = {"faceImages": [_LEFT_OUT]} if best and home.images == "original" else {}
    asked = {"nodeId": home.node, "faceImages": [_FACE]}
    yield _facedb("matching-face", {**facedb.Matched(found).data, **kept}, setting, asked)
    body = {"image": _FACE, "limit": _LIMIT, "name": record.request_name, "largest": True}
    yield _native(f"collections/{_quoted(home.name)}/search", native.Found(result).data, setting, body)


def _enrol(result: Enrolment, setting: Setting) -> Iterator[Preview]:
    home, face = result.collection, result.faces[0]
    fields = {"collectionId": home.name, "userName": face.person.name, "faceImage": _FACE}
    yield _argos("faces", argos.AddedFace(result).data, setting, fields)
    path, body = f"groups/{_quoted(home.name)}", {"image": {"bytes": _FACE}, "limit": 1}
    yield _nhn(path, nhn.faces.Registered, result, setting, body)
    yield _accuauth("add_face", accuauth.Added, result, setting, {"name": home.name, "image_base64": _FACE})
    person = {"userId": face.person.name, "userName": face.person.name, "userAge": 0, "gender": 0, "identifier": 0}
    asked = {"nodeId": home.node, **person, "faceImages": [_FACE]}
    yield _facedb("register-facedb", facedb.Registered(face.person).data, setting, asked)
    consent = {"consent": face.consent} if face.consent else {}
    known = {"image": _FACE, "person": {"name": face.person.name}, **consent}
    yield _native(f"collections/{_quoted(home.name)}/faces", native_faces.Face(face).data, setting, known)


def _whole(threshold: Threshold) -> int:
    return int(threshold.rounded_up().score)


def _argos(path: str, body: Mapping[str, Any], setting: Setting, asked: Mapping[str, Any]) -> Preview:
    return Preview("Argos Face ID", _json(body), Request(f"{setting.host}/{path}", asked, {"x-api-key": _KEY}))


def _nhn(path: str, kind: type[Serializer[Any]], result: object, setting: Setting, asked: Mapping[str, Any]) -> Preview:
    said = {"profile": setting.profile, "orientation": True}
    body = nhn.base.enveloped(kind)({"header": nhn.base.SUCCESS[setting.profile], "data": result}, context=said).data
    url = f"{setting.host}/nhn-face-reco/v1.0/appkeys/${_ID}/{path}"
    return Preview("NHN Face Recognition", _json(body), Request(url, asked, {"Authorization": _SECRET}))


def _accuauth(
    path: str, kind: type[Serializer[Any]], result: object, setting: Setting, asked: Mapping[str, Any]
) -> Preview:
    body = kind(result, context={"request_id": accuauth.request_number(setting.request_id)}).data
    headers = {"X-DF-API-ID": _ID, "X-DF-API-SECRET": _SECRET}
    return Preview("AccuAuth", _json(body), Request(f"{setting.host}/faceset/v2/{path}", asked, headers))


def _facedb(path: str, body: Mapping[str, Any], setting: Setting, asked: Mapping[str, Any]) -> Preview:
    return Preview("NEXTK facedb", _json(body), Request(f"{setting.host}/v2/va/{path}", asked))


def _native(path: str, body: Mapping[str, Any], setting: Setting, asked: Mapping[str, Any]) -> Preview:
    return Preview("Faceplane", _json(body), Request(f"{setting.host}/api/v1/{path}", asked, {"x-api-key": _KEY}))


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _json(body: object) -> str:
    text: bytes = JSONRenderer().render(body, "application/json; indent=2")
    return text.decode()
