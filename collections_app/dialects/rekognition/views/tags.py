"""Tags of collections."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.rekognition import wire
from collections_app.dialects.rekognition.views.base import RekognitionView, described
from collections_app.operations import collections


class TagResourceView(RekognitionView):
    """TagResource."""

    @described("TagResource", wire.base.NOTHING, wire.tags.TagResource)
    def post(self, request: Request) -> Response:
        """Add tags to a collection, or replace them."""
        body = self.parse(wire.tags.TagResource)
        name = wire.base.collection_of(body["ResourceArn"], self.caller.tenant)
        collections.tag_collection(self.caller, collection=name, tags=body["Tags"])
        return Response({})


class UntagResourceView(RekognitionView):
    """UntagResource."""

    @described("UntagResource", wire.base.NOTHING, wire.tags.UntagResource)
    def post(self, request: Request) -> Response:
        """Remove tags from a collection."""
        body = self.parse(wire.tags.UntagResource)
        name = wire.base.collection_of(body["ResourceArn"], self.caller.tenant)
        collections.tag_collection(self.caller, collection=name, without=body["TagKeys"])
        return Response({})


class ListTagsForResourceView(RekognitionView):
    """ListTagsForResource."""

    @described("ListTagsForResource", wire.tags.Tagged, wire.tags.Resource)
    def post(self, request: Request) -> Response:
        """List a collection's tags."""
        name = wire.base.collection_of(self.parse(wire.tags.Resource)["ResourceArn"], self.caller.tenant)
        return self.reply(wire.tags.Tagged, collections.get_collection(self.caller, name=name))
