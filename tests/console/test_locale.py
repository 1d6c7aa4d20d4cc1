"""Every message of the console has a Korean translation."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import override
from django.utils.translation.template import templatize

from collections_app.console.labels import FAMILIES, LABELS, SCOPE_HINTS
from collections_app.console.tags import backups, rarity
from collections_app.operations.audit import ACTIONS
from tenants.access import ROLE_SCOPES, Scope
from tenants.events import Kind

ROOT = settings.BASE_DIR
CALLS = {"_", "gettext", "gettext_lazy", "ngettext"}


def _messages() -> Iterator[str]:
    for file in sorted((ROOT / "templates").rglob("*.*")):
        source = templatize(file.read_text(encoding="utf-8"), origin=str(file))
        found = re.findall(r"(?:ngettext|gettext)\(u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", source)
        yield from map(ast.literal_eval, found)
    app = ROOT / "collections_app"
    dialects = sorted((app / "dialects").glob("*/dialect.py"))
    for file in [app / "admin.py", *sorted((app / "console").rglob("*.py")), *dialects]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                yield ast.literal_eval(node.args[0])


def test_every_message_is_translated_and_no_translation_is_unused() -> None:
    with (settings.LOCALE_PATHS[0] / "ko" / "LC_MESSAGES" / "django.po").open("rb") as file:
        catalogue = read_po(file, locale="ko", abort_invalid=True)
    known = {(m.id if isinstance(m.id, str) else m.id[0]): m for m in catalogue if m.id}
    used = {" ".join(text.split()) if "\n" in text else text for text in _messages()}
    assert len(used) > 300
    assert used - set(known) == set()
    assert set(known) - used == set()
    assert [m.id for m in known.values() if not all(m.string if isinstance(m.string, tuple) else [m.string])] == []
    assert [m.id for m in known.values() if m.fuzzy] == []
    assert [(m.id, list(map(str, m.check()))) for m in known.values() if list(m.check())] == []


class _Texts(HTMLParser):
    """Collects the words of a page that a reader sees or hears, but for code."""

    SHOWN = frozenset({"aria-label", "alt", "title", "placeholder", "data-confirm"})
    CODE = frozenset({"style", "script", "code", "pre"})

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside += tag in self.CODE
        for name, value in attrs:
            if name in self.SHOWN:
                self.handle_data(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag in self.CODE

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.words += re.findall(r"[A-Za-z]{2,}", data)


NAMES = {"Faceplane", "HMAC", "English", "CSV", "JSON", "px", "ms", "curl", "Python", "https", "UTC", "id"}


def test_no_word_of_a_page_is_left_untranslated() -> None:
    """Outside of what is translated, templates hold only names that are the same in every language."""
    found = set()
    for file in (ROOT / "templates").rglob("*.html"):
        if file.parent.name == "shadow":  # what a command writes, in English as all of its output
            continue
        text = re.sub(
            r"\{#.*?#\}|\{% *blocktrans.*?endblocktrans\w* *%\}", "", file.read_text("utf-8"), flags=re.DOTALL
        )
        page = _Texts()
        page.feed(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL))
        found |= {(file.name, word) for word in page.words if word not in NAMES}
    assert found == set()


def test_a_korean_moment_is_written_in_its_order() -> None:
    with override("ko"):
        assert (
            date_format(datetime(2026, 11, 21, 7, 38, tzinfo=UTC), "DATETIME_FORMAT")
            == "2026년 11월 21일 오전 7:38 UTC"
        )


def test_every_word_of_the_platform_has_a_label() -> None:
    assert set(LABELS["action"]) == set(ACTIONS)
    assert set(LABELS["scope"]) == set(SCOPE_HINTS) == set(Scope)
    assert set(LABELS["event"]) == set(Kind)
    assert set(LABELS["role"]) == set(ROLE_SCOPES)
    assert {action.rpartition(".")[0] for action in ACTIONS} == set(FAMILIES)


def test_a_receipt_s_sentence_on_backups_is_translated() -> None:
    with override("ko"):
        assert backups("Older copies expire after 35 days, as the operator declares.").startswith("백업은 35일")
    assert backups("No backups are made.") == "No backups are made."


def test_a_score_is_shown_with_its_false_match_rate() -> None:
    assert [rarity(score) for score in (0, 70, 85, 95, 100)] == [
        "most",
        "1 in 100",
        "1 in 10,000",
        "1 in 1,000,000",
        "< 1 in 1,000,000",
    ]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", ["DATETIME_FORMAT", "SHORT_DATETIME_FORMAT"])
def test_a_time_names_its_zone(language: str, name: str) -> None:
    with override(language):
        assert "UTC" in date_format(datetime(2026, 11, 21, 7, 38, tzinfo=UTC), name)
