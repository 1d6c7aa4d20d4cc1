"""What runs the models: the execution providers of the installed ONNX Runtime, by short names such as cpu and cuda.

ONNX_PROVIDERS lists them in the order in which a model's operations are placed. ONNX Runtime itself falls back to the
processor with no more than a warning; here that is an error.
"""

from collections.abc import Mapping

import onnxruntime as ort
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

CPU = "cpu"
_SUFFIX = "ExecutionProvider"
_REMOTE = {"azure"}  # sends images to a service


def offered() -> Mapping[str, str]:
    """Return what the installed ONNX Runtime offers: its own names by the short ones."""
    names = {name.removesuffix(_SUFFIX).lower(): name for name in ort.get_available_providers()}
    return {short: name for short, name in names.items() if short not in _REMOTE}


def chosen() -> tuple[str, ...]:
    """Return the short names of what runs the models; the processor comes last, for what the others cannot run."""
    return (*(name for name in settings.ONNX_PROVIDERS if name != CPU), CPU)


def accelerated() -> bool:
    """Return whether an accelerator runs the models."""
    return chosen()[0] != CPU


def require() -> None:
    """Refuse to start with a provider that is unknown, or that the installed ONNX Runtime does not have.

    Raises:
        ImproperlyConfigured: it names those that there are.
    """
    missing = [name for name in chosen() if name not in offered()]
    if missing:
        message = (
            f"ONNX_PROVIDERS asks for {', '.join(missing)}, which the installed ONNX Runtime does not have. "
            f"It has: {', '.join(sorted(offered()))}."
        )
        raise ImproperlyConfigured(message)


def start(model: bytes, options: ort.SessionOptions) -> ort.InferenceSession:
    """Return a session that runs on the first of the chosen providers.

    Raises:
        ImproperlyConfigured: it does not start there: no device, no driver, or a library is missing.
    """
    wanted = [offered().get(name, name) for name in chosen()]
    session = ort.InferenceSession(model, options, providers=wanted)
    if session.get_providers()[:1] != wanted[:1]:
        message = (
            f"The models do not run on {wanted[0]}, but on {', '.join(session.get_providers())}: see the messages of "
            f"ONNX Runtime above, or set ONNX_PROVIDERS to {CPU}."
        )
        raise ImproperlyConfigured(message)
    return session
