"""Search, compare, verify."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.nhn import wire
from collections_app.dialects.nhn.views.base import V1View, described

# The threshold of a comparison, used if the body has none (decision H5).
_THRESHOLD = OpenApiParameter("threshold", {"type": "integer", "minimum": 1, "maximum": 100})


class SearchView(V1View):
    """/groups/{group-id}/search."""

    @described(
        "searchByImage", "group", wire.search.FoundByImage, parameters=[wire.search.Search], body=wire.base.Picture
    )
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Find the faces most similar to the largest face of an image."""
        return self.found_by_image(group, self.query(wire.search.Search) | self.parse(wire.base.Picture))


class CompareView(V1View):
    """/compare."""

    @described("compare", "", wire.search.Compared, parameters=[_THRESHOLD], body=wire.search.Compare)
    def post(self, request: Request, **_: str) -> Response:
        """Compare the largest face of one image with every face of another; the body's threshold wins (decision H5)."""
        body = self.parse(wire.search.Compare)
        body["threshold"] = body["threshold"] or self.query(wire.search.QueryThreshold)["threshold"]
        return self.compared(body)


class VerifyView(V1View):
    """/verify/groups/{group-id}/faces/{face-id}."""

    @described("verify", "group face", wire.search.Verified, body=wire.search.Verify)
    def post(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Compare the largest face of an image with a registered one; the caller decides."""
        return self.verified(group, face)
