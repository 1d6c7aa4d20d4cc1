"""Background jobs, and bulk imports."""

import io
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import RAW, NativeView, accepted, described
from collections_app.dialects.native.wire import jobs as wire
from collections_app.dialects.parsers import Form, Json, Raw
from collections_app.errors import FileChanged, JobOver
from collections_app.operations import bulk_jobs, exports, imports, jobs

_KINDS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


class JobsView(NativeView):
    """/jobs."""

    @described("listJobs", query=wire.Query, answer=wire.Jobs)
    def get(self, request: Request) -> Response:
        """List waiting and running jobs, newest first."""
        query = self.parse(wire.Query)
        listed = bulk_jobs.list_bulk_jobs if query["bulk"] else jobs.list_jobs
        page = listed(self.caller, limit=query["limit"], before=wire.from_place(query["cursor"]))
        following = wire.place(page.jobs[-1]) if page.more else None
        return Response(wire.Jobs({"jobs": page.jobs, "next_cursor": following}).data)


class JobView(NativeView):
    """/jobs/{job}."""

    @described("getJob", "job", answer=wire.Job)
    def get(self, request: Request, job: str) -> Response:
        """Return a job, finished or not."""
        return Response(wire.Job(jobs.get_job(self.caller, job=job)).data)


class CancelView(NativeView):
    """/jobs/{job}/cancel."""

    @described("cancelJob", "job", answer=wire.Job)
    def post(self, request: Request, job: str) -> Response:
        """Stop a bulk job; what it has done stays."""
        return Response(wire.Job(bulk_jobs.cancel_job(self.caller, job=job)).data)


class ResumeView(NativeView):
    """/jobs/{job}/resume."""

    @described("resumeJob", "job", (JobOver,), body=wire.Resume, status=202, answer=wire.Job)
    def post(self, request: Request, job: str) -> Response:
        """Go on with a bulk job that was cancelled or failed, or try refused items again."""
        found = bulk_jobs.resume_job(self.caller, job=job, **self.parse(wire.Resume))
        return accepted(wire.Job(found).data, f"jobs/{found.id}")


class ReportView(NativeView):
    """/jobs/{job}/report."""

    @described(
        "getJobReport", "job", query=wire.ReportQuery, answer=OpenApiTypes.BINARY, media_types=tuple(_KINDS.values())
    )
    def get(self, request: Request, job: str) -> StreamingHttpResponse:
        """Return the result of each item of a bulk job, also while it runs."""
        form = self.parse(wire.ReportQuery)["form"]
        items = bulk_jobs.report(self.caller, job=job)
        content = bulk_jobs.as_csv(items) if form == "csv" else bulk_jobs.as_lines(items)
        return StreamingHttpResponse(content, content_type=_KINDS[form])


class ImportsView(NativeView):
    """/collections/{collection}/imports."""

    parser_classes = [Json, Form]

    @described(
        "importPeople",
        "collection",
        body={"application/json": wire.Import, "multipart/form-data": wire.ImportForm},
        status=202,
        answer=wire.Job,
    )
    def post(self, request: Request, collection: str) -> Response:
        """Begin an import; without files it waits for them, and then for its start."""
        values = self.parse(wire.ImportForm)
        options = wire.options(values)
        files = {name: values[name].read() for name in ("archive", "manifest") if name in values}
        if files:
            files = {"archive": b"", "manifest": b""} | files
            job = imports.receive(self.caller, collection=collection, options=options, **files)
        else:
            job = imports.begin_import(self.caller, collection=collection, options=options)
        return accepted(wire.Job(job).data, f"jobs/{job.id}")


class ExportsView(NativeView):
    """/collections/{collection}/exports."""

    @described("exportCollection", "collection", body=wire.NewExport, status=202, answer=wire.Job)
    def post(self, request: Request, collection: str) -> Response:
        """Have a collection made into a sealed bundle; it takes the scopes admin and scores."""
        job = exports.begin_export(self.caller, collection=collection, **self.parse(wire.NewExport))
        return accepted(wire.Job(job).data, f"jobs/{job.id}")


class BundleView(NativeView):
    """/jobs/{job}/bundle."""

    @described(
        "getBundle", "job", (JobOver,), query=wire.From, answer=OpenApiTypes.BINARY, media_types=("application/x-tar",)
    )
    def get(self, request: Request, job: str) -> StreamingHttpResponse:
        """Return the bundle of an export that is done; an answer that was cut off goes on from an offset."""
        offset = self.parse(wire.From)["offset"]
        size, content = exports.fetch_bundle(self.caller, job=job, offset=offset)
        headers = {"Content-Length": str(max(0, size - offset))}
        return StreamingHttpResponse(content, content_type="application/x-tar", headers=headers)


class ArchiveView(NativeView):
    """/jobs/{job}/archive."""

    file: ClassVar[imports.Part] = "archive"

    def get_parsers(self) -> list[BaseParser]:
        """Take the body as it is, whatever its type."""
        return [Raw(self.request.content_type if self.request else RAW)]  # no request: a document is made

    def values(self) -> object:
        """Read the query: the body is the part."""
        return self.request.query_params

    @described("putArchive", "job", (JobOver, FileChanged), query=wire.Offset, raw=True, answer=wire.Received)
    def put(self, request: Request, job: str) -> Response:
        """Send a part of an import's archive; a part may be sent again."""
        return self._receive(job)

    def _receive(self, job: str) -> Response:
        content: Any = self.request.data or b""
        offset, part = self.parse(wire.Offset)["offset"], io.BytesIO(content)
        size = imports.add_part(self.caller, job=job, file=self.file, offset=offset, content=part)
        return Response(wire.Received({"size": size}).data)


class ManifestView(ArchiveView):
    """/jobs/{job}/manifest."""

    file = "manifest"

    @described("putManifest", "job", (JobOver, FileChanged), query=wire.Offset, raw=True, answer=wire.Received)
    def put(self, request: Request, job: str) -> Response:
        """Send a part of an import's manifest; a part may be sent again."""
        return self._receive(job)


class StartView(NativeView):
    """/jobs/{job}/start."""

    @described("startImport", "job", (JobOver,), status=202, answer=wire.Job)
    def post(self, request: Request, job: str) -> Response:
        """Start an import whose files are there."""
        found = imports.start_import(self.caller, job=job)
        return accepted(wire.Job(found).data, f"jobs/{found.id}")
