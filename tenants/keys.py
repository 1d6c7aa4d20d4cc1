"""API keys: the only code that sees one in plain text.

A key is an id and a secret. The id is public and finds the row; the secret has 256 random bits, so a plain SHA-256 of
it is as hard to turn back as any slow hash (those are for passwords that people choose). One key serves every dialect:
whole (`fp_….secret`) where a vendor has one field, in its two halves where a vendor has two.
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
_NO_HASH = bytes(32)  # what no secret hashes to, as far as anybody will ever see


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, in the one answer that shows its secret."""

    key: ApiKey
    secret: str

    @property
    def token(self) -> str:
        """The whole key in one word."""
        return f"{self.key.pk}.{self.secret}"


def secret_hash(secret: str) -> bytes:
    """Return the SHA-256 by which a secret is known, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def split(token: str) -> tuple[str, str]:
    """Take a whole key apart into its id and its secret; what is no key gives halves that no row has."""
    key_id, _, secret = token.partition(".")
    return key_id, secret


def opens(key: ApiKey | None, secret: str, now: datetime) -> bool:
    """Tell whether the secret is the key's, or one before it while a rotation overlaps.

    Works as long for a key that is not there, for a wrong secret and for a right one.
    """
    given = secret_hash(secret)
    known = [bytes(key.secret_hash), *map(bytes.fromhex, overlapping(key, now))] if key else [_NO_HASH]
    return sum(hmac.compare_digest(given, one) for one in known) > 0


def overlapping(key: ApiKey, now: datetime) -> dict[str, str]:
    """Return the secrets before the present one that still open the door, as they are kept."""
    return {hashed: until for hashed, until in key.previous if datetime.fromisoformat(until) > now}


def admits(key: ApiKey, address: str) -> bool:
    """Tell whether the key may be used from the address; an address that is none is in no network."""
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
    """Make a key, by hand or with another key; its secret is in the answer and nowhere else."""
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
    """Give the key a new secret under its old id; the secret before it still opens the door until `keep_until`.

    Secrets that were kept by earlier rotations stay as long as was said then; without `keep_until` none stays.
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
