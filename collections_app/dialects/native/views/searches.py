"""The search log."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import searches as wire
from collections_app.dialects.native.wire.base import BelowFloor, cursor, from_cursor
from collections_app.operations import browse


class SearchesView(NativeView):
    """/searches."""

    @described("listSearches", query=wire.SearchesPage, answer=wire.Searches)
    def get(self, request: Request) -> Response:
        """List searches, newest first."""
        query = self.parse(wire.SearchesPage)
        after = from_cursor(query.pop("cursor"), str) or ""
        page = browse.page_searches(self.caller, after=after, **query)
        following = cursor(page.after) if page.after else None
        return Response(wire.Searches({"searches": page.rows, "next_cursor": following}).data)


class RecordedSearchView(NativeView):
    """/searches/{search}."""

    @described("getSearch", "search", query=BelowFloor, answer=wire.ExplainedSearch)
    def get(self, request: Request, search: str) -> Response:
        """Return a search with the faces nearest to its probe."""
        below = self.parse(BelowFloor)["below_floor"]
        explained = browse.explain_search(self.caller, search=search, below=below)
        context = {"candidates": explained.candidates, "meaning": explained.meaning}
        return Response(wire.ExplainedSearch(explained.record, context=context).data)
