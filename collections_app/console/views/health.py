"""The health report of a collection: how well it tells people apart."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from collections_app.console import charts
from collections_app.console.base import ConsoleView
from collections_app.operations import health, judge
from collections_app.operations.collections import Alias, get_collection
from tenants.access import Scope


class HealthView(ConsoleView):
    """The newest report, and a button for a new one."""

    needs_to_change = Scope.SEARCH
    template = "console/health.html"
    section = "collections"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Show the report."""
        collection = get_collection(self.caller, name=Alias(alias))
        found = health.health(self.caller, collection=collection.name, below="below" in request.GET)
        histogram = det = None
        if found.below and found.report and found.report.findings:
            counts = (found.report.findings["genuine"], found.report.findings["impostor"])
            ends = {name: found.report.findings[name] for name in ("low", "high")}
            scale = {**ends, "threshold": collection.similarity_threshold}
            histogram, det = charts.histogram(*counts, **scale, pack=collection.pack), charts.det(*counts, **scale)
        judged = judge.judged_rates(self.caller, collection=collection)
        return self.page(collection=collection, health=found, histogram=histogram, det=det, judged=judged, tab="health")

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Request a new report."""
        collection = get_collection(self.caller, name=Alias(alias))
        health.examine(self.caller, collection=collection.name)
        return redirect(self.link("health", alias=collection.alias))


class ProgressView(ConsoleView):
    """The progress of the report; polled every second."""

    template = "console/_progress.html"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Show it; once the report is finished, reload the page."""
        collection = get_collection(self.caller, name=Alias(alias))
        found = health.health(self.caller, collection=collection.name)
        response = self.page(collection=collection, health=found)
        if found.report and found.report.state in {"done", "failed"}:
            response["HX-Refresh"] = "true"
        return response
