"""How the console writes numbers, and links within a tenant."""

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
from collections_app.console.errors import REASONS
from collections_app.console.forms import ERASURES, ROLES, STORES
from collections_app.operations import pictures
from collections_app.operations.browse import best_told

register = template.Library()
_FEW = 0.05
_WHOLE = 10
_CERTAIN = 0.5


@register.simple_tag(takes_context=True)
def page(context: Context, name: str, **where: Any) -> str:
    """Return the address of a page of the tenant that is shown."""
    return reverse(f"console:{name}", kwargs={"tenant": context["tenant"].slug, **where})


@register.simple_tag
def version() -> str:
    """Return the release that answers."""
    return str(settings.VERSION)


@register.simple_tag(takes_context=True)
def thumb_url(context: Context, alias: str, face: Any) -> str:
    """Return the address of a face's thumbnail; the page that shows it tells the log (ConsoleView.page)."""
    context["pictured"].append(face)
    query = urlencode({"ticket": pictures.ticket(context["caller"], face=face)})
    return f"{page(context, 'face_thumbnail', alias=alias, face=face.uuid)}?{query}"


@register.simple_tag(takes_context=True)
def with_query(context: Context, **changes: Any) -> str:
    """Return the present query with some of its values replaced; an empty value removes one."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value not in {None, ""}:
            query[name] = value
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def best(context: Context, search: Any) -> float | None:
    """Return the best score of a recorded search, as far as it is told."""
    return best_told(context["caller"], search)


@register.simple_tag
def outline(face: Any) -> list[dict[str, str]]:
    """Return a face's landmarks as points of a 100 x 100 square around its box."""
    side = max(face.box_width, face.box_height) * 1.15
    left, top = face.box_x + (face.box_width - side) / 2, face.box_y + (face.box_height - side) / 2
    return [{"x": f"{100 * (x - left) / side:.1f}", "y": f"{100 * (y - top) / side:.1f}"} for x, y in face.landmarks]


@register.simple_tag
def frame(face: Any) -> dict[str, str]:
    """Return the part of the image that is shown of a face, and the sizes of what is drawn on it."""
    left, top, width, height = face.stored_frame or (0, 0, face.image_width, face.image_height)
    sizes = {"dot": max(width, height) / 130, "corner": face.box_width / 20}
    return {
        name: f"{value:.1f}"
        for name, value in {"left": left, "top": top, "width": width, "height": height, **sizes}.items()
    }


@register.simple_tag
def sizes(width: int, height: int) -> dict[str, str]:
    """Return the sizes of what is drawn over an image of this size."""
    return {"dot": f"{max(width, height) / 150:.1f}"}


@register.simple_tag
def bar(score: float, threshold: float) -> dict[str, str]:
    """Return a score as a bar of 0 to 1000, and the threshold's place on it."""
    drawn = {"value": f"{10 * score:.0f}", "threshold": f"{10 * threshold:.0f}"}
    return drawn | {"kind": "fp-over" if score >= threshold else "fp-under"}


@register.simple_tag
def dress(form: BaseForm) -> str:
    """Put one of Django's own forms in the console's clothes; nothing is written."""
    styled(form)
    return ""


@register.filter
def one_in(rate: float) -> str:
    """Write a small rate as people grasp it: 1 in 10,000."""
    if rate >= _CERTAIN:
        return _("most")
    return _("1 in %(count)s") % {"count": number_format(_rounded(1 / rate), force_grouping=True)}


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
    """Write a share of 0 to 1 in percent; nothing for nothing."""
    return "" if share is None else f"{100 * share:.0f} %"


@register.filter
def score(value: float) -> str:
    """Write a score, in every language alike: it is compared with what the API answers."""
    return f"{value:.1f}".removesuffix(".0")


@register.filter
def unlocalised(value: float, digits: int | None = None) -> str:
    """Write a number for a machine, or for people who compare it with the API's: no grouping, a point."""
    return str(value) if digits is None else f"{value:.{digits}f}"


@register.filter
def thousands(value: int) -> str:
    """Write a count with its thousands apart."""
    return number_format(value, force_grouping=True)


@register.filter
def as_list(value: Any) -> list[Any]:
    """Return the value as a list of one; nothing as an empty list."""
    return [] if value is None else [value]


@register.filter
def role(name: str) -> str:
    """Say in words what a member is."""
    return str(dict(ROLES)[name])


@register.filter
def erased(kind: str) -> str:
    """Say in words what an erasure was of."""
    return str(dict(ERASURES).get(kind, kind))


@register.filter
def store(name: str) -> str:
    """Say in words where something was kept."""
    return str(dict(STORES).get(name, name))


@register.filter
def reason(name: str) -> str:
    """Say in words what is wrong with a face."""
    return str(REASONS.get(name, name))


def _rounded(number: float) -> int:
    """Keep two digits: more would claim to know more."""
    return int(float(f"{number:.2g}"))
