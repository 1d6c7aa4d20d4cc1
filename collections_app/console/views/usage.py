"""The use of the API by day, endpoint and key, and what is kept."""

from django.http import HttpRequest, HttpResponse

from collections_app.console import charts
from collections_app.console.base import ConsoleView
from collections_app.operations.usage import report_usage


class UsageView(ConsoleView):
    """The last 30 days."""

    template = "console/usage.html"
    section = "usage"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        report = report_usage(self.caller)
        return self.page(report=report, chart=charts.calls(report.days))
