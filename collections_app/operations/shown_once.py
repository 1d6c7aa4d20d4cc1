"""Pass a secret from the form that makes it to the page that shows it, sealed: stored sessions reveal nothing."""

import json
from base64 import b64decode, b64encode

from tenants.access import Caller
from tenants.errors import SealBroken
from tenants.vault import Vault


def seal(caller: Caller, page: str, values: dict[str, str]) -> str:
    """Return the values, sealed for this caller and page, as text for the session."""
    sealed = Vault.of(caller.tenant).seal(json.dumps(values).encode(), _context(caller, page))
    return b64encode(sealed).decode()


def unseal(caller: Caller, page: str, sealed: str) -> dict[str, str] | None:
    """Return the values; None if they were sealed for another caller, tenant or page."""
    try:
        values: dict[str, str] = json.loads(Vault.of(caller.tenant).open(b64decode(sealed), _context(caller, page)))
    except SealBroken:
        return None
    return values


def _context(caller: Caller, page: str) -> str:
    return f"shown once:{page}:{caller.kind}:{caller.id}"
