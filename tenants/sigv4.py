"""AWS Signature Version 4, as a server checks it and as a client makes it.

A client signs each request with its secret, which is never sent: the method, the path, the query, chosen headers and
the SHA-256 of the body. A server that knows the secret computes the same. Two forms: the signature in the header
Authorization, or in the query (presigned). A request may be repeated as long as its time is in the window.

Source: "AWS Signature Version 4 for API requests", AWS Identity and Access Management user guide.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import parse_qsl, quote

from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from tenants.errors import MissingKey, StaleSignature, UnknownKey

WINDOW = timedelta(minutes=5)  # how far a request's time may be from ours
_ALGORITHM, _END = "AWS4-HMAC-SHA256", "aws4_request"
_TIME = "%Y%m%dT%H%M%SZ"
_HEADER = re.compile(rf"{_ALGORITHM} +Credential=([^, ]+), *SignedHeaders=([^, ]+), *Signature=([0-9a-f]{{64}})")
_BLANKS = re.compile(" +")


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """What a signing key is derived for: one day, region and service."""

    day: str
    region: str
    service: str

    def __str__(self) -> str:
        """Return it as it is signed."""
        return f"{self.day}/{self.region}/{self.service}/{_END}"

    def key(self, secret: str) -> bytes:
        """Return the signing key that a secret has in this scope."""
        key = f"AWS4{secret}".encode()
        for part in (self.day, self.region, self.service, _END):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """A request's signature and what it says about itself; `headers` are the names of the signed ones."""

    key_id: str
    scope: CredentialScope
    at: datetime
    headers: tuple[str, ...]
    value: str
    expires: timedelta = WINDOW

    @classmethod
    def of(cls, headers: Mapping[str, str], query: str, *, service: str, signed: frozenset[str]) -> Self:
        """Read a request's signature for the service; `signed` are headers that it must cover. Nothing is proved yet.

        Raises:
            MissingKey: there is none, or it cannot be read or covers too little.
            StaleSignature: its time is not in the window.
        """
        in_query = dict(parse_qsl(query, keep_blank_values=True))
        if "X-Amz-Signature" in in_query:
            names = ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires")
            credential, covered, value, moment, seconds = (in_query.get(name, "") for name in names)
        elif found := _HEADER.fullmatch(headers.get("Authorization", "").strip()):
            credential, covered, value = found.groups()
            moment, seconds = headers.get("X-Amz-Date", ""), str(WINDOW.seconds)
            signed |= {"x-amz-date"}
        else:
            raise MissingKey
        key_id, *parts = credential.split("/")
        names = tuple(covered.split(";"))
        try:
            day, region, its_service, end = parts
            at = datetime.strptime(moment, _TIME).replace(tzinfo=UTC)
            expires = min(timedelta(seconds=int(seconds)), WINDOW)
        except (ValueError, OverflowError):
            raise MissingKey from None
        if (its_service, end, moment[:8]) != (service, _END, day) or not signed <= set(names):
            raise MissingKey
        signature = cls(key_id, CredentialScope(day, region, service), at, names, value, expires)
        signature._check_time()
        return signature

    def text(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return the text that the client signed, if the request is as it was then.

        Raises:
            UnknownKey: a header says another digest of the body than it has.
        """
        digest = hashlib.sha256(body).hexdigest()
        if headers.get("X-Amz-Content-Sha256", digest) != digest:
            raise UnknownKey
        pairs = parse_qsl(query, keep_blank_values=True)
        fields = sorted((_quoted(name), _quoted(value)) for name, value in pairs if name != "X-Amz-Signature")
        values = {name: _BLANKS.sub(" ", headers.get(name, "").strip()) for name in self.headers}
        lines = (
            method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in fields),
            *(f"{name}:{value}" for name, value in values.items()),
            "",
            ";".join(self.headers),
            digest,
        )
        canonical = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
        return "\n".join((_ALGORITHM, self.at.strftime(_TIME), str(self.scope), canonical))

    def proves(self, secret: str, text: str) -> bool:
        """Return whether this secret signed the text; takes the same time for every secret."""
        return hmac.compare_digest(hmac.digest(self.scope.key(secret), text.encode(), "sha256").hex(), self.value)

    def _check_time(self) -> None:
        age = datetime.now(UTC) - self.at
        if age > self.expires or age < -WINDOW:
            raise StaleSignature(self.at, self.expires)


def sign(
    key_id: str, secret: str, *, service: str, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """Return the headers of a request, signed as a client does it: those given and those of the signature."""
    request = AWSRequest(method, url, dict(headers), body)
    SigV4Auth(Credentials(key_id, secret), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
