"""Checks before a process serves: the tables fit this code, and the master key fits the database."""

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from tenants import schema, signing, vault
from tenants.errors import MasterKeyUnusable
from tenants.models import SigningKey

logger = logging.getLogger("faceplane.startup")


def require_schema() -> None:
    """Refuse to start on tables of another version. Pending migrations are reported by /readyz.

    Raises:
        ImproperlyConfigured: the tables do not fit this code.
    """
    try:
        fault = schema.fault()
    except DatabaseError as error:
        logger.warning("The tables could not be checked yet", extra={"error": str(error)})
        return
    if fault:
        raise ImproperlyConfigured(fault)


def require_master_key() -> None:
    """Refuse to start with the wrong master key: it would seal new faces beside unreadable ones.

    With an empty database, or one that does not answer, there is nothing to compare with: the process starts.

    Raises:
        ImproperlyConfigured: no key of MASTER_KEYS opens this database.
    """
    try:
        newest = SigningKey.objects.order_by("-version").first()
    except DatabaseError as error:
        logger.warning("The master key could not be checked yet", extra={"error": str(error)})
        return
    if newest is None:
        return
    try:
        vault.unwrap(bytes(newest.wrapped), signing.context(newest.version))
    except MasterKeyUnusable:
        message = (
            f"The master key does not open this database. It was sealed with the key of fingerprint "
            f"{vault.fingerprint(bytes(newest.wrapped))}; MASTER_KEYS holds only {', '.join(vault.fingerprints())}. "
            f"Configure that key again, from its backup: without it the stored faces cannot be read."
        )
        raise ImproperlyConfigured(message) from None
