"""Typed readers of the environment.

A value comes from the variable NAME or, for secrets kept in files, from the file that NAME_FILE names.
A value that cannot be used stops the start with a sentence that says which and why.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def text(name: str, default: str = "") -> str:
    """Read a string; an unset or empty variable gives the default."""
    file = os.environ.get(f"{name}_FILE", "")
    if not file:
        return os.environ.get(name, "") or default
    try:
        return Path(file).read_text(encoding="utf-8").strip() or default
    except OSError as error:
        message = f"{name}_FILE names {file}, which cannot be read: {error.strerror}."
        raise ImproperlyConfigured(message) from error


def flag(name: str, *, default: bool) -> bool:
    """Read a yes or no."""
    word = text(name)
    if not word:
        return default
    try:
        return _WORDS[word.lower()]
    except KeyError:
        message = f"{name} must be one of {', '.join(_WORDS)}; it is {word!r}."
        raise ImproperlyConfigured(message) from None


def integer(name: str, default: int, *, least: int = 0) -> int:
    """Read a whole number of at least `least`."""
    word = text(name, str(default))
    try:
        number = int(word)
    except ValueError:
        message = f"{name} must be a whole number; it is {word!r}."
        raise ImproperlyConfigured(message) from None
    if number < least:
        message = f"{name} must be at least {least}; it is {number}."
        raise ImproperlyConfigured(message)
    return number


def words(name: str, default: str = "") -> list[str]:
    """Read a list separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str) -> tuple[tuple[IPv4Network | IPv6Network, int | None], ...]:
    """Read networks, each with a port or without: 10.0.0.0/8:443,10.1.2.3,[fd00::/8]:8080."""
    return tuple(_network(name, word) for word in words(name))


def _network(name: str, word: str) -> tuple[IPv4Network | IPv6Network, int | None]:
    block, port = word, ""
    if word.startswith("["):
        block, closed, port = word[1:].partition("]")
        block, port = block if closed else word, port.removeprefix(":")
    elif word.count(":") == 1:
        block, _, port = word.partition(":")
    try:
        network, number = ip_network(block), int(port) if port else None
    except ValueError:
        network, number = None, 0
    if network is None or (number not in range(1, 2**16) and number is not None):
        message = f"{name} must name networks as in 10.0.0.0/8:443, with or without a port; it has {word!r}."
        raise ImproperlyConfigured(message)
    return network, number


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Read one of a few words."""
    word = text(name, default)
    if word not in choices:
        message = f"{name} must be one of {', '.join(choices)}; it is {word!r}."
        raise ImproperlyConfigured(message)
    return word


def kept_folder(name: str, default: Path) -> Path:
    """Read the path of a folder that we write to, and make it."""
    path = folder(name, default)
    try:
        path.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(path, os.W_OK) else "it cannot be written to"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        message = (
            f"{name} is {path}: {reason}. Set {name} to a folder that the server's user may write to; where the root "
            "is read-only, mount one."
        )
        raise ImproperlyConfigured(message)
    return path


def url(name: str, default: str) -> str:
    """Read a URL of HTTP."""
    word = text(name, default)
    if urlsplit(word).scheme not in {"http", "https"} or not urlsplit(word).hostname:
        message = f"{name} must be a URL such as https://faces.example.com; it is {word!r}."
        raise ImproperlyConfigured(message)
    return word


def folder(name: str, default: Path) -> Path:
    """Read a folder's path; a leading ~ is the user's home."""
    return Path(text(name, str(default))).expanduser().resolve()
