"""Serve oidc-provider-mock, an OpenID Connect provider, at the port of the first argument: a process of its own.

It knows no PKCE, so a layer before it does what RFC 7636 asks: it refuses a code whose verifier is not the one that was
promised. The layer also tells what it was asked (`/asked`) and which tokens it gave last (`/token`), and `/lie?…` lets
it answer with other values from then on.
"""

import base64
import hashlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

warnings.simplefilter("ignore")  # the library's own use of what Authlib deprecates

import werkzeug.serving  # noqa: E402
from oidc_provider_mock import app  # noqa: E402

Start = Callable[..., Any]


class Layer:
    """PKCE, a log, and lies, before the provider."""

    def __init__(self, provider: Any) -> None:
        """Begin without lies."""
        self.provider, self.asked, self.lies = provider, [], {}  # type: ignore[var-annotated]
        self.token: dict[str, Any] = {}  # the last answer with tokens
        self.promised: dict[str, str] = {}  # challenge by code

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request."""
        path, query = environ["PATH_INFO"], parse_qs(environ.get("QUERY_STRING", ""))
        if path == "/asked":
            return _answer(start, self.asked)
        if path == "/token":
            return _answer(start, self.token)
        if path == "/lie":
            self.lies = {name: values[0] for name, values in query.items()}
            return _answer(start, self.lies)
        self.asked.append(path)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if path == "/oauth2/token":
            sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self.promised.pop(sent["code"], None):
                return _answer(start, {"error": "invalid_grant"}, "400 Bad Request")
        seen: dict[str, Any] = {}

        def note(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], Any]:
            seen.update(status=status, headers=dict(headers))
            return lambda _: None

        answer = b"".join(self.provider(environ, note))
        location = seen["headers"].get("Location", "")
        if path == "/oauth2/authorize" and "code=" in location:
            assert query["code_challenge_method"] == ["S256"]
            self.promised[parse_qs(urlsplit(location).query)["code"][0]] = query["code_challenge"][0]
        if path == "/.well-known/openid-configuration":
            answer = json.dumps(json.loads(answer) | self.lies).encode()
        if path == "/oauth2/token":
            self.token = json.loads(answer)
            answer = json.dumps(self.token | self.lies).encode()
        start(seen["status"], [*(seen["headers"] | {"Content-Length": str(len(answer))}).items()])
        return [answer]


def _answer(start: Start, told: Any, status: str = "200 OK") -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]


if __name__ == "__main__":
    werkzeug.serving.make_server("127.0.0.1", int(sys.argv[1]), Layer(app(require_nonce=True).wsgi_app)).serve_forever()
