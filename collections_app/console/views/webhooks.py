"""Webhooks and their deliveries. A secret is shown once, right after it was created."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView, FormView
from collections_app.console.forms import WebhookForm
from collections_app.operations import webhooks
from tenants.access import Scope

_DELIVERIES = 100


class WebhooksView(FormView):
    """The webhooks, and the form for a new one."""

    needs = Scope.ADMIN
    template = "console/webhooks.html"
    section = "settings"
    form = WebhookForm

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Create it and show its secret once."""
        made = webhooks.create_webhook(self.caller, **form.cleaned_data)
        return self.show_once("webhooks", {"secret": made.secret})

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show them, and once the secret of a new webhook."""
        listed, made = webhooks.list_webhooks(self.caller), self.take_once("webhooks")
        return self.page(status, form=form, webhooks=listed, made=made)


class WebhookView(FormView):
    """A webhook with its newest deliveries, its URL and its events; polled while a delivery is being sent."""

    needs = Scope.ADMIN
    template = "console/webhook.html"
    fragment = "console/_deliveries.html"
    section = "settings"
    form = WebhookForm

    def blank(self, **where: Any) -> Form:
        """Show the URL and the events."""
        found = webhooks.get_webhook(self.caller, webhook=where["webhook"])
        return WebhookForm(initial={"url": found.url, "kinds": found.kinds})

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Change them."""
        webhooks.update_webhook(self.caller, webhook=where["webhook"], **form.cleaned_data)
        return self.done(_("Saved."), "webhook", **where)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show the deliveries."""
        found = webhooks.get_webhook(self.caller, webhook=where["webhook"])
        deliveries = list(webhooks.list_deliveries(self.caller, webhook=where["webhook"], limit=_DELIVERIES))
        sending = found.active and any(one.state == "pending" and not one.attempts for one in deliveries)
        shown: dict[str, Any] = {"webhook": found, "deliveries": deliveries, "sending": sending}
        return self.page(status, form=form, **shown)


class TestView(ConsoleView):
    """Send a test event."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str) -> HttpResponse:
        """Send it."""
        webhooks.try_webhook(self.caller, webhook=webhook)
        return self.done(_("A test is being sent."), "webhook", webhook=webhook)


class SwitchView(ConsoleView):
    """Switch a webhook off or on."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str) -> HttpResponse:
        """Switch it."""
        hook = webhooks.switch_webhook(self.caller, webhook=webhook, active="active" in request.POST)
        done = _("The webhook is switched on.") if hook.active else _("The webhook is switched off.")
        return self.done(done, "webhook", webhook=hook.pk)


class DeleteView(ConsoleView):
    """Delete a webhook."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str) -> HttpResponse:
        """Delete it."""
        webhooks.delete_webhook(self.caller, webhook=webhook)
        return self.done(_("The webhook is deleted."), "webhooks")


class RedeliverView(ConsoleView):
    """Repeat a delivery."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str, delivery: str) -> HttpResponse:
        """Queue it again."""
        webhooks.redeliver(self.caller, webhook=webhook, delivery=delivery)
        return self.done(_("It is being sent again."), "webhook", webhook=webhook)
