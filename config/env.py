"""Typed readers of the environment.

A value comes from the variable NAME, or from the file that NAME_FILE names (for secrets in files).
An invalid value raises ImproperlyConfigured, which stops the start with a sentence that says which value and why.
"""

import difflib
import os
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_SIMILARITY = 0.9  # difflib's ratio of two names that differ in a letter or two
_SHORTEST = 8  # shorter names resemble too many others
_read: set[str] = set()


def text(name: str, default: str = "") -> str:
    """Read a string; an unset or empty variable gives the default."""
    _read.update((name, f"{name}_FILE"))
    file = os.environ.get(f"{name}_FILE", "")
    if not file:
        return os.environ.get(name, "") or default
    try:
        return Path(file).read_text(encoding="utf-8").strip() or default
    except OSError as error:
        message = f"{name}_FILE names {file}, which cannot be read: {error.strerror}."
        raise ImproperlyConfigured(message) from error


def flag(name: str, *, default: bool) -> bool:
    """Read a boolean."""
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
    """Read networks, each with or without a port: 10.0.0.0/8:443,10.1.2.3,[fd00::/8]:8080."""
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


def writable_folder(name: str, default: Path) -> Path:
    """Read the path of a folder that we write to, and create it."""
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
    """Read an http or https URL."""
    word = text(name, default)
    if urlsplit(word).scheme not in {"http", "https"} or not urlsplit(word).hostname:
        message = f"{name} must be a URL such as https://faces.example.com; it is {word!r}."
        raise ImproperlyConfigured(message)
    return word


def folder(name: str, default: Path) -> Path:
    """Read a folder's path; a leading ~ is the home directory."""
    return Path(text(name, str(default))).expanduser().resolve()


def accelerators(name: str) -> list[str]:
    """Read what runs the models before the processor: names of execution providers in lower case, without "cpu"."""
    return [word for word in map(str.lower, words(name)) if word != "cpu"]


def cores() -> int:
    """Return how many cores this process may use, by its CPU affinity and its control group's quota."""
    usable = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # no control groups, or "max": no quota
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        usable = min(usable, max(1, int(quota) // int(period)))
    return usable


def refuse_misspelt(others: Iterable[str] = ()) -> None:
    """Refuse a variable that nothing reads, if its name resembles that of a setting that is not set.

    Call this after every setting was read; `others` are read elsewhere. To keep such a variable, set the setting to
    an empty value.

    Raises:
        ImproperlyConfigured: there is such a variable.
    """
    known = sorted(name for name in _read.union(others) if len(name) >= _SHORTEST)
    for name in sorted(os.environ.keys() - _read - set(others)):
        for meant in difflib.get_close_matches(name.upper(), known, n=1, cutoff=_SIMILARITY):
            if meant not in os.environ:
                message = f"{name} is set, but nothing reads it. Is {meant} meant? If not, set that to an empty value."
                raise ImproperlyConfigured(message)


def refuse_split(name: str, parts: Iterable[str]) -> None:
    """Refuse what a shell makes of `NAME=url?a=b&c=d` without quotes: `&` ends the command: c is set, NAME is not.

    Raises:
        ImproperlyConfigured: NAME is not set, and a parameter of its URL is set as a variable.
    """
    split = sorted(part for part in parts if part in os.environ)
    if split and not text(name):
        message = (
            f"{name} is not set, but {', '.join(split)} is, which belongs to its URL. In a file that a shell "
            f"reads, put the URL in single quotes, because of the &."
        )
        raise ImproperlyConfigured(message)
