"""What each dialect would have answered to the same request, and how a client would have sent it.

The playground shows the dialects' exact answers, so each dialect's descriptor renders its own. The export for a data
subject has the native API's format.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.renderers import JSONRenderer

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import FACE, KEY_ID, OTHER, Credentials, Part, Setting
from collections_app.dialects.native.wire.data_subjects import Subject
from collections_app.operations.data_subject import SubjectRecord
from tenants.access import Caller

_FILES = {FACE: "face.jpg", OTHER: "other.jpg"}
_PARTS: Mapping[Part, str] = {"id": "FACEPLANE_KEY_ID", "secret": "FACEPLANE_SECRET", "key": "FACEPLANE_KEY"}

_SIGV4 = "aws:amz:us-east-1:"  # before the service: what curl calls the provider, and the region
_SIGNING = f"""\
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

def signed(request):
    named = {{name: value for name, value in request.headers.items() if name.startswith(("X-Amz-", "Content-Type"))}}
    copy = AWSRequest(request.method, request.url, named, request.body)
    key = Credentials(os.environ["{_PARTS["id"]}"], os.environ["{_PARTS["secret"]}"])
    SigV4Auth(key, "SERVICE", "us-east-1").add_auth(copy)
    request.headers.update(copy.headers)
    return request

"""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to a dialect; the key's parts come from environment variables."""

    url: str
    body: Mapping[str, Any]
    credentials: Credentials
    headers: Mapping[str, str]

    @property
    def curl(self) -> str:
        """The request, for a shell."""
        body = json.dumps(self.body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        for mark, file in _FILES.items():
            body = body.replace(mark, f"'\"$(base64 < {file} | tr -d '\\n')\"'")
        url, headers = self.url.replace(KEY_ID, f"${_PARTS['id']}"), self.credentials.headers.items()
        auth = [f'-H "{name}: ${_PARTS[part]}"' for name, part in headers]
        basic = [f'-u "${_PARTS["id"]}:${_PARTS["secret"]}"'] if self.credentials.basic else []
        if self.credentials.signs:
            basic = [f'--aws-sigv4 "{_SIGV4}{self.credentials.signs}" -u "${_PARTS["id"]}:${_PARTS["secret"]}"']
        auth += [f'-H "{name}: {value}"' for name, value in self.headers.items()]
        head = " ".join(["curl -s", f'"{url}"', *auth, *basic])
        return f"{head} \\\n  -H 'Content-Type: application/json' -d @- <<< '{body}'"

    @property
    def python(self) -> str:
        """The request, for Python with requests."""
        body = repr(dict(self.body))
        for mark, file in _FILES.items():
            body = body.replace(repr(mark), f'encoded("{file}")')
        url = self.url.replace(KEY_ID, f"{{os.environ['{_PARTS['id']}']}}")
        keys = [f'"{name}": os.environ["{_PARTS[part]}"]' for name, part in self.credentials.headers.items()]
        headers = ", ".join([*keys, *(f'"{name}": "{value}"' for name, value in self.headers.items())])
        basic = f'auth=(os.environ["{_PARTS["id"]}"], os.environ["{_PARTS["secret"]}"])'
        auth = basic if self.credentials.basic else f"headers={{{headers}}}"
        signing = ""
        if self.credentials.signs:
            signing, auth = _SIGNING.replace("SERVICE", self.credentials.signs), f"{auth},\n    auth=signed"
        return (
            "import base64, os, pathlib, requests\n\n"
            "def encoded(file):\n"
            f"    return base64.b64encode(pathlib.Path(file).read_bytes()).decode()\n\n{signing}"
            "answer = requests.post(\n"
            f'    f"{url}",\n'
            f"    {auth},\n"
            f"    json={body},\n"
            "    timeout=30,\n"
            ")\nprint(answer.json())"
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """A dialect's answer and the request that gets it."""

    dialect: str
    body: str
    request: Request


def answers(caller: Caller, action: str, result: Any, *, host: str) -> list[Preview]:
    """Return the answers of the dialects that support this action, as the server at `host` would send them."""
    previews = []
    for dialect in DIALECTS:
        if preview := dialect.previews.get(action):
            exchange = preview(result, Setting(dialect.profile(caller.tenant.profiles), caller.request_id))
            url = f"{host}/{dialect.prefix}{exchange.path}"
            request = Request(url, exchange.body, dialect.credentials, exchange.headers)
            previews.append(Preview(dialect.label, _json(exchange.answer), request))
    return previews


def subject(record: SubjectRecord) -> bytes:
    """Return everything about one person in the native API's format."""
    return _json(Subject(record).data).encode()


def pictures_of(record: SubjectRecord) -> list[tuple[Any, str]]:
    """Return a person's faces, each with its kept image as a data URL, or an empty text."""
    shown = {image: _data_url(content) for image, content in record.images.items()}
    return [(face, shown.get(face.image, "")) for face in record.faces]


def _data_url(content: bytes) -> str:
    kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _json(body: object) -> str:
    text: bytes = JSONRenderer().render(body, "application/json; indent=2")
    return text.decode()
