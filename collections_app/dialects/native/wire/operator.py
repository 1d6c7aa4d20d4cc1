"""What an operator's key sees and sets of tenants."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.about import Limits
from collections_app.dialects.native.wire.base import Listing
from collections_app.dialects.openapi import example
from tenants.models import Invitation, Member, Tenant

_STATES = ["active", "suspended"]
_ROLES = [str(role) for role in Member.Role]
_LIMIT: Mapping[str, Any] = {"required": False, "allow_null": True, "min_value": 0, "max_value": 2**31 - 1}
# The names of a tenant's limits in the API, and in the rows.
_LIMITS = {"faces": "face_quota", "collections": "collection_quota"}


@example({"name": "Acme", "faces": 100_000, "requests_per_minute": 600})
class PutTenant(serializers.Serializer[Any]):
    """PUT /operator/tenants/{tenant}. Omitted fields stay unchanged; a limit of null is none."""

    name = serializers.CharField(max_length=200, required=False)
    state = serializers.ChoiceField(_STATES, required=False)
    faces = serializers.IntegerField(**_LIMIT)
    collections = serializers.IntegerField(**_LIMIT)
    requests_per_minute = serializers.IntegerField(**_LIMIT)
    calls_per_day = serializers.IntegerField(**_LIMIT)

    def to_internal_value(self, data: Any) -> Any:
        """Return the values by the names of the rows."""
        return {_LIMITS.get(name, name): value for name, value in super().to_internal_value(data).items()}


class ManagedTenant(serializers.Serializer[Tenant]):
    """A tenant."""

    id = serializers.CharField(source="pk")
    slug = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(_STATES)
    limits = Limits(source="*")
    created_at = serializers.DateTimeField()


class ManagedTenants(Listing):
    """The answer to GET /operator/tenants, by slug."""

    tenants = ManagedTenant(many=True)


@example({"email": "ada@example.com", "role": "owner"})
class Invite(serializers.Serializer[Any]):
    """POST /operator/tenants/{tenant}/invitations."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(_ROLES)


class Invited(serializers.Serializer[Any]):
    """A new invitation; only this answer has its link."""

    email = serializers.EmailField()
    role = serializers.ChoiceField(_ROLES)
    link = serializers.CharField(help_text="Send it to the person: it works once, within seven days.")


class OpenInvitation(serializers.Serializer[Invitation]):
    """An invitation that was not accepted yet."""

    id = serializers.CharField(source="pk")
    email = serializers.EmailField()
    role = serializers.ChoiceField(_ROLES)
    invited_by = serializers.CharField()
    expires_at = serializers.DateTimeField()


class TeamMember(serializers.Serializer[Member]):
    """A member."""

    id = serializers.CharField(source="pk")
    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(_ROLES)
    created_at = serializers.DateTimeField()


class Team(serializers.Serializer[Any]):
    """The answer to GET /operator/tenants/{tenant}/members."""

    members = TeamMember(many=True)
    invitations = OpenInvitation(many=True)
