"""API keys: the only code that sees one in plain text.

A key is an id and a secret. The id is public and finds the row; the secret has 256 random bits, so a plain SHA-256 of
it is as hard to turn back as any slow hash (those are for passwords that people choose). One key serves every dialect:
whole (`fp_….secret`) where a vendor has one field, in its two halves where a vendor has two.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tenants.models import ApiKey, Tenant

PREFIX = "fp_"


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


def issue(
    tenant: Tenant,
    *,
    name: str,
    scopes: Iterable[str],
    collections: Iterable[int] | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Make a key; its secret is in the answer and nowhere else."""
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        id=PREFIX + base64.b32encode(secrets.token_bytes(10)).decode().lower(),
        tenant=tenant,
        name=name,
        secret_hash=secret_hash(secret),
        scopes=sorted(scopes),
        collections=None if collections is None else sorted(collections),
        expires_at=expires_at,
    )
    key.save(force_insert=True)
    return IssuedKey(key, secret)
