"""Search, compare, verify."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.nhn import wire
from collections_app.dialects.nhn.views.base import V1View, described
from collections_app.operations import compare, search

# The threshold of a comparison, used if the body has none (decision H5).
_THRESHOLD = OpenApiParameter("threshold", {"type": "integer", "minimum": 1, "maximum": 100})


class SearchView(V1View):
    """/groups/{group-id}/search."""

    @described(
        "searchByImage", "group", wire.search.FoundByImage, parameters=[wire.search.Search], body=wire.base.Picture
    )
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Find the faces most similar to the largest face of an image."""
        query, body = self.query(wire.search.Search), self.parse(wire.base.Picture)
        found = search.search_by_image(
            self.caller,
            collection=group,
            image=body["image"],
            limit=query["limit"],
            threshold=query["threshold"],
            largest=True,
            liveness=min(self.judged(body), 1),
            limits=self.limits,
        )
        return self.reply(wire.search.FoundByImage, found, **body)


class CompareView(V1View):
    """/compare."""

    @described("compare", "", wire.search.Compared, parameters=[_THRESHOLD], body=wire.search.Compare)
    def post(self, request: Request, **_: str) -> Response:
        """Compare the largest face of one image with every face of another; the body's threshold wins (decision H5)."""
        body = self.parse(wire.search.Compare)
        threshold = body["threshold"] or self.query(wire.search.QueryThreshold)["threshold"]
        done = compare.compare(
            self.caller,
            source=body["sourceImage"],
            target=body["targetImage"],
            threshold=threshold,
            liveness=self.judged(body),
            limits=self.limits,
        )
        return self.reply(wire.search.Compared, done, **body)


class VerifyView(V1View):
    """/verify/groups/{group-id}/faces/{face-id}."""

    @described("verify", "group face", wire.search.Verified, body=wire.search.Verify)
    def post(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Compare the largest face of an image with a registered one; the caller decides."""
        body = self.parse(wire.search.Verify)
        done = compare.verify(
            self.caller,
            collection=group,
            face=face,
            image=body["compareImage"],
            liveness=min(self.judged(body), 1),
            limits=self.limits,
        )
        return self.reply(wire.search.Verified, done, **body)
