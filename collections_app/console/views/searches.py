"""The search log, and the explanation of each search."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView
from collections_app.console.filters import SearchFilter
from collections_app.operations import browse, judge
from collections_app.paging import page_by_time
from tenants.access import Scope

_PAGE = 50


class SearchesView(ConsoleView):
    """Every search, newest first."""

    needs = Scope.AUDIT
    template = "console/searches.html"
    fragment = "console/_searches.html"
    section = "searches"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Filter and show."""
        chosen = SearchFilter(request.GET, browse.browse_searches(self.caller))
        oldest = request.GET.get("order") == "oldest"
        found = page_by_time(chosen.qs, request.GET.get("before", ""), field="at", size=_PAGE, oldest=oldest)
        return self.page(filter=chosen, found=found)


class SearchView(ConsoleView):
    """Explain one search."""

    needs = Scope.AUDIT
    template = "console/search.html"
    section = "searches"

    def get(self, request: HttpRequest, search: Any) -> HttpResponse:
        """Show the candidates and the threshold that applied then."""
        explained = browse.explain_search(self.caller, search=str(search), below="below" in request.GET)
        record = explained.record
        judged = judge.judged_faces(self.caller, search=record.uuid)
        return self.page(
            explained=explained,
            record=record,
            meaning=explained.meaning,
            matches=[(each, judged.get(each.uuid)) for each in explained.candidates],
            judged=judge.judged_rates(self.caller, collection=record.collection),
        )


class JudgeView(ConsoleView):
    """Say that a match was right or wrong."""

    needs = Scope.ENROL

    def post(self, request: HttpRequest, search: Any, face: Any) -> HttpResponse:
        """Say it."""
        judge.judge_match(self.caller, search=str(search), face=str(face), right="right" in request.POST)
        return self.done(_("Noted. It counts in the collection's error rates."), "search", search=search)
