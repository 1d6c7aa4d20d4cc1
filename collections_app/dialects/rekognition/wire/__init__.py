"""The bodies of Amazon Rekognition, named as in its service model; a test compares each with that model."""

from collections_app.dialects.rekognition.wire import base, collections, faces, search, tags, users

__all__ = ["base", "collections", "faces", "search", "tags", "users"]
