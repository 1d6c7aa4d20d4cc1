"""The bodies of CompreFace, in the vendor's field order and spellings."""

from collections_app.dialects.compreface.wire import base, embeddings, faces, images, subjects

__all__ = ["base", "embeddings", "faces", "images", "subjects"]
