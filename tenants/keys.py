"""API keys: the only code that sees one in plain text.

A key is an id and a secret. The id is public and finds the row; the secret has 256 random bits, so its plain SHA-256
cannot be reversed (slow hashes are for passwords that people choose). One key serves every dialect: whole
(`fp_….secret`) where a vendor has one field, as id and secret where a vendor has two.

Where a vendor's clients sign with the secret and never send it, the server must know it. A key for them is issued as
such (`signs`): its secret is kept, sealed by the tenant's vault, and the key serves no other dialect.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from tenants.errors import ExpiredKey, RevokedKey
from tenants.models import ApiKey, KeptSecret, OperatorKey, Tenant
from tenants.scope import random_id
from tenants.sigv4 import Signature
from tenants.vault import Vault

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
    return matches(secret, [bytes(key.secret_hash), *map(bytes.fromhex, overlapping(key, now))] if key else [])


def matches(secret: str, hashes: Sequence[bytes]) -> bool:
    """Return whether one of the hashes is the secret's; without any it takes as long as with one."""
    hashed = secret_hash(secret)
    return sum(hmac.compare_digest(hashed, one) for one in hashes or [_NO_HASH]) > 0


def require_valid(key: ApiKey | OperatorKey, now: datetime) -> None:
    """Require that the key has not ended.

    Raises:
        RevokedKey, ExpiredKey: it has.
    """
    if key.revoked_at:
        raise RevokedKey
    if key.expires_at and key.expires_at <= now:
        raise ExpiredKey


def signed(key: ApiKey | None, signature: Signature, text: str, now: datetime) -> bool:
    """Return whether a secret of the key, its present or a former one that is still accepted, signed the text.

    Raises:
        MasterKeyUnusable, SealBroken: the secrets cannot be opened.
    """
    kept = list(_accepted(key, now)) if key and key.signs else []
    vault = Vault.of(key.tenant) if key and kept else None
    secrets_ = [vault.open(bytes(one.sealed), _context(one)).decode() for one in kept] if vault else [""]
    return sum(signature.proves(secret, text) for secret in secrets_) > 0 and bool(kept)


def overlapping(key: ApiKey, now: datetime) -> dict[str, str]:
    """Return the former secrets that are still accepted: what stands for each, and until when, in ISO 8601."""
    if key.signs:
        return {str(one.pk): one.until.isoformat() for one in _accepted(key, now) if one.until}
    return {hashed: until for hashed, until in key.previous if datetime.fromisoformat(until) > now}


def admits(key: ApiKey | OperatorKey, address: str) -> bool:
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
    signs: bool = False,
) -> IssuedKey:
    """Create a key, with `parent` if another key issues it; its secret is returned, and stored only if it `signs`."""
    secret = new_secret()
    key = ApiKey(
        id=new_id(PREFIX),
        tenant=tenant,
        name=name,
        secret_hash=b"" if signs else secret_hash(secret),
        scopes=sorted(scopes),
        collections=None if collections is None else sorted(collections),
        networks=sorted(str(ip_network(network)) for network in networks),
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
        calls_per_day=calls_per_day,
        parent=parent,
    )
    with transaction.atomic():
        key.save(force_insert=True)
        if signs:
            _keep(key, secret)
    return IssuedKey(key, secret)


def unusable_hash() -> bytes:
    """Return the hash of a secret that nobody knows, for a key that opens nothing before it is rotated."""
    return secret_hash(new_secret())


def rotate(key: ApiKey, *, keep_until: datetime | None = None) -> IssuedKey:
    """Give the key a new secret under its old id; the former secret is accepted until `keep_until`.

    Secrets kept by earlier rotations keep their own time; without `keep_until` every former secret is refused at once.
    """
    secret = new_secret()
    if key.signs:
        _replace(key, secret, keep_until)
        return IssuedKey(key, secret)
    kept = overlapping(key, timezone.now()) if keep_until else {}
    if keep_until:
        kept[bytes(key.secret_hash).hex()] = keep_until.isoformat()
    key.previous, key.secret_hash = list(kept.items()), secret_hash(secret)
    key.save(update_fields=["secret_hash", "previous"])
    return IssuedKey(key, secret)


def _accepted(key: ApiKey, now: datetime) -> QuerySet[KeptSecret]:
    return KeptSecret.objects.of(key.tenant).filter(Q(until=None) | Q(until__gt=now), key=key)


def _keep(key: ApiKey, secret: str) -> None:
    kept = KeptSecret(id=random_id(), tenant=key.tenant, key=key)
    kept.sealed = Vault.of(key.tenant).seal(secret.encode(), _context(kept))
    kept.save(force_insert=True)


def _replace(key: ApiKey, secret: str, keep_until: datetime | None) -> None:
    """Keep a new secret; end the present one at `keep_until`, or without it end all that there were."""
    rows = KeptSecret.objects.of(key.tenant).filter(key=key)
    with transaction.atomic():
        if keep_until:
            rows.filter(until__lte=timezone.now()).delete()
            rows.filter(until=None).update(until=keep_until)
        else:
            rows.delete()
        _keep(key, secret)


def _context(kept: KeptSecret) -> str:
    return f"kept-secret:{kept.pk}"


def forget(key: ApiKey) -> None:
    """Delete the kept secrets of a key that was revoked."""
    KeptSecret.objects.of(key.tenant).filter(key=key).delete()


def new_id(prefix: str) -> str:
    """Return an id for a key; the prefix says of which kind it is."""
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode().lower()


def new_secret() -> str:
    """Return a secret of 256 random bits."""
    return secrets.token_urlsafe(32)
