"""Background jobs."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import jobs as wire
from collections_app.dialects.native.wire.base import Page
from collections_app.operations import jobs


class JobsView(NativeView):
    """/jobs."""

    @described("listJobs", query=Page, answer=wire.Jobs)
    def get(self, request: Request) -> Response:
        """List waiting and running jobs, newest first."""
        query = self.parse(Page)
        page = jobs.list_jobs(self.caller, limit=query["limit"], before=wire.from_place(query["cursor"]))
        following = wire.place(page.jobs[-1]) if page.more else None
        return Response(wire.Jobs({"jobs": page.jobs, "next_cursor": following}).data)


class JobView(NativeView):
    """/jobs/{job}."""

    @described("getJob", "job", answer=wire.Job)
    def get(self, request: Request, job: str) -> Response:
        """Return a job, finished or not."""
        return Response(wire.Job(jobs.get_job(self.caller, job=job)).data)
