"""Secrets that the embedded default makes for itself at its first start."""

import base64
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def printed(command: str) -> list[str]:
    """Run a program, if one is named, and return the secrets that it prints, separated by commas or lines."""
    if not command:
        return []
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 -- the operator's own
    except (OSError, subprocess.SubprocessError) as error:
        message = f"MASTER_KEYS_COMMAND gave no keys: {error}."
        raise ImproperlyConfigured(message) from None
    return [word.strip() for line in done.stdout.splitlines() for word in line.split(",") if word.strip()]


def generated(file: Path, *, size: int = 32, without: str) -> str:
    """Read the secret in the file; make the file first (mode 0600, `size` random bytes, base64url) if it is not there.

    Whoever starts us is told to keep a copy, and what it would mean to be `without` it.
    Two processes that start at once agree: the link is atomic and the loser reads the winner's.
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
