"""What the commands about bundles share: the passphrase, the file, and how rows and refusals are told."""

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError

from collections_app import bundle
from collections_app.bundle import Bundle, Seal
from collections_app.errors import (
    CollectionDeleted,
    CollectionExists,
    CollectionFull,
    CollectionNotFound,
    InvalidRequest,
    JobNotFound,
)
from tenants.errors import QuotaExceeded

_SHORTEST = 12
_CHUNK = 1_000_000


def counted(rows: Mapping[str, int]) -> str:
    """Return numbers of rows by kind in words."""
    return ", ".join(f"{count:,} {kind}" for kind, count in rows.items())


def add_seal(parser: ArgumentParser) -> None:
    """Take whom the bundle is sealed for."""
    parser.add_argument("file", help="the bundle to write, or - for standard output")
    parser.add_argument("--images", action="store_true", help="with the kept images")
    parser.add_argument("--recipient", nargs="+", metavar="age1…", help="seal it for these age recipients")
    parser.add_argument("--passphrase-file", type=Path, help="whose first line is the passphrase; default: ask for it")


def seal(options: dict[str, Any]) -> Seal:
    """Return the seal that the options name."""
    if options["recipient"]:
        return Seal.towards(*options["recipient"])
    return Seal.under(_passphrase(options["passphrase_file"], twice=True))


def add_key(parser: ArgumentParser) -> None:
    """Take the bundle and what opens it."""
    parser.add_argument("file", help="the bundle to read, or - for standard input")
    parser.add_argument("--identity-file", type=Path, help="an age identity, if the bundle is sealed for a recipient")
    parser.add_argument("--passphrase-file", type=Path, help="whose first line is the passphrase; default: ask for it")


@contextmanager
def opened(options: dict[str, Any]) -> Iterator[Bundle]:
    """Read the bundle that the options name; standard input is copied first, sealed as it is."""
    with saying_why(), _seekable(options["file"]) as file:
        if options["identity_file"]:
            text = _read(options["identity_file"])
            lines = (line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-"))
            yield bundle.read(file, identity=next(lines, text))
        else:
            yield bundle.read(file, passphrase=_passphrase(options["passphrase_file"], twice=False))


@contextmanager
def written(name: str) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name only when it is complete."""
    if name == "-":
        yield sys.stdout.buffer
        return
    path, unfinished = Path(name), Path(f"{name}.unfinished")
    if path.exists():
        message = f"{path} is there already."
        raise CommandError(message)
    try:
        with unfinished.open("xb") as file:
            unfinished.chmod(0o600)
            yield file
        unfinished.rename(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        message = f"{name} cannot be written: {error.strerror}."
        raise CommandError(message) from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def saying_why() -> Iterator[None]:
    """Turn what an export or import refuses into a sentence."""
    try:
        yield
    except InvalidRequest as error:
        message = f"The {error.field}: {error.problem}."
        raise CommandError(message) from None
    except CollectionExists as error:
        message = f"There is a collection {error.name!r} already: give the bundle's another --name, or add --into it."
        raise CommandError(message) from None
    except (CollectionNotFound, CollectionDeleted) as error:
        message = f"The tenant has no collection {error.name!r}."
        raise CommandError(message) from None
    except JobNotFound:
        message = "The collection's pack is not being changed."
        raise CommandError(message) from None
    except CollectionFull as error:
        message = f"The collection takes {error.limit} faces at most: raise its face limit, then run this again."
        raise CommandError(message) from None
    except QuotaExceeded as error:
        message = f"The tenant may have {error.limit} {error.quota} at most: raise its quota, then run this again."
        raise CommandError(message) from None


def _passphrase(file: Path | None, *, twice: bool) -> str:
    if file:
        passphrase = _read(file).partition("\n")[0].rstrip("\r")
    else:
        passphrase = getpass("Passphrase of the bundle: ")
        if twice and getpass("Once more: ") != passphrase:
            message = "These are two different passphrases."
            raise CommandError(message)
    if twice and len(passphrase) < _SHORTEST:
        message = f"The passphrase needs {_SHORTEST} characters at least: it is all that protects the templates."
        raise CommandError(message)
    return passphrase


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        message = f"{file} cannot be read: {error}."
        raise CommandError(message) from None


@contextmanager
def _seekable(name: str) -> Iterator[IO[bytes]]:
    if name != "-":
        try:
            with Path(name).open("rb") as file:
                yield file
        except OSError as error:
            message = f"{name} cannot be read: {error.strerror}."
            raise CommandError(message) from None
        return
    with tempfile.TemporaryFile() as copy:
        while chunk := sys.stdin.buffer.read(_CHUNK):
            copy.write(chunk)
        yield copy
