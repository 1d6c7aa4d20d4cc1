"""The request log, and what is known of each request."""

from django.http import Http404, HttpRequest, HttpResponse

from collections_app.console.base import ConsoleView
from collections_app.console.filters import RequestFilter
from collections_app.operations.requests import browse_requests, trace_request
from collections_app.paging import page_by_time
from tenants.access import Scope

_PAGE = 50


class RequestsView(ConsoleView):
    """Every request with one of the tenant's keys, newest first."""

    needs = Scope.AUDIT
    template = "console/requests.html"
    fragment = "console/_requests.html"
    section = "requests"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Filter and show."""
        chosen = RequestFilter(request.GET, browse_requests(self.caller))
        oldest = request.GET.get("order") == "oldest"
        found = page_by_time(chosen.qs, request.GET.get("before", ""), field="at", size=_PAGE, oldest=oldest)
        return self.page(filter=chosen, found=found)


class RequestView(ConsoleView):
    """One request: how it was answered, why it was refused, and its search."""

    needs = Scope.AUDIT
    template = "console/request.html"
    section = "requests"

    def get(self, request: HttpRequest, logged: int) -> HttpResponse:
        """Show it."""
        traced = trace_request(self.caller, request=logged)
        if traced is None:
            raise Http404
        return self.page(one=traced.request, search=traced.search)
