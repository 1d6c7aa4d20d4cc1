"""API keys: created, rotated and revoked. A secret is shown once, right after it was created."""

from datetime import datetime, timedelta
from typing import Any, get_args

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView, FormView
from collections_app.console.key_forms import KeyForm, RevokeForm, RotateForm
from collections_app.console.labels import KEY_ORDERS
from collections_app.dialects import key_places
from collections_app.dialects.descriptor import Part
from collections_app.operations import keys
from collections_app.operations.collections import collection_names, page_collections
from tenants.access import Scope
from tenants.keys import IssuedKey, overlapping
from tenants.links import absolute

_PAGE = 50
_NAMED = 20  # shown of a key's collections
_OFFERED = 100  # collections offered for selection


class KeysView(FormView):
    """The keys, and the form for a new one."""

    needs = Scope.ADMIN
    template = "console/keys.html"
    section = "keys"

    def blank(self, **where: Any) -> Form:
        """Offer the member's scopes, and the collections."""
        return KeyForm(scopes=self.caller.scopes, collections=self._names())

    def filled(self, **where: Any) -> Form:
        """Offer the same."""
        return KeyForm(self.request.POST, scopes=self.caller.scopes, collections=self._names())

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Create the key."""
        days = form.cleaned_data.pop("days")
        expires = timezone.now() + timedelta(days=days) if days else None
        issued = keys.issue_key(self.caller, expires_at=expires, **form.cleaned_data)
        return self._issued(issued)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show the keys, and once the secret of a key that was just created."""
        asked = self.request.GET.get("order", "")
        order: Any = asked if asked in KEY_ORDERS else "newest"
        found = keys.list_keys(self.caller, limit=_PAGE + 1, after=self.request.GET.get("after", ""), order=order)
        after = found[_PAGE - 1].pk if len(found) > _PAGE else None
        shown = found[:_PAGE]
        names = collection_names(self.caller, ids=(pk for key in shown for pk in (key.collections or ())[:_NAMED]))
        issuers = keys.issuers(self.caller, among=shown)
        now = timezone.now()
        listed = [(key, _reach(key.collections, names), key.pk in issuers, _grace(key, now)) for key in shown]
        base = absolute(get_script_prefix()).rstrip("/")
        issued = self.take_once("keys")
        signs = bool(issued and issued["signs"])
        once: dict[str, Any] = {
            "issued": issued,
            "places": {part: key_places(part, signs=signs) for part in get_args(Part)},
        }
        once |= {"order": order, "orders": KEY_ORDERS.items()}
        return self.page(status, form=form, keys=listed, after=after, now=now, base=base, **once)

    def _issued(self, issued: IssuedKey) -> HttpResponse:
        """Show the secret once."""
        key = issued.key
        shown = {"name": key.name, "id": key.pk, "secret": issued.secret, "token": issued.token}
        return self.show_once("keys", shown | {"signs": "yes" if key.signs else ""})

    def _names(self) -> list[str] | None:
        """Return the names to select; None where there are too many, and they must be typed."""
        page = page_collections(self.caller, limit=_OFFERED)
        return None if page.more else [found.name for found in page.collections]


class RotateView(KeysView):
    """A new secret under the old id."""

    def post(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Rotate the key and show the new secret once."""
        hours = self.values(RotateForm(request.POST))["hours"]
        until = timezone.now() + timedelta(hours=hours) if hours else None
        return self._issued(keys.rotate_key(self.caller, key=where["key"], keep_until=until))


class RevokeView(ConsoleView):
    """Revoke a key."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        """Revoke it."""
        kept = self.values(RevokeForm(request.POST))["issued"] == "keep"
        keys.revoke_key(self.caller, key=key, with_issued=not kept)
        return self.done(_("The key is revoked. Requests with it are refused from now on."), "keys")


def _grace(key: Any, now: datetime) -> datetime | None:
    """Return until when an earlier secret of the key works; None where none does."""
    ends = [datetime.fromisoformat(end) for end in overlapping(key, now).values()]
    return max(ends, default=None)


def _reach(ids: list[int] | None, names: dict[int, str]) -> list[str] | None:
    """Return the names shown of a key's collections, or of the first and how many more; None: all."""
    if ids is None:
        return None
    shown = [names[pk] for pk in ids[:_NAMED] if pk in names]
    return [*shown, f"+{len(ids) - _NAMED:,}"] if len(ids) > _NAMED else shown
