"""Webhooks and their delivery log."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.openapi import example
from tenants import models
from tenants.events import Kind

_KINDS = [str(kind) for kind in Kind]


@example({"url": "https://example.com/hook", "events": ["search.matched"]})
class NewWebhook(serializers.Serializer[Any]):
    """POST /webhooks."""

    url = serializers.CharField(max_length=2000)
    events = serializers.ListField(child=serializers.ChoiceField(_KINDS), allow_empty=False)


@example({"active": False})
class Switch(serializers.Serializer[Any]):
    """PATCH /webhooks/{webhook}."""

    active = serializers.BooleanField()


class Webhook(serializers.Serializer[Any]):
    """A webhook, without its secret."""

    id = serializers.CharField(source="pk")
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(_KINDS), source="kinds")
    active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class Webhooks(serializers.Serializer[Any]):
    """The answer to GET /webhooks."""

    webhooks = Webhook(many=True)


class MadeWebhook(Webhook):
    """A new webhook; only this answer has the secret."""

    secret = serializers.SerializerMethodField()

    def get_secret(self, hook: models.Webhook) -> str:
        """The secret that signs deliveries."""
        return str(self.context["secret"])


class Delivery(serializers.Serializer[Any]):
    """A delivery and its result."""

    id = serializers.CharField(source="pk")
    event = serializers.CharField(source="event_id")
    type = serializers.ChoiceField(_KINDS, source="event.kind")
    at = serializers.DateTimeField(source="event.at")
    state = serializers.ChoiceField(models.Delivery.State.choices)
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    problem = serializers.CharField()
    next_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)


class WatchedWebhook(Webhook):
    """A webhook with its newest deliveries."""

    deliveries = serializers.SerializerMethodField()

    @extend_schema_field(Delivery(many=True))
    def get_deliveries(self, hook: models.Webhook) -> Any:
        """Newest first."""
        return Delivery(self.context["deliveries"], many=True).data
