"""From the bytes of an image to its faces: one module per step; `analysis` defines the order."""

from recognition.pipeline.analysis import analyse

__all__ = ["analyse"]
