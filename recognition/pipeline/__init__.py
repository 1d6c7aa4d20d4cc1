"""From an image's bytes to its faces: one step a module, their order in `analysis`."""

from recognition.pipeline.analysis import analyse

__all__ = ["analyse"]
