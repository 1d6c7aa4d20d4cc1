"""Install the models of the manifest: fetch, verify, prepare, store.

A file is refused if its sha256 differs from the manifest, before or after the preparation.
"""

from enum import StrEnum
from pathlib import Path

from recognition.packs import Model
from recognition.packs import files as model_files
from recognition.packs.sources import Sources, SourceUnavailable


class Outcome(StrEnum):
    """The outcome of an installation."""

    KEPT = "already installed"
    INSTALLED = "installed"
    SKIPPED = "optional, not provided"


class InstallationRefused(Exception):
    """A model cannot be installed; the message names the file, the reason and the remedy."""


def install(model: Model, sources: Sources, folder: Path | None = None) -> Outcome:
    """Install a model unless it is installed: from the folder if it holds the file, else from its sources in order.

    Raises:
        InstallationRefused: wrong bytes before or after the preparation, or no source has the file.
    """
    if model_files.current(model):
        return Outcome.KEPT
    original = published(model, sources, folder)
    if original is None:
        return Outcome.SKIPPED
    from recognition.packs.rewrite_onnx import prepare  # noqa: PLC0415 -- onnx is slow to import

    prepared = prepare(original, model.prepare)
    if model_files.digest(prepared) != model.prepared_sha256:
        message = f"{model.file} was prepared into other bytes than the manifest's: install what requirements.txt pins"
        raise InstallationRefused(message)
    model_files.write(model, prepared)
    return Outcome.INSTALLED


def published(model: Model, sources: Sources, folder: Path | None) -> bytes | None:
    """Return the published file, or None for an optional model that no source has.

    Raises:
        InstallationRefused: wrong bytes, or no source has a required model.
    """
    if folder is not None and (folder / model.file).is_file():
        return _checked(model, (folder / model.file).read_bytes(), str(folder))
    failures = []
    for source in model.sources:
        try:
            return _checked(model, sources.fetch(source), source)
        except SourceUnavailable as error:
            failures.append(str(error))
    if model.optional:
        return None
    message = "\n  ".join([f"{model.file}: no source could provide it.", *failures])
    raise InstallationRefused(message)


def _checked(model: Model, content: bytes, source: str) -> bytes:
    found = model_files.digest(content)
    if found != model.sha256:
        message = f"{model.file} from {source} is not the file of the manifest: sha256 {found}, not {model.sha256}"
        raise InstallationRefused(message)
    return content
