"""A collection's health."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import health as wire
from collections_app.dialects.native.wire.base import BelowFloor
from collections_app.dialects.native.wire.jobs import Job
from collections_app.errors import ProbingRefused
from collections_app.operations import health
from collections_app.operations.jobs import health_job


class HealthView(NativeView):
    """/collections/{collection}/health."""

    @described("getHealth", "collection", (ProbingRefused,), query=BelowFloor, answer=wire.Report)
    def get(self, request: Request, collection: str) -> Response:
        """Return the findings of the newest examination."""
        below = self.parse(BelowFloor)["below_floor"]
        return Response(wire.Report(health.health(self.caller, collection=collection, below=below)).data)

    @described("examineCollection", "collection", status=202, answer=Job)
    def post(self, request: Request, collection: str) -> Response:
        """Start a comparison of all templates with each other; one that is already running is returned instead."""
        job = health_job(health.examine(self.caller, collection=collection))
        return accepted(Job(job).data, f"jobs/{job.id}")
