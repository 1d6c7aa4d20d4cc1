"""Installing the models of the manifest: fetch, check, prepare, keep.

Owns the order of these four. A file whose sha256 is not the manifest's is refused, whoever provided or prepared it.
"""

from enum import StrEnum
from pathlib import Path

from recognition.packs import Model
from recognition.packs import files as model_files
from recognition.packs.sources import Sources, SourceUnavailable


class Outcome(StrEnum):
    """What became of a model."""

    KEPT = "already installed"
    INSTALLED = "installed"
    SKIPPED = "optional, not provided"


class InstallationRefused(Exception):
    """A model cannot be installed: which file, why, and what would help."""


def install(model: Model, sources: Sources, folder: Path | None = None) -> Outcome:
    """Install a model unless it is there already, from the folder if that holds it, else from its sources in order.

    Raises:
        InstallationRefused: wrong bytes, before or after the preparation, or no source has it.
    """
    if model_files.current(model):
        return Outcome.KEPT
    original = published(model, sources, folder)
    if original is None:
        return Outcome.SKIPPED
    from recognition.packs.rewrite_onnx import prepare  # noqa: PLC0415 -- onnx takes longer to import than everything else here

    prepared = prepare(original, model.prepare)
    if model_files.digest(prepared) != model.prepared_sha256:
        message = f"{model.file} was prepared into other bytes than the manifest's: install what requirements.txt pins"
        raise InstallationRefused(message)
    model_files.write(model, prepared)
    return Outcome.INSTALLED


def published(model: Model, sources: Sources, folder: Path | None) -> bytes | None:
    """Return the file as it was published, or None for an optional one that nobody has.

    Raises:
        InstallationRefused: wrong bytes, or no source has it.
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
