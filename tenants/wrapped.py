"""The columns of keys that a master key wraps. The rotation and the backup go by this one table."""

from typing import Any

from django.db import models

from tenants import vault
from tenants.models import AuditHead, Authenticator, DataKey, SigningKey

# Rows, column, and the context that a row's key is bound to. A test finds columns of bytes that are nowhere listed.
COLUMNS: tuple[tuple["models.Manager[Any]", str, str], ...] = (
    (DataKey.unscoped, "wrapped", "data-key:{0.tenant_id}:{0.version}"),
    (AuditHead.unscoped, "wrapped_key", "audit-key:{0.tenant_id}"),
    (SigningKey.objects, "wrapped", "signing-key:{0.version}"),
    (Authenticator.objects, "wrapped_seed", "authenticator:{0.user_id}"),
)


def master_keys() -> set[str]:
    """Return the fingerprints of the master keys that wrapped a key of this database."""
    return {
        vault.fingerprint(bytes(key))
        for rows, column, _ in COLUMNS
        for key in rows.values_list(column, flat=True).iterator()
    }
