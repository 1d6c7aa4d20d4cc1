"""Integrators' clients of AccuAuth, facedb and the native API, with requests that several tests send."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from collections_app.dialects.descriptor import Dialect
from collections_app.operations.captures import ask_capture
from tenants.access import caller_for_key
from tenants.captures import Verb
from tenants.keys import IssuedKey
from tests.dialects.documents import hold_to_document
from tests.make import base64_of, portrait

MULTIPART, FORM, JSON = "multipart/form-data", "application/x-www-form-urlencoded", "application/json"


FOR_PAGES = "/captures/{capture}/"  # with this begin the operations that a capture token opens
SHOP = "https://shop.example"  # the origin of a page that has one


def search_token(issued: IssuedKey) -> str:
    """Return a capture token that the key gives to a page of SHOP, for a search in "people"."""
    caller = caller_for_key(issued.key.pk, issued.secret, via="tests")
    return ask_capture(caller, verb=Verb.SEARCH, collection="people", origin=SHOP).token


class JsonClient(Client):
    """Django's client, which reads JSON of any media type; a failure of the server is an answer as well."""

    def __init__(self) -> None:
        """Raise nothing."""
        super().__init__(raise_request_exception=False)

    def _parse_json(self, response: Any, **_: Any) -> Any:
        return json.loads(response.content)


def prepared(
    dialect: Dialect, pair: Sequence[str], method: str, url: str, body: bytes = b"", **headers: str
) -> tuple[str, dict[str, str]]:
    """Return URL and headers of a request as the dialect's clients send it with a key's id and secret.

    `#HEADER=VALUE` at the end of the URL is sent as that header; in a header's name an underscore stands for a hyphen.
    """
    bare, _, fragment = url.partition("#")
    sent = {"Content-Type": JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= dict([fragment.split("=", 1)]) if fragment else {}
    return bare, sent | dialect.credentials.sent(*pair, method=method, url=bare, headers=sent, body=body)


def send(dialect: Dialect, issued: IssuedKey, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """Send a request with a key as the dialect's clients do (`prepared`)."""
    pair, headers = (issued.key.pk, issued.secret), {"Host": "testserver"} | headers
    url, sent = prepared(dialect, pair, method, f"http://testserver{path}", body, **headers)
    return JsonClient().generic(
        method, url.removeprefix("http://testserver"), body, sent.pop("Content-Type"), headers=sent
    )


class AccuAuthClient:
    """An integrator's client of the AccuAuth dialect."""

    def __init__(self, key_id: str, secret: str) -> None:
        """Keep the credentials."""
        self._http = Client(raise_request_exception=False)
        headers = {"X-DF-API-ID": key_id, "X-DF-API-SECRET": secret}
        self._headers = {name: value for name, value in headers.items() if value}

    def __call__(self, call: str, body: dict[str, Any], kind: str = MULTIPART, **headers: str) -> Any:
        """Post a body in one of the three encodings."""
        path, sent = f"/faceset/v2/{call}", self._headers | headers
        if kind == MULTIPART:
            return self._http.post(path, body, headers=sent)
        if kind == FORM:
            return self._http.post(path, urlencode(body), content_type=FORM, headers=sent)
        return self._http.post(path, json.dumps(body), content_type=JSON, headers=sent)

    def raw(self, method: str, path: str, content: bytes = b"", kind: str = JSON) -> Any:
        """Send anything."""
        return self._http.generic(method, path, content, kind, headers=self._headers)


def upload(image: bytes) -> SimpleUploadedFile:
    """Return the image as a file of a form."""
    return SimpleUploadedFile("face.jpg", image, "image/jpeg")


def add(accuauth: AccuAuthClient, image: str | bytes = "macron_2025", **more: object) -> Any:
    """Add a sample portrait, or an image, to the set "people"."""
    content = portrait(image) if isinstance(image, str) else image
    return accuauth("add_face", {"name": "people", "file": upload(content), **more})


def search(accuauth: AccuAuthClient, image: str | bytes = "macron_2014", **more: object) -> Any:
    """Search a portrait, or an image, in the set "people"."""
    content = portrait(image) if isinstance(image, str) else image
    return accuauth("search_face", {"name": "people", "file": upload(content), **more})


def refused(answer: Any, http: int, status: str) -> str:
    """Check an error's status and shape; return its reason."""
    body = answer.json()
    assert (answer.status_code, body["status"]) == (http, status)
    assert list(body) == ["status", "reason", "request_id"]
    assert re.fullmatch(r"TID[0-9a-f]{32}", body["request_id"])
    return str(body["reason"])


class FacedbClient:
    """An integrator's client of the face database."""

    def __init__(self, user: str, password: str, node: str = "") -> None:
        """Keep the credentials, and the node of every body."""
        self._http = Client(raise_request_exception=False)
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {pair}"} if user else {}
        self.node = node

    def __call__(self, call: str, body: dict[str, Any] | None = None, version: str = "v2") -> Any:
        """Post a body to the node; return the response's JSON, whose status is 200."""
        answer = self.raw("POST", f"/{version}/va/{call}", json.dumps({"nodeId": self.node} | (body or {})).encode())
        assert answer.status_code == 200
        return json.loads(answer.getvalue())

    def raw(self, method: str, path: str, content: bytes = b"", kind: str = "application/json; charset=utf-8") -> Any:
        """Send anything."""
        return self._http.generic(method, path, content, kind, headers=self._headers)


def details(*images: str | bytes, **changed: object) -> dict[str, Any]:
    """Return the document's example of a registration, with these images."""
    contents = [portrait(image) if isinstance(image, str) else image for image in images]
    body = {
        "uuId": "12345",
        "userId": "u-1",
        "userName": "apple",
        "userAge": 25,
        "gender": 1,
        "identifier": 0,
        "faceImages": [base64_of(content) for content in contents],
        "memo": "memo",
    }
    return {name: value for name, value in (body | changed).items() if value is not ...}


def kept(folder: Path) -> list[Path]:
    """Return the stored files."""
    return [file for file in folder.rglob("*") if file.is_file()]


class NativeClient:
    """A client of the native API that checks every response against the OpenAPI document."""

    def __init__(self, token: str) -> None:
        """Keep the whole key."""
        self._http = Client(raise_request_exception=False)
        self._headers = {"x-api-key": token} if token else {}

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send a JSON body; in a header's name an underscore stands for a hyphen."""
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        content = "" if body is None else json.dumps(body)
        return self._held(method, self._http.generic(method, f"/api/v1{path}", content, JSON, headers=sent))

    def upload(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """Send a form."""
        return self._held("POST", self._http.post(f"/api/v1{path}", body, headers=self._headers | headers))

    def enrol(self, image: str = "macron_2025", collection: str = "people", **more: object) -> Any:
        """Enrol a sample portrait."""
        body = {"image": base64_of(portrait(image)), **more}
        return self("POST", f"/collections/{collection}/faces", body)

    def _held(self, method: str, answer: Any) -> Any:
        hold_to_document(method, answer)
        return answer
