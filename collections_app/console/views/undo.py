"""Undo the last change, while that is offered."""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from collections_app.console.base import UNDO, ConsoleView
from collections_app.operations import members, merge_split, shown_once
from tenants.access import Scope


class UndoView(ConsoleView):
    """Undo a move, a merge, or a change of a role that let nobody in."""

    needs = Scope.READ  # the operations require what the change required

    def post(self, request: HttpRequest) -> HttpResponse:
        """Undo it."""
        sealed, _until = request.session.pop(UNDO, ("", 0))
        found = shown_once.unseal(self.caller, page=UNDO, sealed=sealed) if sealed else None
        place = ""
        if found and found["kind"] == "move":
            undo = json.loads(found["values"])
            person = merge_split.undo_move(self.caller, undo=undo)
            place = self.link("person", alias=person.collection.alias, person=person.pk) if person else ""
        elif found:
            changed = members.undo_role(self.caller, **json.loads(found["values"]))
            place = self.link("members") if changed else ""
        if not place:
            messages.error(request, _("It can no longer be undone."))
            return redirect(self.link("overview"))
        messages.success(request, _("Undone."))
        return redirect(place)
