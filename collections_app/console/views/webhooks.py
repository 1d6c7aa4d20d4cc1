"""Webhooks: who is told of what, and how the deliveries went. A secret is on the page that made it and on no other."""

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
        """Make it, and have its secret shown this once."""
        made = webhooks.create_webhook(self.caller, **form.cleaned_data)
        return self.show_once("webhooks", {"secret": made.secret})

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show them, and the secret of one that was just made, this once."""
        listed, made = webhooks.list_webhooks(self.caller), self.take_once("webhooks")
        return self.page(status, form=form, webhooks=listed, made=made)


class WebhookView(ConsoleView):
    """A webhook with its newest deliveries."""

    needs = Scope.ADMIN
    template = "console/webhook.html"
    section = "settings"

    def get(self, request: HttpRequest, webhook: str) -> HttpResponse:
        """Show how they went."""
        found = webhooks.get_webhook(self.caller, webhook=webhook)
        deliveries = webhooks.list_deliveries(self.caller, webhook=webhook, limit=_DELIVERIES)
        return self.page(webhook=found, deliveries=deliveries)


class SwitchView(ConsoleView):
    """Off for a while, or on again."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str) -> HttpResponse:
        """Switch it."""
        hook = webhooks.switch_webhook(self.caller, webhook=webhook, active="active" in request.POST)
        said = _("The webhook is told again from now on.") if hook.active else _("The webhook is told nothing more.")
        return self.done(said, "webhook", webhook=hook.pk)


class DeleteView(ConsoleView):
    """The end of a webhook."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str) -> HttpResponse:
        """Delete it."""
        webhooks.delete_webhook(self.caller, webhook=webhook)
        return self.done(_("The webhook is deleted."), "webhooks")


class RedeliverView(ConsoleView):
    """Once more."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, webhook: str, delivery: str) -> HttpResponse:
        """Have it sent again."""
        webhooks.redeliver(self.caller, webhook=webhook, delivery=delivery)
        return self.done(_("It is on its way again."), "webhook", webhook=webhook)
