"""Who is asking, and what the codes of problems mean."""

from typing import Any

from rest_framework import serializers

from recognition import packs
from tenants.access import Caller, Scope


class TenantName(serializers.Serializer[Any]):
    """The tenant whose rows the key reaches."""

    id = serializers.CharField(source="pk")
    slug = serializers.CharField()
    name = serializers.CharField()


class KeyName(serializers.Serializer[Any]):
    """The key that was sent."""

    id = serializers.CharField()
    name = serializers.CharField()


class Me(serializers.Serializer[Caller]):
    """The answer to GET /me."""

    tenant = TenantName()
    key = KeyName(source="*")
    scopes = serializers.SerializerMethodField()
    restricted_to_collections = serializers.SerializerMethodField()

    def get_scopes(self, caller: Caller) -> list[Scope]:
        """What the key may do."""
        return [scope for scope in Scope if scope in caller.scopes]

    def get_restricted_to_collections(self, caller: Caller) -> bool:
        """Whether it reaches some collections only."""
        return caller.collections is not None


class Code(serializers.Serializer[Any]):
    """What a problem's code means."""

    status = serializers.IntegerField()
    title = serializers.CharField()


class Problems(serializers.Serializer[Any]):
    """The answer to GET /problems: every code, and the model packs."""

    problems = serializers.DictField(child=Code())
    packs = serializers.ListField(child=serializers.ChoiceField(packs.names()))
