"""The ways in which clients speak: a folder each, which describes itself. Another one is a folder and a name here."""

from importlib import import_module

from collections_app.dialects.descriptor import Dialect, Part

DIALECTS: tuple[Dialect, ...] = tuple(
    import_module(f"{__name__}.{name}.dialect").DIALECT
    for name in ("argos", "nhn", "accuauth", "facedb", "native")  # in the order in which people are shown them
)


def key_places(part: Part) -> str:
    """Say where the clients of each dialect put this part of an API key."""
    return ", ".join(f"{dialect.label} {place}" for dialect in DIALECTS for place in dialect.credentials.places(part))
