"""The search log, and the explanation of each search."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from collections_app.console.base import ConsoleView
from collections_app.console.filters import SearchFilter
from collections_app.operations import browse
from collections_app.paging import page_by_time
from tenants.access import Scope

_PAGE = 50


class SearchesView(ConsoleView):
    """Every search, newest first."""

    needs = Scope.AUDIT
    template = "console/searches.html"
    section = "searches"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Filter and show."""
        chosen = SearchFilter(request.GET, browse.browse_searches(self.caller))
        found = page_by_time(chosen.qs, request.GET.get("before", ""), field="at", size=_PAGE)
        template = "console/_searches.html" if request.htmx else ""  # type: ignore[attr-defined]  # HtmxMiddleware's
        return self.page(template=template, filter=chosen, found=found)


class SearchView(ConsoleView):
    """Explain one search."""

    needs = Scope.AUDIT
    template = "console/search.html"
    section = "searches"

    def get(self, request: HttpRequest, search: Any) -> HttpResponse:
        """Show the candidates and the threshold that applied then."""
        explained = browse.explain_search(self.caller, search=str(search), below="below" in request.GET)
        return self.page(explained=explained, record=explained.record, meaning=explained.meaning)
