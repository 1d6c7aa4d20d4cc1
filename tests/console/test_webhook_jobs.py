"""A webhook is tested in one click, and its URL and events are changed in place."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from collections_app import tasks
from collections_app.errors import InvalidRequest, WebhookNotFound
from collections_app.operations.webhooks import create_webhook, switch_webhook, try_webhook, update_webhook
from tenants.models import AuditEntry, Delivery, Webhook
from tests.collections_app.receivers import Receiver, receiver  # noqa: F401 -- a fixture
from tests.conftest import Customer
from tests.console.conftest import member, page_url, violations

pytestmark = pytest.mark.django_db(transaction=True)

Visit = Callable[..., Page]


def test_a_test_goes_to_one_webhook_whatever_it_subscribes_to(acme: Customer, receiver: str) -> None:  # noqa: F811
    hook = create_webhook(acme.caller, url=receiver, kinds=["face.deleted"]).webhook
    create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"])
    Receiver.answers[:] = [200]
    try_webhook(acme.caller, webhook=str(hook.pk))
    tasks.deliver_due()
    delivery = Delivery.objects.of(acme.tenant).get()
    assert (delivery.webhook_id, delivery.state, delivery.status) == (hook.pk, "delivered", 200)
    assert json.loads(Receiver.received[-1][1])["type"] == "webhook.test"


def test_what_is_wrong_changes_nothing(acme: Customer, globex: Customer) -> None:
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"]).webhook
    with pytest.raises(InvalidRequest):
        update_webhook(acme.caller, webhook=str(hook.pk), url="ftp://example.com/", kinds=["face.enrolled"])
    for refused in (update_webhook, try_webhook):
        values = {"url": "https://example.org/", "kinds": []} if refused is update_webhook else {}
        with pytest.raises(WebhookNotFound):
            refused(globex.caller, webhook=str(hook.pk), **values)  # type: ignore[arg-type]
    switch_webhook(acme.caller, webhook=str(hook.pk), active=False)
    with pytest.raises(InvalidRequest):
        try_webhook(acme.caller, webhook=str(hook.pk))
    hook = Webhook.objects.of(acme.tenant).get()
    assert (hook.url, hook.kinds) == ("https://example.com/", ["face.deleted"])
    assert not Delivery.objects.of(acme.tenant).exists()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("language", "send", "save", "kind"),
    [("en", "Send a test", "Save", "an alert is raised"), ("ko", "테스트 보내기", "저장", "경보")],
)
def test_a_webhook_is_tested_and_changed(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, visit: Visit, language: str, send: str, save: str, kind: str
) -> None:
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"]).webhook
    page = visit(member(acme, "admin"), page_url("webhook", webhook=hook.pk), locale=language)
    page.get_by_role("button", name=send).click()
    expect(page.get_by_role("row")).to_have_count(2)
    assert violations(page) == []
    page.get_by_label("URL").fill("https://example.org/")
    page.get_by_label(kind).check()
    page.get_by_role("button", name=save).click()
    expect(page.get_by_role("heading", name="https://example.org/")).to_be_visible()
    hook.refresh_from_db()
    assert hook.kinds == ["audit.alert", "face.deleted"]
    actions = AuditEntry.objects.of(acme.tenant).filter(target_kind="webhook").order_by("number")
    assert list(actions.values_list("action", flat=True)) == ["webhook.created", "webhook.tested", "webhook.changed"]
