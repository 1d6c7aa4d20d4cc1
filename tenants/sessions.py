"""Sessions of the console and the admin: a stolen copy of their table neither signs in nor reveals their content.

A row's key is the SHA-256 of the cookie's key, cut to the column's 40 characters (160 bits). Its data are encrypted
with a key derived from the cookie and SECRET_KEY, since a session may hold a secret for a while: of an invitation, or
of a password reset.
"""

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone
from django.utils.crypto import salted_hmac

_NONCE = 12
_KEY_LENGTH = 40


class SessionStore(db.SessionStore):
    """Django's database sessions, found by a hash and encrypted. Synchronous methods only: we serve WSGI."""

    def load(self) -> dict[str, Any]:
        """Return the session's content; empty if there is none, or it has expired."""
        row = self._rows(self.session_key).filter(expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    def exists(self, session_key: str) -> bool:
        """Return whether a cookie's key is in use."""
        return bool(self._rows(session_key).exists())

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Return the row to write."""
        row = super().create_model_instance(data)
        row.session_key = row_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete the row of a cookie's key, this session's by default."""
        self._rows(session_key or self.session_key).delete()

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Serialise and encrypt."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher().encrypt(nonce, self.serializer().dumps(session_dict), None)
        return urlsafe_b64encode(nonce + sealed).decode()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Decrypt; return nothing if that fails."""
        try:
            sealed = urlsafe_b64decode(session_data)
            plain = self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            return {}
        held: dict[str, Any] = self.serializer().loads(plain)
        return held

    def _rows(self, session_key: str | None) -> Any:  # noqa: ANN401 -- a query set of Session
        return self.model.objects.filter(pk=row_key(session_key or ""))

    def _cipher(self) -> AESGCM:
        return AESGCM(salted_hmac("faceplane.sessions", self.session_key or "", algorithm="sha256").digest())


def row_key(session_key: str) -> str:
    """Return the key of a session's row: the SHA-256 of the cookie's key, cut."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:_KEY_LENGTH]
