"""Examples of the CompreFace dialect."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from collections_app.dialects.compreface.dialect import DIALECT
from collections_app.models import Person
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import send
from tests.dialects.examples.descriptor import FILES, FORM, IMAGE, TEXT, Call, Examples, Json
from tests.make import base64_of, portrait
from tests.world import Ids

ROUTE, RECOGNITION = "api/v1/recognition", "/api/v1/recognition"
DETECT = "/api/v1/detection/detect"


def _body(ids: Ids) -> Json:
    vectors = {"embeddings": [[1.0] * 128], "source": [1.0] * 128, "targets": [[1.0] * 128]}
    return {"file": IMAGE, "source_image": IMAGE, "target_image": IMAGE, "subject": ids.person, **vectors}


def _new(_: Ids) -> Json:
    return {"subject": f"n{secrets.token_hex(4)}"}


def _search(acme: Customer, key: IssuedKey, probe: str) -> Any:
    limited = acme.key(DIALECT, scopes=key.key.scopes)
    ask, sent = f"{RECOGNITION}/recognize?prediction_count=100", {"file": base64_of(portrait(probe))}
    return send(DIALECT, limited, "POST", ask, json.dumps(sent).encode()).json()


def _images(case: Any, _: Any) -> Mapping[str, list[Any]]:
    return dict.fromkeys(("file", "source_image", "target_image"), FILES if case.media_type == FORM else TEXT)


def _known(_: Customer, somebody: Person) -> dict[str, str]:
    return {"person": somebody.reference, "subject": somebody.reference, "face": somebody.faces.get().uuid}


EXAMPLES = Examples(
    label="CompreFace",
    nobody=lambda body: bool(body["result"][0]["subjects"] == []),
    body=_body,
    bodies={
        f"POST {ROUTE}/faces/delete": lambda ids: [ids.face],
        f"POST {ROUTE}/subjects": _new,
        f"POST {ROUTE}/subjects/": _new,
        f"PUT {ROUTE}/subjects/<path:person>": _new,
    },
    without_id=frozenset(
        {
            *(f"{method} {ROUTE}/subjects{slash}" for method in ("GET", "POST", "DELETE") for slash in ("", "/")),
            f"GET {ROUTE}/faces",
            f"POST {ROUTE}/faces",
            f"POST {ROUTE}/recognize",
            f"POST {ROUTE}/embeddings/recognize",
            "POST api/v1/verification/verify",
            "POST api/v1/verification/embeddings/verify",
            "POST api/v1/detection/detect",
        }
    ),
    unknown_is_no_error=frozenset(
        {
            f"DELETE {ROUTE}/faces",
            f"POST {ROUTE}/faces/delete",
            f"GET {ROUTE}/faces/<str:face>/img",
            f"POST {ROUTE}/faces/<str:face>/verify",
            f"POST {ROUTE}/embeddings/faces/<str:face>/verify",
        }
    ),
    add=Call("POST", f"{RECOGNITION}/recognize", {"file": IMAGE}),
    optional={"limit": None, "det_prob_threshold": None, "face_plugins": None, "status": None},
    reads=(f"{RECOGNITION}/faces?size=1",),
    takes_json=f"{RECOGNITION}/subjects",
    with_image=lambda text: Call("POST", DETECT, {"file": text}),
    usual={"detects": Call("POST", DETECT, {"file": IMAGE})},
    any_format=True,
    search=_search,
    code=lambda body: body.get("code"),
    refused=frozenset({10, 20}),
    failed=41,
    later=(503, frozenset({41})),
    scores=frozenset({"similarity"}),
    scale=100,
    words=frozenset({"message"}),
    own=frozenset({"image_id"}),
    images=_images,
    known=_known,
)
