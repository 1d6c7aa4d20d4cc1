"""Prepared model files on disk, each beside a receipt that holds its checksum.

Owns MODELS_HOME. A model is `NAME.onnx`, its receipt `NAME.json`: what it was made from, how, and the sha256 of the
result. Preparation need not give the same bytes with every version of onnx, so the receipt is written at install and
checked at every load.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings

from recognition import packs
from recognition.errors import ModelUnavailable
from recognition.packs import Model

REMEDY = "python manage.py install_models"


def models_home() -> Path:
    """Return the folder of the prepared models."""
    return Path(settings.MODELS_HOME)


def present(model: Model) -> bool:
    """Tell whether the model was installed, without reading it."""
    return _path(model, "onnx").is_file() and _path(model, "json").is_file()


def current(model: Model) -> bool:
    """Tell whether the model is installed, unharmed, and made the way the manifest says today."""
    receipt = _receipt(model)
    return receipt.items() >= _recipe(model).items() and _intact(model, receipt) is not None


def read(model: Model) -> bytes:
    """Return the prepared model.

    Raises:
        ModelUnavailable: it is not installed, or its bytes are not those that were installed.
    """
    prepared = _intact(model, _receipt(model))
    if prepared is None:
        raise ModelUnavailable(model.file, REMEDY)
    return prepared


def write(model: Model, prepared: bytes) -> None:
    """Install the prepared model and its receipt; each appears whole or not at all."""
    receipt = _recipe(model) | {"sha256": digest(prepared)}
    _replace(_path(model, "onnx"), prepared)
    _replace(_path(model, "json"), json.dumps(receipt, indent=1).encode())


def digest(data: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _recipe(model: Model) -> dict[str, Any]:
    return {"source": model.sha256, "prepare": list(model.prepare), "revision": packs.revision()}


def _receipt(model: Model) -> dict[str, Any]:
    """Return the receipt, empty where there is none to read."""
    try:
        receipt = json.loads(_path(model, "json").read_bytes())
    except (OSError, ValueError):
        return {}
    return receipt if isinstance(receipt, dict) else {}


def _intact(model: Model, receipt: dict[str, Any]) -> bytes | None:
    """Return the prepared file's bytes if they are those of the receipt."""
    try:
        prepared = _path(model, "onnx").read_bytes()
    except OSError:
        return None
    return prepared if digest(prepared) == receipt.get("sha256") else None


def _path(model: Model, suffix: str) -> Path:
    return models_home() / f"{model.name}.{suffix}"


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
