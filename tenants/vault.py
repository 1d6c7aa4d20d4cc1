"""Envelope encryption: master key -> tenant data key -> templates, images, index files.

AES-256-GCM throughout. Sealed bytes are bound to their tenant and to a context (which row, which file), so they cannot
be opened in another place. Without its data keys everything that a tenant ever stored is unreadable: that is how a
tenant is erased even from old backups.
"""

import base64
import binascii
import hashlib
import os
from functools import lru_cache
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tenants.errors import MasterKeyUnusable, SealBroken
from tenants.models import DataKey, Tenant
from tenants.prepared import Prepared

_KEYS = Prepared(lambda tenant: DataKey.objects.of(Tenant(pk=tenant)).values_list("version", "wrapped"), int)
KEY_BYTES = 32
_FINGERPRINT = 8
_NONCE = 12
_VERSION = 4


@lru_cache(maxsize=1)
def _master_keys(words: tuple[str, ...]) -> dict[bytes, AESGCM]:
    """Return the master keys by fingerprint; the first one wraps."""
    keys = {}
    for word in words:
        try:
            raw = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != KEY_BYTES:
            message = "Each of MASTER_KEYS must be 32 bytes in base64url."
            raise ImproperlyConfigured(message)
        keys[hashlib.sha256(raw).digest()[:_FINGERPRINT]] = AESGCM(raw)
    return keys


def wrap(key: bytes, context: str) -> bytes:
    """Encrypt a key with the current master key: fingerprint, nonce, ciphertext."""
    fingerprint, master = next(iter(_master_keys(tuple(settings.MASTER_KEYS)).items()))
    nonce = os.urandom(_NONCE)
    return fingerprint + nonce + master.encrypt(nonce, key, context.encode())


def unwrap(wrapped: bytes, context: str) -> bytes:
    """Decrypt a key with the master key that wrapped it.

    Raises:
        MasterKeyUnusable: that master key is not configured, or the bytes were changed.
    """
    master = _master_keys(tuple(settings.MASTER_KEYS)).get(wrapped[:_FINGERPRINT])
    if master is None:
        raise MasterKeyUnusable
    nonce, sealed = wrapped[_FINGERPRINT : _FINGERPRINT + _NONCE], wrapped[_FINGERPRINT + _NONCE :]
    try:
        return master.decrypt(nonce, sealed, context.encode())
    except InvalidTag as error:
        raise MasterKeyUnusable from error


def fingerprints() -> list[str]:
    """Return the fingerprints of the configured master keys, in hexadecimal; the first one wraps."""
    return [print_.hex() for print_ in _master_keys(tuple(settings.MASTER_KEYS))]


def fingerprint(wrapped: bytes) -> str:
    """Return the fingerprint of the master key that wrapped a key."""
    return wrapped[:_FINGERPRINT].hex()


def version_of(sealed: bytes) -> int:
    """Return the version of the data key that sealed these bytes."""
    return int.from_bytes(sealed[:_VERSION])


@lru_cache(maxsize=4096)
def _cipher(wrapped: bytes, context: str) -> AESGCM:
    return AESGCM(unwrap(wrapped, context))


def _key_context(tenant_id: int, version: int) -> str:
    return f"data-key:{tenant_id}:{version}"


def add_data_key(tenant: Tenant) -> DataKey:
    """Create a data key for the tenant; it seals from now on."""
    newest = DataKey.objects.of(tenant).order_by("-version").first()
    version = newest.version + 1 if newest else 1
    wrapped = wrap(os.urandom(KEY_BYTES), _key_context(tenant.pk, version))
    return DataKey.unscoped.create(tenant=tenant, version=version, wrapped=wrapped)


class Vault:
    """A tenant's data keys, unwrapped once for use on many items.

    Sealed bytes are the data key's version (4 bytes), a nonce (12 bytes) and the ciphertext with its tag.
    """

    def __init__(self, tenant_id: int, ciphers: dict[int, AESGCM]) -> None:
        """Keep the ciphers by version."""
        self._tenant_id = tenant_id
        self._ciphers = ciphers
        self._newest = max(ciphers, default=0)

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Load and unwrap the tenant's data keys.

        Raises:
            MasterKeyUnusable: no configured master key unwraps them.
        """
        keys = _KEYS(tenant.pk)
        return cls(tenant.pk, {v: _cipher(bytes(wrapped), _key_context(tenant.pk, v)) for v, wrapped in keys})

    @classmethod
    def with_key(cls, tenant: Tenant, key: bytes) -> Self:
        """Return a vault whose only data key is this one, which is itself kept sealed by the tenant's vault."""
        return cls(tenant.pk, {1: AESGCM(key)})

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt for this context.

        Raises:
            MasterKeyUnusable: the tenant has no data key (it was erased).
        """
        if not self._ciphers:
            raise MasterKeyUnusable
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._newest].encrypt(nonce, plain, self._bound(context))
        return self._newest.to_bytes(_VERSION) + nonce + sealed

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt bytes that were sealed for this context.

        Raises:
            SealBroken: wrong tenant, wrong context, changed bytes, or a data key that was deleted.
        """
        cipher = self._ciphers.get(version_of(sealed))
        nonce, body = sealed[_VERSION : _VERSION + _NONCE], sealed[_VERSION + _NONCE :]
        if cipher is None or len(nonce) != _NONCE:
            raise SealBroken(context)
        try:
            return cipher.decrypt(nonce, body, self._bound(context))
        except InvalidTag as error:
            raise SealBroken(context) from error

    def _bound(self, context: str) -> bytes:
        return f"{self._tenant_id}:{context}".encode()
