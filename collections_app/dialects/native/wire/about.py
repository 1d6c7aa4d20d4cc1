"""The caller, the release, usage, and the codes of problems."""

from typing import Any

from rest_framework import serializers

from recognition import packs
from tenants.access import Caller, Scope
from tenants.models import Tenant, UsageDay


class TenantName(serializers.Serializer[Any]):
    """The tenant of the key."""

    id = serializers.CharField(source="pk")
    slug = serializers.CharField()
    name = serializers.CharField()


class KeyName(serializers.Serializer[Any]):
    """The key of the request."""

    id = serializers.CharField()
    name = serializers.CharField()


class Me(serializers.Serializer[Caller]):
    """The answer to GET /me."""

    tenant = TenantName()
    key = KeyName(source="*")
    scopes = serializers.SerializerMethodField()
    restricted_to_collections = serializers.SerializerMethodField()

    def get_scopes(self, caller: Caller) -> list[Scope]:
        """The key's scopes."""
        return [scope for scope in Scope if scope in caller.scopes]

    def get_restricted_to_collections(self, caller: Caller) -> bool:
        """Whether the key can access some collections only."""
        return caller.collections is not None


class Version(serializers.Serializer[Any]):
    """The answer to GET /version."""

    version = serializers.CharField(help_text="The server's release, such as 0.2.0.")


class Days(serializers.Serializer[Any]):
    """The query of GET /usage."""

    days = serializers.IntegerField(
        min_value=1, max_value=366, default=31, help_text="The number of days, up to today."
    )


class Calls(serializers.Serializer[UsageDay]):
    """The calls of an endpoint on a day."""

    day = serializers.DateField()
    endpoint = serializers.CharField(source="operation")
    calls = serializers.IntegerField()


class Limits(serializers.Serializer[Tenant]):
    """The tenant's limits; null: unlimited."""

    faces = serializers.IntegerField(source="face_quota", allow_null=True)
    collections = serializers.IntegerField(source="collection_quota", allow_null=True)
    requests_per_minute = serializers.IntegerField(allow_null=True)
    calls_per_day = serializers.IntegerField(allow_null=True)


class Usage(serializers.Serializer[Any]):
    """The answer to GET /usage, newest day first."""

    usage = Calls(many=True)
    limits = Limits()


class Code(serializers.Serializer[Any]):
    """The meaning of a problem's code."""

    status = serializers.IntegerField()
    title = serializers.CharField()


class Problems(serializers.Serializer[Any]):
    """The answer to GET /problems: every code, and the model packs."""

    problems = serializers.DictField(child=Code())
    packs = serializers.ListField(child=serializers.ChoiceField(packs.names()))
