"""Checks of what the operator configured: settings, secrets, keys, mail, addresses."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from config.checks import Finding, Severity, error, ok, warning
from tenants import startup, vault
from tenants.models import DataKey

_OTHERS_MAY_READ = 0o077
_IN_CONTAINER = Path("/run/secrets")  # mounted into this container only
_OF_HTTPS = {f"security.W{number}" for number in ("004", "008", "012", "016")}  # what the setting HTTPS decides
_SEVERITY = {checks.WARNING: Severity.WARNING, checks.ERROR: Severity.ERROR, checks.CRITICAL: Severity.ERROR}


def configured() -> Iterator[Finding]:
    """Run Django's checks, ours among them: those of `manage.py check --deploy --database default`."""
    found = checks.run_checks(include_deployment_checks=True, databases=["default"])
    if not settings.HTTPS:
        text = "HTTPS is off: passwords, keys and pictures cross the network in clear, and cookies too."
        yield warning(text, "Put a proxy that ends TLS in front (config/deploy), and set HTTPS=true.")
    for message in found:
        if message.level in _SEVERITY and message.id not in _OF_HTTPS:
            yield Finding(_SEVERITY[message.level], f"{message.id}: {message.msg}", message.hint or "")
    yield ok(f"Version {settings.VERSION}.")
    if settings.ALLOW_PRIVATE_URLS:
        text = "ALLOW_PRIVATE_URLS is set: tenants reach every address of the local network."
        yield warning(text, "Unset it; name the networks that they may reach in ALLOWED_NETWORKS.")


def master_key() -> Iterator[Finding]:
    """Check that the master key opens this database, and which keys are still in use."""
    try:
        startup.require_master_key()
    except ImproperlyConfigured as fault:
        yield error(str(fault), "Put the key back into MASTER_KEYS, from its copy, and restart.")
        return
    current = vault.fingerprints()[0]
    used = Counter(vault.fingerprint(bytes(wrapped)) for wrapped in DataKey.unscoped.values_list("wrapped", flat=True))
    old = sum(used.values()) - used[current]
    if old:
        text = f"{old} data keys are wrapped by an older master key."
        yield warning(text, "Run manage.py rotate_keys master before you remove that key.")
    yield ok(f"The master key {current} opens this database.")


def secrets() -> Iterator[Finding]:
    """Check that nobody else can read the files of secrets, and that generated ones were meant."""
    named = [Path(os.environ[name]) for name in ("MASTER_KEYS_FILE", "SECRET_KEY_FILE") if os.environ.get(name)]
    generated = [
        file
        for name, file in (("MASTER_KEYS", "master.key"), ("SECRET_KEY", "django.key"))
        if not any(os.environ.get(f"{name}{end}") for end in ("", "_FILE", "_COMMAND"))
    ]
    for name in generated:
        text = f"The secret {settings.SECRETS_DIR / name} was generated at the first start."
        yield warning(text, "Keep a copy elsewhere, and name it in MASTER_KEYS_FILE or SECRET_KEY_FILE.")
    files = [*named, *(settings.SECRETS_DIR / name for name in generated)]
    exposed = [file for file in files if file.is_file() and file.stat().st_mode & _OTHERS_MAY_READ]
    exposed = [file for file in exposed if file.parent != _IN_CONTAINER]
    for file in exposed:
        yield warning(f"Other users may read or change {file}.", f"chmod 600 {file}")
    if files and not exposed:
        yield ok("Only their owner may read the files of secrets.")


def mail() -> Iterator[Finding]:
    """Check that mail is sent."""
    if settings.EMAIL_URL:
        yield ok(f"Mail is sent through {settings.EMAIL_HOST}. Try it: manage.py sendtestemail.")
    else:
        yield warning(f"Mail is not sent, but written to {settings.EMAIL_FILE_PATH}.", "Set EMAIL_URL.")
