"""Reloading a page never posts again: a form is answered with a redirect or a refusal.

tests/console/test_isolation.py checks this for the forms of a tenant's pages.
"""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from collections_app.console.urls import _ACCOUNT
from collections_app.models import HealthReport
from tenants.models import ApiKey
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, signed_in
from tests.console.test_isolation import Page, _pages

pytestmark = pytest.mark.django_db

ACCOUNT = [page for page in _pages(_ACCOUNT) if page.method == "post"]


@pytest.mark.parametrize(
    "sent", [{}, {"username": "x", "password": "x", "code": "000000", "email": "x"}], ids=["", "x"]
)
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("page", ACCOUNT, ids=str)
def test_every_form_of_an_account_answers_with_a_redirect_or_a_refusal(
    page: Page, acme: Customer, *, inside: bool, sent: dict[str, str]
) -> None:
    client = signed_in(member(acme, "owner")) if inside else Client()
    known = {"secret": "x", "uidb64": "x", "token": "x"}
    address = reverse(f"console:{page.name}", kwargs={name: known[name] for name in page.takes})
    answer = client.post(address, sent)
    assert answer.status_code == 303 or 400 <= answer.status_code < 500


def test_the_table_above_holds_every_form() -> None:
    assert {"login", "code", "password", "invitation", "forgotten"} < {page.name for page in ACCOUNT}


def test_a_login_ends_in_a_redirect_by_get(acme: Customer) -> None:
    user = member(acme, "owner")
    answer = Client().post("/account/login/", {"username": user.username, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (303, "/console/")


@pytest.mark.parametrize(
    ("page", "sent", "shown"),
    [
        ("keys", {"name": "gate", "scopes": ["search"]}, r'id="token">([^<]+)<'),
        ("webhooks", {"url": "https://example.com/", "kinds": ["audit.alert"]}, r'id="secret">([^<]+)<'),
        ("members", {"email": "new@example.com", "role": "operator"}, r'id="link">([^<]+)<'),
    ],
)
def test_a_secret_is_on_one_page_once(acme: Customer, page: str, sent: dict[str, Any], shown: str) -> None:
    """It survives exactly one GET and is encrypted in the session."""
    client, address = signed_in(member(acme, "owner")), reverse(f"console:{page}", kwargs={"tenant": "acme"})
    answer = client.post(address, sent)
    assert (answer.status_code, answer["Location"]) == (303, address)
    kept = str(dict(client.session))
    (secret,) = re.findall(shown, client.get(address).content.decode())
    assert secret not in kept
    assert not re.search(shown, client.get(address).content.decode())


def test_a_new_secret_is_on_one_page_once(acme: Customer) -> None:
    client, key = signed_in(member(acme, "owner")), ApiKey.objects.of(acme.tenant).get()
    answer = client.post(reverse("console:key_rotate", kwargs={"tenant": "acme", "key": key.pk}), {"hours": "0"})
    assert answer.status_code == 303
    assert b'id="token"' in client.get(answer["Location"]).content
    assert b'id="token"' not in client.get(answer["Location"]).content


def test_what_is_shown_once_is_shown_to_who_asked_for_it(acme: Customer, globex: Customer) -> None:
    """Not on another page, and not in another tenant."""
    user = member(acme, "owner")
    client = signed_in(user)
    client.post(reverse("console:keys", kwargs={"tenant": "acme"}), {"name": "gate", "scopes": ["search"]})
    sealed = client.session["shown_once"]
    for elsewhere, customer in (("webhooks", acme), ("keys", globex)):
        other = signed_in(user if customer is acme else member(globex, "owner"))
        session = other.session
        session["shown_once"] = sealed
        session.save()
        page = other.get(reverse(f"console:{elsewhere}", kwargs={"tenant": customer.tenant.slug}))
        assert page.status_code == 200
        assert b'class="fp-secret"' not in page.content


def test_one_click_on_examine_asks_for_one_report(acme: Customer) -> None:
    """The next page is loaded by GET, however often its progress reloads it."""
    client = signed_in(member(acme, "owner"))
    address = reverse("console:health", kwargs={"tenant": "acme", "alias": acme.people.alias})
    answer = client.post(address)
    assert (answer.status_code, answer["Location"]) == (303, address)
    for state in ("done", "failed"):
        HealthReport.objects.of(acme.tenant).update(state=state)
        progress = client.get(reverse("console:health_progress", kwargs={"tenant": "acme", "alias": acme.people.alias}))
        assert progress["HX-Refresh"] == "true"
        client.get(address)
    assert HealthReport.objects.of(acme.tenant).count() == 1
