"""Checks through the public address: proxy, TLS, headers, static files, size of bodies; `manage.py doctor --url`.

The doctor signs its request with SECRET_KEY; only then does /readyz say how the request looked when it arrived. The
request carries an invented X-Forwarded-For, as an attacker's would: what the proxies append to it is counted.
"""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core import signing
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from config.checks import Finding, error, ok, warning

_HEADER = "X-Faceplane-Doctor"
_SIGNER = signing.TimestampSigner(salt="faceplane.doctor")
_VALID_SECONDS = 60
_INVENTED = "192.0.2.1"  # an address for documentation, which no client has
_SECONDS = 15
_LEAST_DAYS = 14
_DAY = 86_400
_SKEW_SECONDS = 30
_OK, _TOO_LARGE = 200, 413
_MOVED = {301, 307, 308}
_PICTURE_BYTES = 5_000_000


def seen(request: HttpRequest) -> dict[str, Any]:
    """Return how a request of the doctor looked when it arrived, as a field of the answer; for others nothing."""
    try:
        _SIGNER.unsign(request.headers.get(_HEADER, ""), max_age=_VALID_SECONDS)
    except signing.BadSignature:
        return {}
    return {
        "seen": {
            "version": settings.VERSION,
            "address": request.META["REMOTE_ADDR"],
            "forwarded": [
                part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
            ],
            "scheme": request.scheme,
            "host": request.headers.get("Host", ""),
        }
    }


class Outside:
    """The installation as its clients see it, at a URL."""

    def __init__(self, url: str) -> None:
        """Keep the parts of the URL."""
        self._parts = urlsplit(url if "//" in url else f"https://{url}")
        self._prefix = self._parts.path.rstrip("/")

    def __call__(self) -> Iterator[Finding]:
        """Ask, and compare."""
        if not self._parts.hostname or self._parts.scheme not in {"http", "https"}:
            yield error(f"{self._parts.geturl()} is no address.", "Name one such as https://faces.example.com.")
            return
        secure = self._parts.scheme == "https"
        if secure:
            yield self._certificate()
        headers = {_HEADER: _SIGNER.sign("doctor"), "X-Forwarded-For": _INVENTED}
        status, answered, body = self._ask("GET", "/readyz", headers)
        try:
            arrived = json.loads(body)["seen"]
        except (ValueError, KeyError, TypeError):
            text = f"/readyz answers {status}, without what the server saw."
            yield error(text, "Forward /readyz with all headers, and run the doctor with the server's SECRET_KEY.")
            return
        yield from self._arrived(arrived)
        yield from _dated(answered.get("Date"))
        yield from self._served()
        if secure:
            yield from self._hardened()

    def _arrived(self, arrived: dict[str, Any]) -> Iterator[Finding]:
        """Compare what the server saw with what was sent."""
        if arrived["version"] != settings.VERSION:
            text = f"The server runs version {arrived['version']}, these files are {settings.VERSION}."
            yield warning(text, "Restart web server, worker and beat.")
        if arrived["scheme"] != self._parts.scheme:
            text = f"The server takes {self._parts.scheme} for {arrived['scheme']}."
            yield error(text, "The outermost proxy must set X-Forwarded-Proto; set TRUSTED_PROXIES.")
        if arrived["host"].lower() != self._parts.netloc.rpartition("@")[2].lower():
            text = f"The server sees the host {arrived['host']}."
            yield error(text, "The proxy must forward Host with its port; links and CSRF checks rely on it.")
        if not validate_host(split_domain_port(arrived["host"])[0], settings.ALLOWED_HOSTS):
            yield error(f"{arrived['host']} is not in ALLOWED_HOSTS: pages answer 400.", "Add it.")
        yield _proxies(arrived["forwarded"], arrived["address"])

    def _served(self) -> Iterator[Finding]:
        """Fetch a static file, and announce a picture's bytes."""
        name = next(iter(ManifestStaticFilesStorage().hashed_files.values()), "")
        path = f"{urlsplit(settings.STATIC_URL).path.removeprefix(self._prefix)}{name}"
        status, _, _ = self._ask("GET", path, {})
        if status == _OK:
            yield ok("Static files are served.")
        else:
            yield error(f"The static file {path} answers {status}.", "Correct the proxy's folder; run make setup.")
        status, _, _ = self._ask("POST", "/healthz", {}, bytes(_PICTURE_BYTES))
        if status == _TOO_LARGE:
            text = f"The proxy refuses bodies of {_PICTURE_BYTES / 1e6:.0f} MB."
            yield error(text, f"Let it accept MAX_BODY_BYTES ({settings.MAX_BODY_BYTES:,}): pictures are large.")
        else:
            yield ok(f"Bodies of {_PICTURE_BYTES / 1e6:.0f} MB pass.")

    def _hardened(self) -> Iterator[Finding]:
        """Check HSTS and the redirect from HTTP."""
        _, headers, _ = self._ask("GET", "/account/login/", {})
        if settings.SECURE_HSTS_SECONDS and "Strict-Transport-Security" not in headers:
            yield warning("The proxy removes Strict-Transport-Security.", "Let it pass the server's headers.")
        plain = http.client.HTTPConnection(self._parts.hostname or "", timeout=_SECONDS)
        try:
            plain.request("GET", f"{self._prefix}/")
            answer = plain.getresponse()
        except OSError:
            yield ok("Nothing answers without TLS.")
            return
        finally:
            plain.close()
        if answer.status in _MOVED and str(answer.headers["Location"]).startswith("https://"):
            yield ok("HTTP is redirected to HTTPS.")
        else:
            yield warning(f"http:// answers {answer.status} instead of redirecting to https://.", "Redirect it.")

    def _certificate(self) -> Finding:
        """Return how long the certificate is valid; connecting has verified it.

        Raises:
            OSError: nothing answers, or the certificate is not valid for this host.
        """
        connection = self._connection()
        try:
            connection.connect()
            certificate = connection.sock.getpeercert() or {}  # type: ignore[union-attr]  # connected by TLS
        finally:
            connection.close()
        days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / _DAY
        text = f"The certificate is valid for {days:.0f} days."
        return warning(text, "Renew it.") if days < _LEAST_DAYS else ok(text)

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection()
        try:
            connection.request(method, self._prefix + path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, self._parts.port, timeout=_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, self._parts.port, timeout=_SECONDS)


def _proxies(forwarded: list[str], address: str) -> Finding:
    """Compare TRUSTED_PROXIES with the entries that proxies wrote; the first may be ours, passed on."""
    written = len(forwarded) - (forwarded[:1] == [_INVENTED])
    trusted = settings.TRUSTED_PROXIES
    if written == trusted:
        return ok(f"TRUSTED_PROXIES={trusted} is right: the server sees the client as {address}.")
    if trusted > written:
        text = f"{written} proxies write X-Forwarded-For, but TRUSTED_PROXIES={trusted}: clients choose their address."
        return error(text, f"Set TRUSTED_PROXIES={written}, or let each proxy append the client's address.")
    text = f"{written} proxies write X-Forwarded-For, but TRUSTED_PROXIES={trusted}: all clients count as {address}."
    return error(text, f"Set TRUSTED_PROXIES={written}.")


def _dated(date: str | None) -> Iterator[Finding]:
    if date and abs(parsedate_to_datetime(date).timestamp() - time.time()) > _SKEW_SECONDS:
        yield warning("The public server's clock differs from this host's.", "Synchronise both by NTP.")
