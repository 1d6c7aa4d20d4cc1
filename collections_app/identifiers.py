"""The one rule for the names of collections and the references of people, wherever they come in.

They are stored and told as they were sent, and compared by a key: NFC, without white space at either end. So what looks
the same is the same, whichever keyboard it was typed on, and nobody who asks for an erasure is told that nobody is
called so.

A slash may stand in them, since ids such as "EMP/2024/001" are many companies' own. WSGI hands a path over decoded, so
a path is told apart by its words: between slashes none of the API's own words may stand, nor a dot that clients and
proxies would take for a folder.
"""

import hashlib
import unicodedata

from collections_app.errors import InvalidRequest

LONGEST = 255  # characters, as sent and as a key
# Words that follow a name in a path of the native API; its routes are held to these by a test.
PATH_WORDS = frozenset(
    {
        "do-not-enrol",
        "export",
        "faces",
        "health",
        "image",
        "index",
        "merge",
        "people",
        "rebuild",
        "search",
        "verify",
    }
)
_DOTS = frozenset({".", ".."})
_JOINERS = "\u200c\u200d"  # scripts and emoji need them; every other character of their kind only hides
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters and marks that show nothing: fillers of Hangul, vowels and selectors that nobody writes, a joiner of marks.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")


def comparison_key(text: str) -> str:
    """Return what an identifier is compared by."""
    return unicodedata.normalize("NFC", text).strip()


def exact_key(text: str) -> str:
    """Return the key of an identifier whose comparison key is somebody else's already: it is found as it is spelt.

    Only what was stored before there were keys can need one. It begins with a character that no identifier has.
    """
    return f"\x1f{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def keys(text: str) -> tuple[str, str]:
    """Return the keys under which an identifier may be stored."""
    return comparison_key(text), exact_key(text)


def text_problem(text: str) -> str:
    """Say what is wrong with a name or an identifier; empty: nothing is."""
    if any((unicodedata.category(one) in _UNPRINTABLE and one not in _JOINERS) or one in _BLANK for one in text):
        return "must not hold control characters or invisible ones"
    return ""


def problem(text: str) -> str:
    """Say what is wrong with an identifier; empty: nothing is."""
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
    """Refuse an identifier that cannot be one.

    Raises:
        InvalidRequest: it is blank, too long, unprintable, or no path could name it.
    """
    if wrong := problem(text):
        raise InvalidRequest(field, wrong)


def check_text(field: str, text: str) -> None:
    """Refuse a name that cannot be shown.

    Raises:
        InvalidRequest: it holds control characters.
    """
    if wrong := text_problem(text):
        raise InvalidRequest(field, wrong)
