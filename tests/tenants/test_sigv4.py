"""Signed requests: what proves a key, in which form, for how long, and where its secret lies."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from django.core.management import call_command
from django.utils import timezone

from collections_app.dialects import DIALECTS
from collections_app.operations.keys import issue_key, revoke_key, rotate_key
from tenants import sigv4, vault
from tenants.keys import IssuedKey
from tenants.models import ApiKey, AuditEntry, KeptSecret, UsageDay
from tests.conftest import Customer
from tests.dialects.clients import JsonClient, NativeClient, send

SIGNING = next(dialect for dialect in DIALECTS if dialect.credentials.signs)
TARGET = "RekognitionService.ListCollections"
LIST = f"/{SIGNING.prefix.rstrip('/')}#X-Amz-Target={TARGET}"
REFUSED, MISSING, STALE = (
    "UnrecognizedClientException",
    "MissingAuthenticationTokenException",
    "InvalidSignatureException",
)


@pytest.fixture
def issued(acme: Customer) -> IssuedKey:
    """A key for signing."""
    return issue_key(acme.caller, name="signs", scopes=["read", "admin"], signs=True)


class _Presigner(SigV4QueryAuth):  # type: ignore[misc]
    """botocore's, which would move a body into the query, where no JSON contract looks for it."""

    def payload(self, request: AWSRequest) -> str:
        """Return the digest of the real body."""
        return hashlib.sha256(request.context["body"]).hexdigest()


@dataclass(frozen=True)
class Signed:
    """A signed request."""

    url: str
    headers: dict[str, str]
    body: bytes

    def sent(self, body: bytes | None = None, url: str = "", **headers: str) -> str:
        """Send it as it is, or changed; return the error's code, empty for a success."""
        where, named = urlsplit(url or self.url), self.headers | {"Host": "testserver"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        kind, content = named.pop("Content-Type"), self.body if body is None else body
        answer = JsonClient().generic("POST", f"{where.path}?{where.query}", content, kind, headers=named)
        return str(answer.json().get("Code", ""))


def _signed(issued: IssuedKey, body: bytes = b"{}", form: str = "header", **changed: Any) -> Signed:
    """Return a request that botocore signed; `changed`: its url, region, service, secret or headers."""
    headers = {"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.1"} | changed.get("headers", {})
    url, presigned = changed.get("url", "http://testserver/rekognition"), form == "presigned"
    request = AWSRequest("POST", url, headers, b"" if presigned else body)
    request.context["body"] = body
    key = Credentials(issued.key.pk, changed.get("secret", issued.secret))
    scope = (changed.get("service", "rekognition"), changed.get("region", "eu-west-1"))
    (_Presigner(key, *scope, expires=60) if presigned else SigV4Auth(key, *scope)).add_auth(request)
    return Signed(request.url, dict(request.headers.items()), body)


@pytest.mark.parametrize("form", ["header", "presigned"])
def test_a_signature_proves_the_key_for_this_request_alone(issued: IssuedKey, form: str) -> None:
    """Check 20: in both forms; another body, operation, path or digest is another request."""
    request = _signed(issued, b'{"MaxResults": 1}', form)
    assert request.sent() == ""
    assert request.sent(b'{"MaxResults": 2}') == REFUSED
    assert request.sent(X_Amz_Target="RekognitionService.DescribeCollection") == REFUSED
    assert request.sent(X_Amz_Content_Sha256="UNSIGNED-PAYLOAD") == REFUSED
    assert request.sent(url=request.url.replace("/rekognition", "/rekognition/")) == REFUSED


def test_an_unsigned_payload_is_refused_though_it_is_signed(issued: IssuedKey) -> None:
    request = _signed(issued, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert request.sent() == REFUSED


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"secret": "wrong"}, REFUSED),
        ({"service": "s3"}, MISSING),
        ({"region": "moon-1"}, ""),
        ({"url": "http://testserver/rekognition/?b=2&a=%20x&a="}, ""),
    ],
    ids=["secret", "service", "region", "query"],
)
def test_what_a_signature_is_made_of(issued: IssuedKey, changed: dict[str, Any], code: str) -> None:
    assert _signed(issued, **changed).sent() == code


@pytest.mark.parametrize(
    ("minutes", "form", "code"),
    [
        (4, "header", ""),
        (6, "header", STALE),
        (-4, "header", ""),
        (-6, "header", STALE),
        (2, "presigned", STALE),
        (-4, "presigned", ""),
    ],
)
def test_the_window_is_five_minutes_and_no_longer_than_a_presigned_request_says(
    issued: IssuedKey, monkeypatch: pytest.MonkeyPatch, minutes: int, form: str, code: str
) -> None:
    """Check 20: positive: signed so many minutes ago. The presigned request expires after one."""
    request = _signed(issued, form=form)

    class Clock(datetime):
        """A clock that is ahead by `minutes`."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(minutes=minutes)

    monkeypatch.setattr(sigv4, "datetime", Clock)
    assert request.sent() == code


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text.replace("x-amz-target", "x-other"),
        lambda text: text.replace("/eu-west-1/", "/"),
        lambda text: text.replace("host;", ""),
        lambda text: text.replace("Signature=", "Signature=Z"),
        lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        lambda _: "Bearer x",
        lambda _: "",
    ],
)
def test_a_signature_that_cannot_be_read_or_covers_too_little(issued: IssuedKey, broken: Callable[[str], str]) -> None:
    request = _signed(issued)
    assert request.sent(Authorization=broken(request.headers["Authorization"])) == MISSING


def test_before_a_signature_is_verified_nothing_is_counted(acme: Customer, issued: IssuedKey) -> None:
    ApiKey.objects.of(acme.tenant).filter(pk=issued.key.pk).update(requests_per_minute=1)
    request = _signed(issued)
    assert [request.sent(b"{ }") for _ in range(3)] == [REFUSED] * 3
    assert request.sent() == ""
    assert request.sent() == "ProvisionedThroughputExceededException"
    assert not UsageDay.objects.of(acme.tenant).exists()
    assert ApiKey.objects.of(acme.tenant).get(pk=issued.key.pk).last_used_at


def test_a_kept_secret_is_sealed_and_serves_no_other_dialect(acme: Customer, issued: IssuedKey) -> None:
    """Check 20, R18: the row has no hash, so the secret itself opens nothing; nor does a key that is sent sign."""
    assert issued.secret.encode() not in bytes(KeptSecret.objects.of(acme.tenant).get().sealed)
    assert not ApiKey.objects.of(acme.tenant).get(pk=issued.key.pk).secret_hash
    answer = JsonClient().get("/api/v1/me", headers={"x-api-key": issued.token})
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_key")
    assert send(SIGNING, acme.issued, "POST", LIST, b"{}").json()["Code"] == REFUSED


def test_our_own_api_issues_keys_for_signing(acme: Customer) -> None:
    body = {"name": "signs", "scopes": ["read"], "signs": True}
    client = NativeClient(acme.issued.token)
    made = client("POST", "/keys", body).json()
    assert made["signs"]
    assert "CollectionIds" in send(SIGNING, _known(acme, made), "POST", LIST, b"{}").json()
    assert [key["signs"] for key in client("GET", "/keys").json()["keys"]] == [True, False]
    rotated = client("POST", f"/keys/{made['id']}/rotation", {"keep_until": None}).json()
    assert "CollectionIds" in send(SIGNING, _known(acme, rotated), "POST", LIST, b"{}").json()


def _known(acme: Customer, made: dict[str, Any]) -> IssuedKey:
    return IssuedKey(ApiKey.objects.of(acme.tenant).get(pk=made["id"]), made["secret"])


def test_a_rotation_keeps_the_former_secret_and_a_revocation_deletes_both(acme: Customer, issued: IssuedKey) -> None:
    def works(key: IssuedKey) -> bool:
        return "CollectionIds" in send(SIGNING, key, "POST", LIST, b"{}").json()

    hour = timezone.now() + timedelta(hours=1)
    second = rotate_key(acme.caller, key=issued.key.pk, keep_until=hour)
    assert [works(key) for key in (issued, second)] == [True, True]
    KeptSecret.objects.of(acme.tenant).filter(until=hour).update(until=datetime.now(UTC))
    assert [works(key) for key in (issued, second)] == [False, True]
    third = rotate_key(acme.caller, key=issued.key.pk)
    assert [works(key) for key in (second, third)] == [False, True]
    revoke_key(acme.caller, key=issued.key.pk)
    assert not works(third)
    assert not KeptSecret.objects.of(acme.tenant).exists()


def test_a_kept_secret_survives_the_rotation_of_data_keys(acme: Customer, issued: IssuedKey) -> None:
    call_command("rotate_keys", "data", tenant="acme", grace=0, verbosity=0)
    assert vault.version_of(bytes(KeptSecret.objects.of(acme.tenant).get().sealed)) == 2
    assert _signed(issued).sent() == ""


def test_the_audit_log_says_that_the_secret_is_kept(acme: Customer, issued: IssuedKey) -> None:
    entry = AuditEntry.objects.of(acme.tenant).get(action="key.issued", target_id=issued.key.pk)
    assert entry.facts["secret"] == "kept"  # noqa: S105
    assert issued.secret not in json.dumps(entry.facts)
