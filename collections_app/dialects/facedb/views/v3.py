"""/v3/va/: people by the newer client's names, and one image with all its faces."""

from functools import partial

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import shown
from collections_app.dialects.facedb.views.base import LIMITS, FacedbView, described
from collections_app.dialects.facedb.wire import base, v3
from collections_app.operations import data_subject, each_face, enrol, search
from collections_app.operations.collections import Alias


class AddView(FacedbView):
    """/v3/va/add-or-update-feature."""

    @described("add-or-update-feature", body=v3.AddFeature, answer=v3.AddedFeature)
    def post(self, request: Request) -> Response:
        """Register a person with images; a person of the same uuid is replaced (decision N7)."""
        body = self.parse(v3.AddFeature)
        person = enrol.enrol_person(
            self.caller,
            collection=Alias(body["node_id"]),
            images=body["feature_images"],
            limits=LIMITS,
            person=v3.details(body),
        )
        return Response(shown(v3.AddedFeature, person))


class ListView(FacedbView):
    """/v3/va/list-feature."""

    @described("list-feature", body=v3.ListFeatures, answer=v3.ListedFeatures)
    def post(self, request: Request) -> StreamingHttpResponse:
        """List a node's people with their images."""
        body = self.parse(v3.ListFeatures)
        people = data_subject.list_people(self.caller, collection=Alias(body["node_id"]))
        page = base.listed(people, "feature_list", partial(v3.Feature, context=body))
        return StreamingHttpResponse(page, content_type="application/json")


class RemoveView(FacedbView):
    """/v3/va/remove-feature."""

    @described("remove-feature", body=v3.RemoveFeature, answer=base.Outcome)
    def post(self, request: Request) -> Response:
        """Erase a person."""
        body = self.parse(v3.RemoveFeature)
        data_subject.delete_person(self.caller, collection=Alias(body["nodeId"]), person=body["uuId"])
        return Response(base.Outcome({}).data)


class MatchView(FacedbView):
    """/v3/va/matching-feature."""

    @described("matching-feature", body=v3.MatchFeature, answer=v3.MatchedFeature)
    def post(self, request: Request) -> Response:
        """Find the person whose face it is."""
        body = self.parse(v3.MatchFeature)
        node, images = Alias(body["node_id"]), body["feature_images"]
        found = search.match_person(self.caller, collection=node, images=images, limits=LIMITS)
        return Response(v3.MatchedFeature(found or {}, context=body).data)


class InferView(FacedbView):
    """/v3/va/inference-image."""

    @described("inference-image", body=v3.Infer, answer=v3.Inferred)
    def post(self, request: Request) -> Response:
        """Find every face of an image, and whose it is."""
        body = self.parse(v3.Infer)
        node, image = Alias(body["node_id"]), body["image_buffer"]
        found = each_face.search_each_face(self.caller, collection=node, image=image, limit=1, limits=LIMITS)
        return Response(shown(v3.Inferred, found))
