"""API keys."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import example
from tenants.access import Scope
from tenants.keys import IssuedKey

REVOKE = "revoke"
_SCOPES = [str(scope) for scope in Scope]


@example({"name": "gate", "scopes": ["search"], "collections": ["staff"], "networks": ["192.0.2.0/24"]})
class NewKey(serializers.Serializer[Any]):
    """POST /keys. A key can only issue keys with a part of its own rights."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES), allow_empty=False)
    collections = serializers.ListField(
        child=serializers.CharField(), allow_null=True, default=None, help_text="Names; null: all."
    )
    networks = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Addresses or networks; empty: from anywhere."
    )
    expires_at = serializers.DateTimeField(allow_null=True, default=None)
    signs = serializers.BooleanField(
        default=False,
        help_text="For clients that sign with the secret: it is kept, and no other dialect takes the key.",
    )
    requests_per_minute = serializers.IntegerField(allow_null=True, default=None, max_value=2**31 - 1)
    calls_per_day = serializers.IntegerField(allow_null=True, default=None, max_value=2**31 - 1)


@example({"keep_until": None})
class Rotation(serializers.Serializer[Any]):
    """POST /keys/{key}/rotation: how long the previous secret remains valid; null: no earlier secret does."""

    keep_until = serializers.DateTimeField(allow_null=True, default=None)


class Revocation(serializers.Serializer[Any]):
    """The query of DELETE /keys/{key}."""

    issued_keys = serializers.ChoiceField(
        (REVOKE, "keep"),
        default=REVOKE,
        help_text="What happens to the keys that it issued, directly or through them.",
    )


class Key(serializers.Serializer[Any]):
    """A key, without its secret."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES))
    networks = serializers.ListField(child=serializers.CharField())
    signs = serializers.BooleanField()
    requests_per_minute = serializers.IntegerField(allow_null=True)
    calls_per_day = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    collection_ids = serializers.ListField(child=serializers.CharField(), allow_null=True, source="collections")


class Keys(serializers.Serializer[Any]):
    """The answer to GET /keys."""

    keys = Key(many=True)


class Issued(Key):
    """A new key; only this answer has the secret. `token` is id and secret in one text."""

    secret = serializers.CharField()
    token = serializers.CharField()

    def to_representation(self, issued: IssuedKey) -> dict[str, Any]:
        """Add the secret to the key."""
        return {**Key(issued.key).data, "secret": issued.secret, "token": issued.token}
