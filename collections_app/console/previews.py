"""What the dialects' clients would have been sent for the same request, and how they would have asked.

The one place where the console meets the dialects: the playground's raw answers must be theirs to the letter, so they
are made by their wire modules and by nothing else.
"""

import json
from dataclasses import dataclass
from typing import Any

from collections_app.dialects.argos import wire as argos


@dataclass(frozen=True, slots=True)
class Preview:
    """A dialect's answer, and the same request in curl and Python."""

    dialect: str
    body: str
    curl: str
    python: str


def answers(action: str, result: Any, *, host: str) -> tuple[Preview, ...]:  # noqa: ANN401 -- the action's own result
    """Return the answers of the dialects that know this action."""
    base = host.rstrip("/")
    if action == "search":
        found = dict(argos.FoundFaces(result).data)
        return (_argos("search", found, base, {"collectionId": result.collection.name, "requestName": "playground"}),)
    if action == "enrol":
        name = result.faces[0].person.name
        added = dict(argos.AddedFace(result).data)
        return (_argos("faces", added, base, {"collectionId": result.collection.name, "userName": name}),)
    return ()


def _argos(path: str, body: dict[str, Any], base: str, fields: dict[str, str]) -> Preview:
    start = json.dumps(fields, ensure_ascii=False)[:-1]
    quoted = start.replace("'", "'\\''").replace("%", "%%")
    curl = (
        f"(printf '{quoted}, \"faceImage\":\"'; base64 < face.jpg | tr -d '\\n'; printf '\"}}') |\n"
        f'  curl -s {base}/{path} -H "x-api-key: $FACEPLANE_KEY" \\\n'
        "    -H 'Content-Type: application/json' -d @-"
    )
    python = (
        "import base64, os, pathlib, requests\n\n"
        'image = base64.b64encode(pathlib.Path("face.jpg").read_bytes()).decode()\n'
        f'answer = requests.post(\n    "{base}/{path}",\n'
        '    headers={"x-api-key": os.environ["FACEPLANE_KEY"]},\n'
        f'    json={{**{fields!r}, "faceImage": image}},\n'
        "    timeout=30,\n)\nprint(answer.json())"
    )
    return Preview("Argos Face ID", json.dumps(body, indent=2, ensure_ascii=False), curl, python)
