"""ONNX sessions: one a model and process, verified before they are loaded, shared by all threads.

Owns how models run. A process that forks leaves its sessions to the parent: the child loads its own.
"""

import os
import threading
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from recognition import packs
from recognition.packs import Model
from recognition.packs import files as model_files
from recognition.results import Floats

_sessions: dict[str, ort.InferenceSession] = {}
_lock = threading.Lock()


def run(model: Model, batch: Floats) -> list[npt.NDArray[Any]]:
    """Run a model on a batch and return its outputs, loading it first if this process has not yet.

    Raises:
        ModelUnavailable: it is not installed, or its file is not what was installed.
    """
    session = _sessions.get(model.name) or _loaded(model)
    outputs: list[npt.NDArray[Any]] = session.run(None, {session.get_inputs()[0].name: batch})
    return outputs


def available(models: Iterable[Model]) -> tuple[Model, ...]:
    """Return those models that can run, leaving out the optional ones that are not installed."""
    return tuple(model for model in models if not model.optional or _present(model))


def preload(pack: str) -> None:
    """Load what the pack needs, and its liveness models where they are installed.

    Raises:
        UnknownPack: there is no such pack.
        ModelUnavailable: a model is missing or damaged without which the pack makes no embedding.
    """
    for role, models in packs.get(pack).roles.items():
        for model in models:
            if role != "liveness" or _present(model):
                _loaded(model)


def missing(pack: str) -> list[str]:
    """Return the roles of the pack that a model which is not installed keeps from working.

    Raises:
        UnknownPack: there is no such pack.
    """
    roles = packs.get(pack).roles.items()
    return [role for role, models in roles if not all(model.optional or _present(model) for model in models)]


def _present(model: Model) -> bool:
    return model.name in _sessions or model_files.present(model)


def _loaded(model: Model) -> ort.InferenceSession:
    with _lock:
        if model.name not in _sessions:
            _sessions[model.name] = start(model_files.read(model))
        return _sessions[model.name]


def start(model: bytes) -> ort.InferenceSession:
    """Return a session of its own over a self-contained model.

    It runs on its caller's thread: a server's requests are parallel already.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # An arena would keep what the largest image ever seen took; without it a run gives its memory back.
    options.enable_cpu_mem_arena = False
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _forget() -> None:
    """Start a forked child without its parent's sessions, whose threads it did not get, and with a free lock."""
    global _lock  # noqa: PLW0603 -- the parent may have forked while another thread held it
    _lock = threading.Lock()
    _sessions.clear()


os.register_at_fork(after_in_child=_forget)
