"""The audit log."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Listing, Page
from collections_app.operations.audit import Filters


class Query(Page):
    """The query of GET /audit. An `action` that ends in a dot selects all actions with this prefix."""

    action = serializers.CharField(allow_blank=True, default="")
    actor = serializers.CharField(allow_blank=True, default="")
    target_kind = serializers.CharField(allow_blank=True, default="")
    target = serializers.CharField(allow_blank=True, default="")
    request_id = serializers.CharField(allow_blank=True, default="")
    since = serializers.DateTimeField(default=None)
    until = serializers.DateTimeField(default=None)


class ExportQuery(Query):
    """The query of GET /audit/export."""

    form = serializers.ChoiceField(["csv", "json"], default="json")


class Actor(serializers.Serializer[Any]):
    """Who did it, and from which address."""

    kind = serializers.CharField(source="actor_kind")
    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="actor_name")
    address = serializers.CharField()


class Target(serializers.Serializer[Any]):
    """The object of the action."""

    kind = serializers.CharField(source="target_kind")
    id = serializers.CharField(source="target_id")


class Entry(serializers.Serializer[Any]):
    """An entry of the audit log."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = Actor(source="*")
    via = serializers.CharField()
    request_id = serializers.CharField()
    action = serializers.CharField()
    target = Target(source="*")
    facts = serializers.DictField()
    digest = serializers.CharField()


class Entries(Listing):
    """The answer to GET /audit."""

    entries = Entry(many=True)


class Verification(serializers.Serializer[Any]):
    """The answer to GET /audit/verification: whether the chain is intact, and the first number at which it is not."""

    sound = serializers.BooleanField(allow_null=True, help_text="null: a job is still verifying a long log; ask again.")
    entries = serializers.IntegerField(help_text="The number of intact entries so far.")
    broken_at = serializers.IntegerField(allow_null=True)
    job = serializers.CharField(allow_null=True, help_text="The job that verifies a long log; null: none was needed.")


class Export(serializers.Serializer[Any]):
    """The answer to GET /audit/export: the text of a file, and a signed statement about it."""

    name = serializers.CharField()
    media_type = serializers.CharField()
    statement = serializers.DictField()
    content = serializers.SerializerMethodField()

    def get_content(self, taken: Any) -> str:
        """The file's text."""
        return str(taken.content.decode())


def filters(query: Mapping[str, Any]) -> Filters:
    """Return the filters of a query."""
    names = ("action", "actor", "target_kind", "target", "request_id", "since", "until")
    return Filters(**{name: query[name] for name in names})
