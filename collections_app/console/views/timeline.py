"""The timeline of a person, and its export as it is shown."""

from datetime import timedelta
from typing import Any, get_args

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from collections_app.console.audit_forms import TimelineForm
from collections_app.console.base import ConsoleView
from collections_app.console.filters import end_of_day, midnight
from collections_app.console.views.audit import archived
from collections_app.operations import timeline
from collections_app.operations.collections import Alias, get_collection
from collections_app.operations.signed_files import Form
from tenants.access import Scope

_DAYS = 7


def _span(form: TimelineForm) -> dict[str, Any]:
    """Return the filters; without days, those of the last week."""
    form.is_valid()  # invalid values are ignored
    today = timezone.localdate()
    since, until = (form.cleaned_data.get(name) for name in ("since", "until"))
    return {
        "since": midnight(since or (until or today) - timedelta(days=_DAYS - 1)),
        "until": end_of_day(until or today),
        "deed": form.cleaned_data.get("deed") or None,
    }


class TimelineView(ConsoleView):
    """Who looked at, searched for or changed a person."""

    needs = Scope.AUDIT
    template = "console/timeline.html"
    section = "collections"

    def get(self, request: HttpRequest, alias: str, person: int) -> HttpResponse:
        """Show it."""
        form = TimelineForm(request.GET)
        collection = get_collection(self.caller, name=Alias(alias))
        span = _span(form)
        found = timeline.timeline(self.caller, collection=Alias(alias), person=person, **span)
        until = span["until"] - timedelta(days=1)
        return self.page(collection=collection, form=form, found=found, since=span["since"], until=until, tab="people")


class TimelineExportView(ConsoleView):
    """The timeline as a file; the export is logged."""

    needs = Scope.AUDIT

    def get(self, request: HttpRequest, alias: str, person: int, form: str) -> HttpResponse:
        """Send an archive with the timeline as it is shown, and a signed statement."""
        if form not in get_args(Form):
            raise Http404
        chosen = TimelineForm(request.GET)
        self.values(chosen)
        kind: Any = form
        where = {"collection": Alias(alias), "person": person}
        return archived(timeline.export_timeline(self.caller, form=kind, **where, **_span(chosen)))
