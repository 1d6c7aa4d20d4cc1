"""A lost device, a stolen session, another address: without an administrator."""

from base64 import b32decode
from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client
from django_otp.oath import totp
from playwright.sync_api import Page, expect

from collections_app.console.account_forms import MAILER
from tenants import authenticators
from tenants.models import Authenticator, RecoveryCode, SignIn
from tenants.tasks import forget
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, signed_in, violations

Visit = Callable[..., Page]


@pytest.mark.django_db(transaction=True)
def test_a_recovery_code_replaces_the_device_once(acme: Customer) -> None:
    user = member(acme, "owner")
    client = signed_in(user)
    assert client.post("/account/recovery/", {"password": PASSWORD})["Location"] == "/account/"  # no authenticator
    seed = b32decode(client.get("/account/authenticator/").context["secret"])
    client.post("/account/authenticator/", {"code": f"{totp(seed):06d}"})
    assert client.post("/account/recovery/", {"password": "wrong"}).status_code == 400
    codes = client.post("/account/recovery/", {"password": PASSWORD}).context["codes"]
    assert len(set(codes)) == 10
    stored = b"".join(bytes(hashed) for hashed in RecoveryCode.objects.values_list("secret_hash", flat=True))
    assert not any(code.replace("-", "").encode() in stored for code in codes)
    Authenticator.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    for code, right in ((codes[0].upper().replace("-", " "), True), (codes[0], False), ("a" * 16, False)):
        Authenticator.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        later = signed_in(user)
        assert (later.post("/account/code/", {"code": code}).status_code == 303) is right
        assert (later.get("/console/acme/").status_code == 200) is right
    assert authenticators.recovery_codes_left(user) == 9
    assert authenticators.recover(member(acme, "admin"), codes[1]) is None
    again = client.post("/account/recovery/", {"password": PASSWORD}).context["codes"]
    assert authenticators.recover(user, codes[1]) is None
    assert authenticators.recover(user, again[1])
    authenticators.remove(user)
    assert authenticators.recovery_codes_left(user) == 0


def _signs_in(browser: str) -> Client:
    client = Client(headers={"User-Agent": browser})
    assert client.post("/account/login/", {"username": "owner@acme", "password": PASSWORD}).status_code == 303
    return client


@pytest.mark.django_db
def test_one_s_sessions_are_listed_and_ended_and_nobody_else_s(acme: Customer) -> None:
    member(acme, "owner")
    first, second, third = (_signs_in(f"browser {n}") for n in range(3))
    other = signed_in(member(acme, "admin"))
    listed = first.get("/account/").context["sessions"]
    assert [(one.browser, own) for one, own in listed] == [
        ("browser 2", False),
        ("browser 1", False),
        ("browser 0", True),
    ]
    stolen = listed[1][0].session
    other.post("/account/sessions/", {"session": stolen})
    assert second.get("/account/").status_code == 200
    first.post("/account/sessions/", {"session": stolen})
    assert second.get("/account/").status_code == 302
    first.post("/account/sessions/")
    assert third.get("/account/").status_code == 302
    assert first.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 200
    first.post("/account/logout/")
    forget.run()
    assert not SignIn.objects.exists()


@pytest.mark.django_db
def test_a_new_password_ends_all_other_sessions(acme: Customer) -> None:
    member(acme, "owner")
    first, second = _signs_in("one"), _signs_in("two")
    new = {"old_password": PASSWORD, "new_password1": f"{PASSWORD}!", "new_password2": f"{PASSWORD}!"}
    assert first.post("/account/password/", new).status_code == 303
    assert second.get("/account/").status_code == 302
    assert [own for _, own in first.get("/account/").context["sessions"]] == [True]


@pytest.mark.django_db
def test_an_address_is_changed_by_the_password_and_the_old_one_is_told(acme: Customer) -> None:
    user = member(acme, "owner")
    client = signed_in(user)
    assert client.post("/account/address/", {"email": "new@example.com", "password": "wrong"}).status_code == 400
    user.refresh_from_db()
    assert user.email == "owner@example.com"
    client.post("/account/address/", {"email": "new@example.com", "password": PASSWORD})
    user.refresh_from_db()
    assert user.email == "new@example.com"
    MAILER.submit(int).result(timeout=10)
    assert [message.to for message in mail.outbox] == [["owner@example.com"]]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("language", "codes", "show"), [("en", "New recovery", "Show new"), ("ko", "새 복구", "새 코드")]
)
def test_recovery_codes_take_two_clicks(acme: Customer, visit: Visit, language: str, codes: str, show: str) -> None:
    user = member(acme, "owner")
    page = visit(user, "/account/authenticator/", locale=language)
    code = f"{totp(b32decode(authenticators.shown(authenticators.offered(user))[0])):06d}"
    page.locator("#id_code").fill(code)
    page.locator("#id_code").press("Enter")
    page.get_by_role("link", name=codes).click()
    page.locator("#id_password").fill(PASSWORD)
    page.get_by_role("button", name=show).click()
    expect(page.locator("#codes")).to_contain_text("-")
    assert violations(page) == []
    assert len(page.locator("#codes").inner_text().split()) == 10
