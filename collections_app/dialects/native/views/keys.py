"""API keys."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import keys as wire
from collections_app.errors import CollectionDeleted, CollectionNotFound
from collections_app.operations import keys


class KeysView(NativeView):
    """/keys."""

    @described("listKeys", answer=wire.Keys)
    def get(self, request: Request) -> Response:
        """List the keys that the caller can manage, also revoked ones."""
        return Response(wire.Keys({"keys": keys.list_keys(self.caller)}).data)

    @described(
        "issueKey", "", (CollectionNotFound, CollectionDeleted), body=wire.NewKey, status=201, answer=wire.Issued
    )
    def post(self, request: Request) -> Response:
        """Issue a key; only this answer contains its secret."""
        return Response(wire.Issued(keys.issue_key(self.caller, **self.parse(wire.NewKey))).data, status=201)


class KeyView(NativeView):
    """/keys/{key}."""

    @described("getKey", "key", answer=wire.Key)
    def get(self, request: Request, key: str) -> Response:
        """Return a key."""
        return Response(wire.Key(keys.get_key(self.caller, key=key)).data)

    @described("revokeKey", "key", query=wire.Revocation, answer=wire.Key)
    def delete(self, request: Request, key: str) -> Response:
        """Revoke a key."""
        with_issued = self.parse(wire.Revocation)["issued_keys"] == wire.REVOKE
        return Response(wire.Key(keys.revoke_key(self.caller, key=key, with_issued=with_issued)).data)


class KeyRotationView(NativeView):
    """/keys/{key}/rotation."""

    @described("rotateKey", "key", body=wire.Rotation, status=201, answer=wire.Issued)
    def post(self, request: Request, key: str) -> Response:
        """Replace a key's secret."""
        keep_until = self.parse(wire.Rotation)["keep_until"]
        return Response(wire.Issued(keys.rotate_key(self.caller, key=key, keep_until=keep_until)).data, status=201)
