"""The audit log."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from collections_app.dialects.native.wire.base import Listing, Page
from collections_app.operations.audit import Filters


class Query(Page):
    """GET /audit. An action that ends in a dot stands for its whole family."""

    action = serializers.CharField(allow_blank=True, default="")
    actor = serializers.CharField(allow_blank=True, default="")
    target_kind = serializers.CharField(allow_blank=True, default="")
    target = serializers.CharField(allow_blank=True, default="")
    request_id = serializers.CharField(allow_blank=True, default="")
    since = serializers.DateTimeField(default=None)
    until = serializers.DateTimeField(default=None)


class ExportQuery(Query):
    """GET /audit/export."""

    form = serializers.ChoiceField(["csv", "json"], default="json")


class Actor(serializers.Serializer[Any]):
    """Who did it, and from where."""

    kind = serializers.CharField(source="actor_kind")
    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="actor_name")
    address = serializers.CharField()


class Target(serializers.Serializer[Any]):
    """What it was done to."""

    kind = serializers.CharField(source="target_kind")
    id = serializers.CharField(source="target_id")


class Entry(serializers.Serializer[Any]):
    """One thing that somebody did."""

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
    """The answer to GET /audit/verification: whether the chain is whole, and the first number at which it is not."""

    sound = serializers.BooleanField(allow_null=True, help_text="null: a job recomputes the long log; ask again.")
    entries = serializers.IntegerField(help_text="Entries that are sound, so far.")
    broken_at = serializers.IntegerField(allow_null=True)
    job = serializers.CharField(allow_null=True, help_text="The job that recomputes a long log; null: done at once.")


class Export(serializers.Serializer[Any]):
    """The answer to GET /audit/export: a file's text, and the signed statement of what it is."""

    name = serializers.CharField()
    media_type = serializers.CharField()
    statement = serializers.DictField()
    content = serializers.SerializerMethodField()

    def get_content(self, taken: Any) -> str:
        """The file's text."""
        return str(taken.content.decode())


def filters(given: Mapping[str, Any]) -> Filters:
    """Which entries of the audit log are asked for."""
    names = ("action", "actor", "target_kind", "target", "request_id", "since", "until")
    return Filters(**{name: given[name] for name in names})
