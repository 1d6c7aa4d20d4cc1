"""API keys: made, rotated and revoked. A secret is on the page that made it and on no other."""

from datetime import timedelta
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView, FormView
from collections_app.console.key_forms import KeyForm, RevokeForm, RotateForm
from collections_app.operations import keys
from collections_app.operations.collections import list_collections
from tenants.access import Scope
from tenants.links import absolute


class KeysView(FormView):
    """The keys, and the form for a new one."""

    needs = Scope.ADMIN
    template = "console/keys.html"
    section = "keys"

    def blank(self, **where: Any) -> Form:
        """Offer the scopes one holds, and the collections."""
        return KeyForm(scopes=self.caller.scopes, collections=self._names())

    def filled(self, **where: Any) -> Form:
        """Offer the same."""
        return KeyForm(self.request.POST, scopes=self.caller.scopes, collections=self._names())

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Make the key and show its secret, this once."""
        days = form.cleaned_data.pop("days")
        expires = timezone.now() + timedelta(days=days) if days else None
        issued = keys.issue_key(self.caller, expires_at=expires, **form.cleaned_data)
        return self.show(self.blank(), issued=issued)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show the keys; one that was just made is in `where`."""
        names = {one.pk: one.name for one in list_collections(self.caller)}
        found = keys.list_keys(self.caller)
        issuers = {key.parent_id for key in found if not key.revoked_at}
        listed = [(key, _reach(key.collections, names), key.pk in issuers) for key in found]
        base = absolute(get_script_prefix()).rstrip("/")
        return self.page(status, form=form, keys=listed, now=timezone.now(), base=base, **where)

    def _names(self) -> list[str]:
        return [found.name for found in list_collections(self.caller)]


class RotateView(KeysView):
    """A new secret under the old id."""

    def get(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Show the keys: the secret is not shown twice."""
        return super().get(request)

    def post(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Rotate, and show the new secret this once."""
        hours = self.said(RotateForm(request.POST))["hours"]
        until = timezone.now() + timedelta(hours=hours) if hours else None
        return self.show(self.blank(), issued=keys.rotate_key(self.caller, key=where["key"], keep_until=until))


class RevokeView(ConsoleView):
    """The end of a key."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        """Revoke it."""
        kept = self.said(RevokeForm(request.POST))["issued"] == "keep"
        keys.revoke_key(self.caller, key=key, with_issued=not kept)
        return self.done(_("The key is revoked: its next request is refused."), "keys")


def _reach(ids: list[int] | None, names: dict[int, str]) -> list[str] | None:
    """Return the names of the collections that a key reaches; None: all."""
    return None if ids is None else [names[pk] for pk in ids if pk in names]
