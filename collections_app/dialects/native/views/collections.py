"""Collections."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import collections as wire
from collections_app.dialects.native.wire.base import Page, cursor, from_cursor
from collections_app.dialects.native.wire.receipts import Receipt
from collections_app.errors import CollectionExists
from collections_app.operations import collections


class CollectionsView(NativeView):
    """/collections."""

    @described("listCollections", query=Page, answer=wire.Collections)
    def get(self, request: Request) -> Response:
        """List collections by name."""
        query = self.parse(Page)
        after = from_cursor(query["cursor"], str) or ""
        page = collections.page_collections(self.caller, limit=query["limit"], after=after)
        following = cursor(page.collections[-1].name) if page.more else None
        return Response(wire.Collections({"collections": page.collections, "next_cursor": following}).data)

    @described(
        "createCollection",
        "",
        (CollectionExists,),
        errors.WHOLE_TENANT,
        body=wire.NewCollection,
        status=201,
        answer=wire.Collection,
    )
    def post(self, request: Request) -> Response:
        """Create a collection."""
        body = self.parse(wire.NewCollection)
        name, pack = body.pop("name"), body.pop("pack")
        made = collections.create_collection(self.caller, name=name, pack=pack, **wire.policy(body))
        return Response(wire.Collection(made).data, status=201)


class CollectionView(NativeView):
    """/collections/{collection}."""

    @described("getCollection", "collection", answer=wire.Collection)
    def get(self, request: Request, collection: str) -> Response:
        """Return a collection with its policy."""
        return Response(wire.Collection(collections.get_collection(self.caller, name=collection)).data)

    @described(
        "changeCollection",
        "collection",
        (CollectionExists,),
        errors.WHOLE_TENANT,
        body=wire.ChangedCollection,
        answer=wire.Collection,
    )
    def patch(self, request: Request, collection: str) -> Response:
        """Change a collection's name or policy."""
        body = self.parse(wire.ChangedCollection)
        changed = collections.update_collection(self.caller, collection=collection, **wire.policy(body))
        return Response(wire.Collection(changed).data)

    @described("deleteCollection", "collection", status=202, answer=Receipt)
    def delete(self, request: Request, collection: str) -> Response:
        """Erase a collection with all its people."""
        receipt = collections.delete_collection(self.caller, name=collection)
        return accepted(Receipt(receipt).data, f"receipts/{receipt.uuid}")
