"""The dialects: one folder each, which describes itself. A new dialect is a folder and its name in the tuple here."""

from importlib import import_module

from collections_app.dialects.descriptor import Dialect, Part

DIALECTS: tuple[Dialect, ...] = tuple(
    import_module(f"{__name__}.{name}.dialect").DIALECT
    for name in (
        "argos",
        "nhn",
        "accuauth",
        "facedb",
        "rekognition",
        "compreface",
        "native",
    )  # the order in which the console and the docs list them
)


def key_places(part: Part, *, signs: bool = False) -> str:
    """Return where each dialect's clients put this part of an API key, or of one for signing, as one line of text."""
    theirs = [dialect for dialect in DIALECTS if bool(dialect.credentials.signs) == signs]
    return ", ".join(f"{dialect.label} {place}" for dialect in theirs for place in dialect.credentials.places(part))
