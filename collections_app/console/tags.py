"""Template tags: numbers, labels, and links within a tenant."""

import re
from typing import Any

from django import template
from django.conf import settings
from django.forms import BaseForm
from django.template.context import Context
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from collections_app.console.account_forms import styled
from collections_app.console.filters import label_of
from collections_app.console.labels import LABELS
from collections_app.operations import pictures
from collections_app.operations.browse import best_told
from recognition.similarity import FALSE_MATCH_RATES, Threshold

register = template.Library()
_FEW = 0.05
_WHOLE = 10
_CERTAIN = 0.5
_MEASURED = Threshold.of_rate(FALSE_MATCH_RATES[-1]).score
_BACKUPS = re.compile(r"Older copies expire after (\d+) days")


@register.simple_tag(takes_context=True)
def page(context: Context, name: str, **where: Any) -> str:
    """Return the address of a page of the current tenant."""
    return reverse(f"console:{name}", kwargs={"tenant": context["tenant"].slug, **where})


@register.simple_tag
def version() -> str:
    """Return the version of the running release."""
    return str(settings.VERSION)


@register.simple_tag(takes_context=True)
def thumb_url(context: Context, alias: str, face: Any) -> str:
    """Return the address of a face's thumbnail; ConsoleView.page records that it was shown."""
    context["pictured"].append(face)
    query = urlencode({"ticket": pictures.ticket(context["caller"], face=face)})
    return f"{page(context, 'face_thumbnail', alias=alias, face=face.uuid)}?{query}"


@register.simple_tag(takes_context=True)
def with_query(context: Context, **changes: Any) -> str:
    """Return the current query string with some values replaced; an empty value removes one."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value not in {None, ""}:
            query[name] = value
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def best(context: Context, search: Any) -> float | None:
    """Return the best score of a recorded search if it may be disclosed."""
    return best_told(context["caller"], search)


@register.simple_tag
def outline(face: Any) -> list[dict[str, str]]:
    """Return a face's landmarks as points of a 100 x 100 square around its box."""
    side = max(face.box_width, face.box_height) * 1.15
    left, top = face.box_x + (face.box_width - side) / 2, face.box_y + (face.box_height - side) / 2
    return [{"x": f"{100 * (x - left) / side:.1f}", "y": f"{100 * (y - top) / side:.1f}"} for x, y in face.landmarks]


@register.simple_tag
def frame(face: Any) -> dict[str, str]:
    """Return the part of the image to show for a face, and the sizes of the marks on it."""
    left, top, width, height = face.stored_frame or (0, 0, face.image_width, face.image_height)
    sizes = {"dot": max(width, height) / 130, "corner": face.box_width / 20}
    return {
        name: f"{value:.1f}"
        for name, value in {"left": left, "top": top, "width": width, "height": height, **sizes}.items()
    }


@register.simple_tag
def centre(box: Any) -> str:
    """Return the middle of a box as a form sends it: x,y."""
    return f"{box.x + box.width / 2:.1f},{box.y + box.height / 2:.1f}"


@register.simple_tag
def sizes(width: int, height: int) -> dict[str, str]:
    """Return the sizes of the marks on an image of this size."""
    return {"dot": f"{max(width, height) / 150:.1f}"}


@register.simple_tag
def bar(score: float, threshold: float) -> dict[str, str]:
    """Return a score as a bar of 0 to 1000, and the threshold's position on it."""
    drawn = {"value": f"{10 * score:.0f}", "threshold": f"{10 * threshold:.0f}"}
    return drawn | {"kind": "fp-over" if score >= threshold else "fp-under"}


@register.simple_tag
def style(form: BaseForm) -> str:
    """Give one of Django's own forms the console's style; renders nothing."""
    styled(form)
    return ""


@register.filter
def one_in(rate: float) -> str:
    """Write a small rate in a readable form: 1 in 10,000."""
    if rate >= _CERTAIN:
        return _("most")
    return _("1 in %(count)s") % {"count": number_format(_rounded(1 / rate), force_grouping=True)}


@register.filter
def rounded(number: float) -> str:
    """Write a number with two significant digits."""
    return number_format(_rounded(number) if number >= _WHOLE else float(f"{number:.2g}"), force_grouping=True)


@register.filter
def strangers(count: float) -> str:
    """Write an expected number: 0.003, 0.4, 12."""
    if count >= _WHOLE:
        return number_format(round(count), force_grouping=True)
    if count >= _FEW:
        return number_format(count, 1)
    return number_format(float(f"{count:.1g}")) if count else "0"


@register.filter
def percent(share: float | None) -> str:
    """Write a share of 0 to 1 in percent; an empty string for None."""
    return "" if share is None else f"{100 * share:.0f} %"


@register.filter
def score(value: float) -> str:
    """Write a score the same in every language, so that it can be compared with the API's."""
    return f"{value:.1f}".removesuffix(".0")


@register.filter
def rarity(score: float) -> str:
    """Write the false match rate at a score; beyond what was measured, as an upper bound."""
    rate = Threshold(score).false_match_rate
    return f"< {one_in(rate)}" if score > _MEASURED else one_in(rate)


@register.filter
def unlocalised(value: float, digits: int | None = None) -> str:
    """Write a number without grouping and with a decimal point, for markup or for comparison with the API."""
    return str(value) if digits is None else f"{value:.{digits}f}"


@register.filter
def thousands(value: int) -> str:
    """Write a count with thousands separators."""
    return number_format(value, force_grouping=True)


@register.filter
def as_list(value: Any) -> list[Any]:
    """Return a list with the value, or an empty list for None."""
    return [] if value is None else [value]


@register.filter
def label(name: str, kind: str) -> str:
    """Return the page's label for a word of the platform, or the word itself where it has none."""
    return str(LABELS[kind].get(name, name))


@register.filter
def person_label(person: Any) -> str:
    """Return what a picker shows for a person."""
    return label_of(person)


@register.filter
def backups(line: str) -> str:
    """Return a receipt's sentence on backups, which is signed in English, in the page's language."""
    found = _BACKUPS.search(line)
    return (
        line
        if found is None
        else _("Backups expire after %(days)s days, as the operator declares.") % {"days": found[1]}
    )


def _rounded(number: float) -> int:
    """Round to two significant digits."""
    return int(float(f"{number:.2g}"))
