"""Prepared model files on disk: `NAME.onnx` in MODELS_HOME, which this module owns.

What a file has to be stands in the manifest, which is part of the code, and is compared at every load: whoever can
write to MODELS_HOME alone cannot have another model run.
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
    """Return the folder of the prepared models."""
    return Path(settings.MODELS_HOME)


def present(model: Model) -> bool:
    """Tell whether the model was installed, without reading it."""
    return _path(model).is_file()


def current(model: Model) -> bool:
    """Tell whether the model is installed and is what the manifest says."""
    return _intact(model) is not None


def read(model: Model) -> bytes:
    """Return the prepared model.

    Raises:
        ModelUnavailable: it is not installed, or its bytes are not those of the manifest.
    """
    prepared = _intact(model)
    if prepared is None:
        raise ModelUnavailable(model.file, REMEDY)
    return prepared


def write(model: Model, prepared: bytes) -> None:
    """Install the prepared model; it appears whole or not at all."""
    _replace(_path(model), prepared)


def digest(data: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _intact(model: Model) -> bytes | None:
    """Return the prepared file's bytes if they are those of the manifest."""
    try:
        prepared = _path(model).read_bytes()
    except OSError:
        return None
    return prepared if digest(prepared) == model.prepared_sha256 else None


def _path(model: Model) -> Path:
    return models_home() / f"{model.name}.onnx"


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
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
