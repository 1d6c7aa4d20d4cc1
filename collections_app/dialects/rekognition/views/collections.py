"""Collections."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.rekognition import wire
from collections_app.dialects.rekognition.dialect import DIALECT
from collections_app.dialects.rekognition.views.base import RekognitionView, described
from collections_app.operations import collections, named_people


class CreateCollectionView(RekognitionView):
    """CreateCollection."""

    @described("CreateCollection", wire.collections.Created, wire.collections.Create)
    def post(self, request: Request) -> Response:
        """Create a collection, whose threshold is the contract's default (decision R10). No image is kept."""
        body = self.parse(wire.collections.Create)
        made = collections.create_collection(
            self.caller,
            name=body["CollectionId"],
            tags=body["Tags"],
            images="none",
            quality_gate="none",
            similarity_threshold=DIALECT.threshold,
        )
        return self.reply(wire.collections.Created, made, region=self.region)


class DescribeCollectionView(RekognitionView):
    """DescribeCollection."""

    @described("DescribeCollection", wire.collections.Described, wire.collections.Named)
    def post(self, request: Request) -> Response:
        """Describe a collection."""
        name = self.parse(wire.collections.Named)["CollectionId"]
        found = collections.get_collection(self.caller, name=name)
        users = named_people.count_named_people(self.caller, collection=name)
        return self.reply(wire.collections.Described, found, region=self.region, users=users)


class ListCollectionsView(RekognitionView):
    """ListCollections."""

    @described("ListCollections", wire.collections.Collections, wire.collections.ListCollections)
    def post(self, request: Request) -> Response:
        """List the collections, by name."""
        body = self.parse(wire.collections.ListCollections)
        after = wire.base.cursor(body["NextToken"], self.caller.tenant, wire.collections.LIST)
        limit = body["MaxResults"] or wire.base.MOST_LISTED
        found = collections.page_collections(self.caller, limit=limit, after=after or "")
        return self.reply(wire.collections.Collections, found)


class DeleteCollectionView(RekognitionView):
    """DeleteCollection."""

    @described("DeleteCollection", wire.collections.Deleted, wire.collections.Named)
    def post(self, request: Request) -> Response:
        """Delete a collection with its faces."""
        name = self.parse(wire.collections.Named)["CollectionId"]
        return self.reply(wire.collections.Deleted, collections.delete_collection(self.caller, name=name))
