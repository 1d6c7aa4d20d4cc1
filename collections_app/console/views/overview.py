"""The overview of a tenant."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from collections_app.console import charts
from collections_app.console.base import ConsoleView
from collections_app.operations.collections import list_collections
from collections_app.operations.index import index_conditions
from collections_app.operations.overview import Overview, overview

_SHOWN = 60


class OverviewView(ConsoleView):
    """Counts, the last days, the collections; a checklist while the tenant is new."""

    template = "console/overview.html"
    section = "overview"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        found = overview(self.caller)
        steps = _steps(found)
        conditions = index_conditions(self.caller)
        return self.page(
            overview=found,
            activity=charts.activity(found),
            collections=[
                (collection, conditions[collection.pk]) for collection in list_collections(self.caller)[:_SHOWN]
            ],
            steps=steps,
            steps_done=sum(steps.values()),
        )


def _steps(found: Overview) -> dict[str, Any]:
    """Return the first steps of a new tenant, and whether each is done."""
    return {
        "collection": found.collections > 0,
        "face": found.faces > 0,
        "key": found.keys > 0,
        "search": found.searches > 0,
        "colleague": found.members > 1,
    }
