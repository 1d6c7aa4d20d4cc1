"""The installation's signature, on documents that serve as evidence: receipts of erasure, exported audit logs.

Ed25519. The private key is wrapped by the master key and stored in the database, so every process signs with the same
one; anybody with the public key can verify a document. A signed document is plain JSON with one more field,
`signature`, made over the document's canonical form without it: keys sorted, no spaces, UTF-8. Documents hold text,
whole numbers, booleans and null, never fractions, so that this form equals RFC 8785 in any language.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.db import transaction

from tenants import vault
from tenants.errors import SignatureBroken
from tenants.models import SigningKey

ALGORITHM = "Ed25519"
_FIELD = "signature"
_FIRST = 1


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of 64 bytes, and the id of its key."""

    key: str
    value: bytes


def sign(content: bytes) -> Signature:
    """Sign the content with the installation's newest key; the very first call creates it.

    Raises:
        MasterKeyUnusable: the master key that wrapped the signing key is not configured.
    """
    row = SigningKey.objects.order_by("-version").first() or _create()
    private = Ed25519PrivateKey.from_private_bytes(vault.unwrap(bytes(row.wrapped), context(row.version)))
    return Signature(key_id(bytes(row.public)), private.sign(content))


def verify(content: bytes, signature: Signature) -> None:
    """Check a signature against the public keys of this installation.

    Raises:
        SignatureBroken: the content was changed, or none of our keys signed it.
    """
    known = {key_id(bytes(public)): bytes(public) for public in SigningKey.objects.values_list("public", flat=True)}
    if signature.key not in known:
        raise SignatureBroken
    verify_with(known[signature.key], content, signature.value)


def verify_with(public: bytes, content: bytes, value: bytes) -> None:
    """Check a signature against one raw public key of 32 bytes; needs no database.

    Raises:
        SignatureBroken: the content was changed, or another key signed it.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, content)
    except (InvalidSignature, ValueError):
        raise SignatureBroken from None


def signed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with its signature added."""
    signature = sign(canonical(document))
    value = base64.b64encode(signature.value).decode()
    return {**document, _FIELD: {"algorithm": ALGORITHM, "key": signature.key, "value": value}}


def check(document: Mapping[str, Any], public: bytes | None = None) -> None:
    """Check a signed document against a raw public key, or against those of this installation.

    Raises:
        SignatureBroken: it has no signature, was changed, or another key signed it.
    """
    match document.get(_FIELD):
        case {"algorithm": "Ed25519", "key": str(key), "value": str(text)}:
            content = canonical({name: value for name, value in document.items() if name != _FIELD})
        case _:
            raise SignatureBroken
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SignatureBroken from None
    if public is None:
        verify(content, Signature(key, value))
    else:
        verify_with(public, content, value)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the canonical form of a document, which is what gets signed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def public_keys() -> dict[str, str]:
    """Return every public key of the installation as PEM, by its id, the newest first."""
    rows = SigningKey.objects.order_by("-version").values_list("public", flat=True) or [_create().public]
    return {key_id(bytes(public)): pem(bytes(public)) for public in rows}


def pem(public: bytes) -> str:
    """Return a raw public key as PEM."""
    key = Ed25519PublicKey.from_public_bytes(public)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def from_pem(text: bytes) -> bytes:
    """Return the raw public key of a PEM.

    Raises:
        SignatureBroken: it holds no Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(text)
    except ValueError:
        raise SignatureBroken from None
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureBroken
    return key.public_bytes_raw()


def key_id(public: bytes) -> str:
    """Return the id of a raw public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def context(version: int) -> str:
    """Return the context to which the wrapped private key of that version is bound."""
    return f"signing-key:{version}"


def _create() -> SigningKey:
    """Create the first key; if two processes do so at once, both use the one that was stored first."""
    private = Ed25519PrivateKey.generate()
    wrapped = vault.wrap(private.private_bytes_raw(), context(_FIRST))
    public = private.public_key().public_bytes_raw()
    with transaction.atomic():
        row, _ = SigningKey.objects.get_or_create(version=_FIRST, defaults={"public": public, "wrapped": wrapped})
    return row
