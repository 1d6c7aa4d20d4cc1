"""A collection's index."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import index as wire
from collections_app.dialects.native.wire.jobs import Job
from collections_app.operations import index


class IndexView(NativeView):
    """/collections/{collection}/index."""

    @described("getIndex", "collection", answer=wire.Index)
    def get(self, request: Request, collection: str) -> Response:
        """Return the state of the index; the progress of a rebuild is in its job."""
        return Response(wire.Index(index.index_state(self.caller, collection=collection)).data)


class RebuildView(NativeView):
    """/collections/{collection}/index/rebuild."""

    @described("rebuildIndex", "collection", status=202, answer=Job)
    def post(self, request: Request, collection: str) -> Response:
        """Rebuild the index from the stored templates; searches continue meanwhile."""
        job = index.rebuild(self.caller, collection=collection)
        return accepted(Job(job).data, f"jobs/{job.id}")
