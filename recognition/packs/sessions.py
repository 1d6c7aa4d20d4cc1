"""ONNX sessions: one per model and process, verified before loading, shared by all threads.

Owns how models run: on what (providers), and on an accelerator in batches of several requests (batching). After a fork
the sessions stay with the parent, and the child loads its own.
"""

import os
import threading
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from recognition import packs
from recognition.packs import Model, providers
from recognition.packs import files as model_files
from recognition.packs.batching import Batcher
from recognition.results import Floats

_sessions: dict[str, ort.InferenceSession] = {}
_batchers: dict[str, Batcher] = {}  # on an accelerator, of models that take batches
_lock = threading.Lock()


def run(model: Model, batch: Floats) -> list[npt.NDArray[Any]]:
    """Run a model on a batch and return its outputs; load it first if needed.

    Raises:
        ModelUnavailable: it is not installed, or its file does not match the manifest.
    """
    session = _sessions.get(model.name) or _loaded(model)
    batcher = _batchers.get(model.name)
    return batcher(batch) if batcher else _outputs(session, batch)


def _outputs(session: ort.InferenceSession, batch: Floats) -> list[npt.NDArray[Any]]:
    outputs: list[npt.NDArray[Any]] = session.run(None, {session.get_inputs()[0].name: batch})
    return outputs


def available(models: Iterable[Model]) -> tuple[Model, ...]:
    """Return the models without the optional ones that are not installed."""
    return tuple(model for model in models if not model.optional or _present(model))


def preload(pack: str) -> None:
    """Load the models of the pack; liveness models only if they are installed.

    Raises:
        UnknownPack: there is no such pack.
        ModelUnavailable: a model that embeddings need is missing or damaged.
    """
    for role, models in packs.get(pack).roles.items():
        for model in models:
            if role != "liveness" or _present(model):
                _loaded(model)


def where(pack: str) -> dict[str, list[str]]:
    """Load the models of the pack; return, by name, the providers that each runs on, as ONNX Runtime says.

    Raises:
        The errors of preload.
    """
    preload(pack)
    return {name: session.get_providers() for name, session in _sessions.items()}


def missing(pack: str) -> list[str]:
    """Return the roles of the pack that do not work because a required model is not installed.

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
            session = start(model_files.read(model))
            if providers.accelerated() and not isinstance(session.get_inputs()[0].shape[0], int):
                _batchers[model.name] = Batcher(partial(_outputs, session))
            _sessions[model.name] = session
        return _sessions[model.name]


def start(model: bytes) -> ort.InferenceSession:
    """Return a new session over a self-contained model.

    On the processor it runs on the calling thread: the requests of a server already run in parallel.

    Raises:
        ImproperlyConfigured: it does not start on the provider that ONNX_PROVIDERS names first.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # An arena would keep the memory of the largest image ever processed; without it each run frees its memory.
    options.enable_cpu_mem_arena = False
    return providers.start(model, options)


def _forget() -> None:
    """In a forked child, drop the sessions of the parent, whose threads do not exist here, and use a free lock."""
    global _lock  # noqa: PLW0603 -- the parent may have forked while another thread held it
    _lock = threading.Lock()
    _sessions.clear()
    _batchers.clear()


os.register_at_fork(after_in_child=_forget)
