"""What must hold before a process serves: this code knows the tables, and the master key at hand opens the database."""

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from tenants import schema, signing, vault
from tenants.errors import MasterKeyUnusable
from tenants.models import SigningKey

logger = logging.getLogger("faceplane.startup")


def require_schema() -> None:
    """Refuse to start on tables that another version made. Migrations that wait are left to /readyz.

    Raises:
        ImproperlyConfigured: this code does not know the tables.
    """
    try:
        fault = schema.fault()
    except DatabaseError as error:
        logger.warning("The tables could not be checked yet", extra={"error": str(error)})
        return
    if fault:
        raise ImproperlyConfigured(fault)


def require_master_key() -> None:
    """Refuse to start with a master key that opens nothing here; it would only seal new faces beside unreadable ones.

    A database that is empty or away has nothing to compare with: what it holds is checked when it is opened.

    Raises:
        ImproperlyConfigured: no key of MASTER_KEYS opens what the database holds.
    """
    try:
        known = SigningKey.objects.order_by("-version").first()
    except DatabaseError as error:
        logger.warning("The master key could not be checked yet", extra={"error": str(error)})
        return
    if known is None:
        return
    try:
        vault.unwrap(bytes(known.wrapped), signing.context(known.version))
    except MasterKeyUnusable:
        message = (
            f"The master key does not open this database. It was sealed with the key of fingerprint "
            f"{vault.fingerprint(bytes(known.wrapped))}, and MASTER_KEYS holds only {', '.join(vault.fingerprints())}. "
            f"Give that key back, or its backup: without it the stored faces cannot be read."
        )
        raise ImproperlyConfigured(message) from None
