"""Webhooks and their delivery log."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import webhooks as wire
from collections_app.operations import webhooks

_DELIVERIES = 100


class WebhooksView(NativeView):
    """/webhooks."""

    @described("listWebhooks", "", errors.WHOLE_TENANT, answer=wire.Webhooks)
    def get(self, request: Request) -> Response:
        """List webhooks."""
        return Response(wire.Webhooks({"webhooks": webhooks.list_webhooks(self.caller)}).data)

    @described(
        "createWebhook",
        "",
        errors.WHOLE_TENANT,
        body=wire.NewWebhook,
        status=201,
        answer=wire.MadeWebhook,
    )
    def post(self, request: Request) -> Response:
        """Create a webhook; only this answer contains its secret."""
        body = self.parse(wire.NewWebhook)
        made = webhooks.create_webhook(self.caller, url=body["url"], kinds=body["events"])
        return Response(wire.MadeWebhook(made.webhook, context={"secret": made.secret}).data, status=201)


class WebhookView(NativeView):
    """/webhooks/{webhook}."""

    @described("getWebhook", "webhook", errors.WHOLE_TENANT, answer=wire.WatchedWebhook)
    def get(self, request: Request, webhook: str) -> Response:
        """Return a webhook with its newest deliveries."""
        found = webhooks.get_webhook(self.caller, webhook=webhook)
        log = webhooks.list_deliveries(self.caller, webhook=webhook, limit=_DELIVERIES)
        return Response(wire.WatchedWebhook(found, context={"deliveries": log}).data)

    @described("switchWebhook", "webhook", errors.WHOLE_TENANT, body=wire.Switch, answer=wire.Webhook)
    def patch(self, request: Request, webhook: str) -> Response:
        """Switch a webhook on or off; events that occur while it is off are never delivered."""
        active = self.parse(wire.Switch)["active"]
        return Response(wire.Webhook(webhooks.switch_webhook(self.caller, webhook=webhook, active=active)).data)

    @described("deleteWebhook", "webhook", errors.WHOLE_TENANT, status=204, answer=None)
    def delete(self, request: Request, webhook: str) -> Response:
        """Delete a webhook; nothing more is delivered to it."""
        webhooks.delete_webhook(self.caller, webhook=webhook)
        return Response(status=204)


class RepeatView(NativeView):
    """/webhooks/{webhook}/deliveries/{delivery}/repeat."""

    @described("repeatDelivery", "webhook delivery", errors.WHOLE_TENANT, status=202, answer=wire.Delivery)
    def post(self, request: Request, webhook: str, delivery: str) -> Response:
        """Deliver an event again."""
        repeated = webhooks.redeliver(self.caller, webhook=webhook, delivery=delivery)
        return accepted(wire.Delivery(repeated).data, f"webhooks/{webhook}")
