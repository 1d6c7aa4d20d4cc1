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
    """POST /keys. Nobody hands out more than they hold."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES), allow_empty=False)
    collections = serializers.ListField(
        child=serializers.CharField(), allow_null=True, default=None, help_text="Names; null: every one."
    )
    networks = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Addresses or networks; none: from anywhere."
    )
    expires_at = serializers.DateTimeField(allow_null=True, default=None)
    requests_per_minute = serializers.IntegerField(allow_null=True, default=None, max_value=2**31 - 1)
    calls_per_day = serializers.IntegerField(allow_null=True, default=None, max_value=2**31 - 1)


@example({"keep_until": None})
class Rotation(serializers.Serializer[Any]):
    """POST /keys/{key}/rotation: until when the secret before opens the door as well; null: no earlier one does."""

    keep_until = serializers.DateTimeField(allow_null=True, default=None)


class Revocation(serializers.Serializer[Any]):
    """The query of DELETE /keys/{key}."""

    issued_keys = serializers.ChoiceField(
        (REVOKE, "keep"),
        default=REVOKE,
        help_text="What becomes of the keys that it issued, and of those that they did.",
    )


class Key(serializers.Serializer[Any]):
    """A key, without its secret."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES))
    networks = serializers.ListField(child=serializers.CharField())
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
    """A new key, in the one answer that shows its secret; `token` is the whole key in one word."""

    secret = serializers.CharField()
    token = serializers.CharField()

    def to_representation(self, issued: IssuedKey) -> dict[str, Any]:
        """Put the secret beside the key."""
        return {**Key(issued.key).data, "secret": issued.secret, "token": issued.token}
