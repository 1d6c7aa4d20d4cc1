"""From the bytes of an image to its faces: one module per step; `analysis` defines the order."""

from recognition.pipeline.analysis import analyse, assess_crop, embed_at

__all__ = ["analyse", "assess_crop", "embed_at"]
