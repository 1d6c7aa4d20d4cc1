"""Secrets from a command, or generated at the first start."""

import base64
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def printed(command: str) -> list[str]:
    """Run a command, if there is one, and return the secrets that it prints, separated by commas or lines."""
    if not command:
        return []
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 -- the operator's command
    except (OSError, subprocess.SubprocessError) as error:
        message = f"MASTER_KEYS_COMMAND gave no keys: {error}."
        raise ImproperlyConfigured(message) from None
    return [word.strip() for line in done.stdout.splitlines() for word in line.split(",") if word.strip()]


def generated(file: Path, *, size: int = 32, without: str) -> str:
    """Read the secret in the file; if there is none, create it first (mode 0600, `size` random bytes, base64url).

    A new secret is announced on standard error: keep a copy, since `without` it something is lost.
    Two processes that start at once agree: the link is atomic, and the loser reads the winner's secret.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(base64.urlsafe_b64encode(secrets.token_bytes(size)).decode())
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, file)
            sys.stderr.write(f"A new secret was made: {file}. Keep a copy: without it {without}.\n")
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="ascii").strip()
