"""API keys: the only code that sees one in plain text.

A key is an id and a secret. The id is public and finds the row; the secret has 256 random bits, so its plain SHA-256
cannot be reversed (slow hashes are for passwords that people choose). One key serves every dialect: whole
(`fp_….secret`) where a vendor has one field, as id and secret where a vendor has two.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

from django.utils import timezone

from tenants.models import ApiKey, Tenant

PREFIX = "fp_"
_NO_HASH = bytes(32)  # stands in for an unknown key; no known secret has this hash


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which is shown once."""

    key: ApiKey
    secret: str

    @property
    def token(self) -> str:
        """The whole key: `id.secret`."""
        return f"{self.key.pk}.{self.secret}"


def secret_hash(secret: str) -> bytes:
    """Return a secret's SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def split(token: str) -> tuple[str, str]:
    """Split a whole key into id and secret; other text gives values that no row has."""
    key_id, _, secret = token.partition(".")
    return key_id, secret


def opens(key: ApiKey | None, secret: str, now: datetime) -> bool:
    """Return whether the secret is the key's current one, or a former one that is still accepted.

    Takes the same time for an unknown key, a wrong secret and a right one.
    """
    hashed = secret_hash(secret)
    known = [bytes(key.secret_hash), *map(bytes.fromhex, overlapping(key, now))] if key else [_NO_HASH]
    return sum(hmac.compare_digest(hashed, one) for one in known) > 0


def overlapping(key: ApiKey, now: datetime) -> dict[str, str]:
    """Return the former secrets that are still accepted: SHA-256 in hexadecimal to ISO 8601 time."""
    return {hashed: until for hashed, until in key.previous if datetime.fromisoformat(until) > now}


def admits(key: ApiKey, address: str) -> bool:
    """Return whether the key may be used from the address; a malformed address is in no network."""
    if not key.networks:
        return True
    try:
        here = ip_address(address)
    except ValueError:
        return False
    if isinstance(here, IPv6Address) and here.ipv4_mapped:
        here = here.ipv4_mapped
    return any(here in ip_network(network) for network in key.networks)


def issue(
    tenant: Tenant,
    *,
    name: str,
    scopes: Iterable[str],
    collections: Iterable[int] | None = None,
    networks: Iterable[str] = (),
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
    calls_per_day: int | None = None,
    parent: ApiKey | None = None,
) -> IssuedKey:
    """Create a key, with `parent` if another key issues it; its secret is returned and stored nowhere."""
    secret = _new_secret()
    key = ApiKey(
        id=PREFIX + base64.b32encode(secrets.token_bytes(10)).decode().lower(),
        tenant=tenant,
        name=name,
        secret_hash=secret_hash(secret),
        scopes=sorted(scopes),
        collections=None if collections is None else sorted(collections),
        networks=sorted(str(ip_network(network)) for network in networks),
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
        calls_per_day=calls_per_day,
        parent=parent,
    )
    key.save(force_insert=True)
    return IssuedKey(key, secret)


def rotate(key: ApiKey, *, keep_until: datetime | None = None) -> IssuedKey:
    """Give the key a new secret under its old id; the former secret is accepted until `keep_until`.

    Secrets kept by earlier rotations keep their own time; without `keep_until` every former secret is refused at once.
    """
    secret = _new_secret()
    kept = overlapping(key, timezone.now()) if keep_until else {}
    if keep_until:
        kept[bytes(key.secret_hash).hex()] = keep_until.isoformat()
    key.previous, key.secret_hash = list(kept.items()), secret_hash(secret)
    key.save(update_fields=["secret_hash", "previous"])
    return IssuedKey(key, secret)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)
