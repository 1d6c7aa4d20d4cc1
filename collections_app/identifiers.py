"""The rules for names of collections and references of people, for all dialects and the console.

Identifiers are stored and shown as they were sent, and compared by a key: NFC, without white space at the ends. So
identifiers that look the same are the same, whatever keyboard they were typed on, and an erasure finds its person.

They may contain slashes, because companies use ids such as "EMP/2024/001". WSGI decodes the path, so the API splits it
at its own words: no part between slashes may be one of these words, or "." or "..", which clients and proxies resolve.
"""

import unicodedata

from collections_app.errors import InvalidRequest

LONGEST = 255  # characters, both as sent and as a key
# Words that follow a name in a path of the native API; a test compares them with its routes.
PATH_WORDS = frozenset(
    {
        "do-not-enrol",
        "export",
        "exports",
        "faces",
        "health",
        "image",
        "imports",
        "index",
        "merge",
        "missing",
        "model",
        "people",
        "rebuild",
        "search",
        "verify",
    }
)
_DOTS = frozenset({".", ".."})
_JOINERS = "\u200c\u200d"  # some scripts and emoji need them; other characters of category Cf are only invisible
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Invisible letters and marks: Hangul fillers, Khmer inherent vowels, Mongolian selectors, the grapheme joiner.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")


def comparison_key(text: str) -> str:
    """Return the key that an identifier is compared by."""
    return unicodedata.normalize("NFC", text).strip()


def folded_key(text: str) -> str:
    """Return the key for contracts in which capitals make no difference."""
    return comparison_key(text).casefold()


def text_problem(text: str) -> str:
    """Return what is wrong with the characters of a text; empty: nothing."""
    if any((unicodedata.category(one) in _UNPRINTABLE and one not in _JOINERS) or one in _BLANK for one in text):
        return "must not hold control characters or invisible ones"
    return ""


def problem(text: str) -> str:
    """Return what is wrong with an identifier; empty: nothing."""
    key = comparison_key(text)
    if not key.strip(_JOINERS):
        return "must not be blank"
    if max(len(text), len(key)) > LONGEST:
        return f"must have at most {LONGEST} characters"
    parts = key.split("/")
    if _DOTS & set(parts):
        return "must not have . or .. between slashes"
    if len(parts) > 1 and (words := sorted(PATH_WORDS & set(parts))):
        return f"must not have {words[0]} between slashes"
    return text_problem(text)


def check(field: str, text: str) -> None:
    """Refuse a text that is no valid identifier.

    Raises:
        InvalidRequest: it is blank, too long, has invisible characters, or would be ambiguous in a path.
    """
    if wrong := problem(text):
        raise InvalidRequest(field, wrong)


def check_text(field: str, text: str) -> None:
    """Refuse a text with control characters or invisible ones.

    Raises:
        InvalidRequest: it has some.
    """
    if wrong := text_problem(text):
        raise InvalidRequest(field, wrong)
