"""The bodies of NHN Face Recognition, in the vendor's field order and spellings."""

from collections_app.dialects.nhn.wire import base, faces, groups, search, v2

__all__ = ["base", "faces", "groups", "search", "v2"]
