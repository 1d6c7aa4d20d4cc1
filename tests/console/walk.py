"""Walk a job through the console with the mouse or the keyboard alone, and count the clicks.

A click is a press of a button, a link, a box to tick or a folded part, by either hand; to type, or to choose from a
list, is to fill in a value, and none. The keyboard
reaches everything from where its focus is, by Tab, as somebody without a mouse does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page

Hand = Literal["mouse", "keyboard"]
_MOST_TABS = 200

by_each_hand = pytest.mark.parametrize("hand", ["mouse", "keyboard"])
in_each_language = pytest.mark.parametrize("language", ["en", "ko"])


class Walk:
    """A walk through a page by one hand; `clicks` counts."""

    def __init__(self, page: Page, hand: Hand) -> None:
        """Begin on the page."""
        self.page, self.hand, self.clicks = page, hand, 0

    def reach(self, target: Locator) -> None:
        """Move the focus of the keyboard to it, by Tab."""
        target.wait_for()
        for _ in range(_MOST_TABS):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        message = f"{target} is not reached by Tab"
        raise AssertionError(message)

    def press(self, target: Locator, key: str = "Enter") -> None:
        """Press a button, a link, a box or a summary: one click."""
        self.clicks += 1
        if self.hand == "mouse":
            target.click()
            return
        self.reach(target)
        self.page.keyboard.press(key)

    def tick(self, box: Locator) -> None:
        """Tick a box: one click."""
        self.press(box, key="Space")

    def type(self, field: Locator, text: str) -> None:
        """Type into a field in place of what is there."""
        if self.hand == "mouse":
            field.fill(text)
            return
        self.reach(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, select: Locator, value: str) -> None:
        """Choose an option of a list by its value."""
        if self.hand == "mouse":
            select.select_option(value)
            return
        self.reach(select)
        self.page.keyboard.press("Home")
        for _ in range(_MOST_TABS):
            if select.input_value() == value:
                return
            self.page.keyboard.press("ArrowDown")
        message = f"{value} is not reached by the arrow keys"
        raise AssertionError(message)

    def confirm(self) -> None:
        """Press the button of the dialog that asks: one click."""
        self.press(self.page.get_by_role("dialog").locator("[value=confirmed]"))

    def give(self, field: Locator, files: Sequence[Path]) -> None:
        """Choose files in the browser's own dialog: one click."""
        with self.page.expect_file_chooser() as chooser:
            self.press(field)
        chooser.value.set_files([str(file) for file in files])
