"""Prepared model files on disk: `NAME.onnx` in MODELS_HOME, which this module owns.

The manifest, which is part of the code, holds the digest of each file, and every load verifies it: write access to
MODELS_HOME is not enough to run another model.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from django.conf import settings

from recognition.errors import ModelUnavailable
from recognition.packs import Model

REMEDY = "python manage.py install_models"


def models_home() -> Path:
    """Return the folder with the prepared models."""
    return Path(settings.MODELS_HOME)


def present(model: Model) -> bool:
    """Return whether the model's file exists, without reading it."""
    return _path(model).is_file()


def current(model: Model) -> bool:
    """Return whether the model is installed and matches the manifest."""
    return _intact(model) is not None


def read(model: Model) -> bytes:
    """Return the prepared model.

    Raises:
        ModelUnavailable: it is not installed, or its bytes do not match the manifest.
    """
    prepared = _intact(model)
    if prepared is None:
        raise ModelUnavailable(model.file, REMEDY)
    return prepared


def write(model: Model, prepared: bytes) -> None:
    """Write the prepared model atomically."""
    _replace(_path(model), prepared)


def digest(data: bytes) -> str:
    """Return the hexadecimal sha256."""
    return hashlib.sha256(data).hexdigest()


def _intact(model: Model) -> bytes | None:
    """Return the bytes of the prepared file if they match the manifest."""
    try:
        prepared = _path(model).read_bytes()
    except OSError:
        return None
    return prepared if digest(prepared) == model.prepared_sha256 else None


def _path(model: Model) -> Path:
    return models_home() / f"{model.name}.onnx"


def _replace(path: Path, data: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o755)  # as the files: whoever installs may be another user than the server's
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
