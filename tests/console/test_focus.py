"""Wherever the keyboard goes, one sees it: every kind of control looks different in focus, compared by pixels."""

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Page

from collections_app.models import Collection
from tests.conftest import Customer
from tests.console.conftest import member, page_url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Visit = Callable[..., Page]
_MOST = 80  # steps by Tab on a page
_LEAST = 20  # pixels that change by more than _SEEN
_SEEN = 40  # of 255
_HERE = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    element.scrollIntoView({ block: "center" });
    const box = element.getBoundingClientRect();
    const kind = [element.tagName, element.type ?? "", element.className.baseVal ?? element.className].join(" ");
    return { kind, x: box.x, y: box.y, width: box.width, height: box.height };
}"""


def _changed(before: bytes, after: bytes) -> int:
    """Return how many pixels look different."""
    one, other = (Image.open(BytesIO(picture)).convert("L") for picture in (before, after))
    return sum(ImageChops.difference(one, other).histogram()[_SEEN:])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_kind_of_control_shows_its_focus(acme: Customer, crowd: Collection, visit: Visit, theme: str) -> None:
    page = visit(member(acme, "owner"), page_url("overview"), color_scheme=theme, reduced_motion="reduce")
    unseen, kinds = [], set()
    person: dict[str, object] = {"alias": crowd.alias, "person": crowd.people.get(reference="Obama").pk}
    alias: dict[str, object] = {"alias": crowd.alias}
    places: dict[str, dict[str, object]] = {name: {} for name in ("keys", "members", "audit", "playground")}
    places |= {"faces": alias, "collection": alias, "import": alias, "person": person}
    for name, where in places.items():
        page.goto(page_url(name, **where))
        for _ in range(_MOST):
            page.keyboard.press("Tab")
            here = page.evaluate(_HERE)
            if here is None:
                break
            if here["kind"] in kinds or not here["width"]:
                continue
            kinds.add(here["kind"])
            size = page.viewport_size or {"width": 0, "height": 0}
            left, top = max(0, here["x"] - 6), max(0, here["y"] - 6)
            width = min(here["width"] + 12, size["width"] - left)
            clip = {"x": left, "y": top, "width": width, "height": min(here["height"] + 12, size["height"] - top)}
            options: dict[str, object] = {"clip": clip, "animations": "disabled", "caret": "hide"}
            focused = page.screenshot(**options)  # type: ignore[arg-type]
            page.evaluate("window.left = document.activeElement; window.left.blur()")
            if _changed(page.screenshot(**options), focused) < _LEAST:  # type: ignore[arg-type]
                unseen.append((name, here["kind"]))
            page.evaluate("window.left.focus()")
    assert len(kinds) > 15
    assert unseen == []
