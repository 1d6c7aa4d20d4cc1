"""Bulk jobs: list, progress, cancel, go on, report."""

from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView
from collections_app.operations import bulk_jobs, exports
from collections_app.operations.jobs import Place
from tenants.access import Scope
from tenants.scope import as_id

_PAGE, _REFUSED = 50, 100


class JobsView(ConsoleView):
    """Every bulk job, newest first."""

    template = "console/jobs.html"
    fragment = "console/_jobs.html"
    section = "jobs"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show a page of them."""
        found = bulk_jobs.list_bulk_jobs(self.caller, limit=_PAGE, before=_place(request.GET.get("before", "")))
        at, number = found.jobs[-1].place if found.more else (None, 0)
        return self.page(jobs=found.jobs, after=f"{at.isoformat()}~{number}" if at else None)


class JobView(ConsoleView):
    """One bulk job: its progress, and the items that were refused."""

    template = "console/job.html"
    section = "jobs"

    def get(self, request: HttpRequest, job: str) -> HttpResponse:
        """Show it; to htmx its progress, and once it is over the whole page again."""
        found = bulk_jobs.get_bulk_job(self.caller, job=job)
        if request.htmx:  # type: ignore[attr-defined]  # HtmxMiddleware's
            answer = self.page(template="console/_job_progress.html", job=found)
            if found.finished_at:
                answer["HX-Refresh"] = "true"
            return answer
        refused = bulk_jobs.refused_items(self.caller, job=job, limit=_REFUSED)
        return self.page(job=found, refused=refused, may_change=bulk_jobs.may_change(self.caller, found))


class JobReportView(ConsoleView):
    """The report of a job as a file."""

    def get(self, request: HttpRequest, job: str) -> HttpResponseBase:
        """Send it."""
        items = bulk_jobs.report(self.caller, job=job)
        headers = {"Content-Disposition": f'attachment; filename="{job}.csv"', "Cache-Control": "private, no-store"}
        return StreamingHttpResponse(bulk_jobs.as_csv(items), content_type="text/csv; charset=utf-8", headers=headers)


class BundleView(ConsoleView):
    """The bundle of an export as a file."""

    needs = Scope.ADMIN

    def get(self, request: HttpRequest, job: str) -> HttpResponseBase:
        """Send it."""
        size, content = exports.fetch_bundle(self.caller, job=job)
        headers = {"Content-Disposition": f'attachment; filename="{job}.bundle"', "Content-Length": str(size)}
        headers["Cache-Control"] = "private, no-store"
        return StreamingHttpResponse(content, content_type="application/x-tar", headers=headers)


class CancelJobView(ConsoleView):
    """Stop a job."""

    def post(self, request: HttpRequest, job: str) -> HttpResponse:
        """Stop it."""
        bulk_jobs.cancel_job(self.caller, job=job)
        return self.done(_("The job is cancelled. What it has done stays."), "job", job=job)


class ResumeJobView(ConsoleView):
    """Go on with a job."""

    def post(self, request: HttpRequest, job: str) -> HttpResponse:
        """Go on: with what is open, or with the refused items again, or from a dry run to the enrolment."""
        again = {name: name in request.POST for name in ("refused", "enrol")}
        bulk_jobs.resume_job(self.caller, job=job, **again)
        return self.done(_("The job goes on."), "job", job=job)


def _place(before: str) -> Place | None:
    if not before:
        return None
    at, _sign, number = before.partition("~")
    try:
        place = datetime.fromisoformat(at), as_id(number) or 0
    except ValueError:
        raise Http404 from None
    if place[0].tzinfo is None:
        raise Http404
    return place
