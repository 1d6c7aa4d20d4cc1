"""An account: its password, its second factor, and the mail for a forgotten password."""

import re
from base64 import b32decode
from threading import Event

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django_otp.oath import totp
from pytest_django import Settings

from collections_app.console.account_forms import MAILER
from tenants.models import Authenticator, RateWindow
from tenants.tasks import forget
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, page_url, path_of, signed_in


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Count from zero in the database, within one hour."""
    settings.LIMITS_URL = "database"
    monkeypatch.setattr("tenants.limits._leases", {})
    monkeypatch.setattr("tenants.limits.time.time", lambda: 1_800_000_010.0)


def _forgets(address: str, place: str) -> tuple[object, ...]:
    """Request a new password from an address; return the visible response without tokens, which are 64 letters."""
    client = Client(REMOTE_ADDR=place)
    answer = client.post("/account/forgotten/", {"email": address})
    page = client.get("/account/forgotten/sent/").content
    shown = re.sub(rb'"\w{64}"', b"", page)
    return answer.status_code, answer["Location"], answer.content, *sorted(answer.headers), shown


def _mails() -> list[mail.EmailMessage]:
    """Wait until all mails are sent, one after the other, and return them."""
    MAILER.submit(int).result(timeout=10)
    return mail.outbox


def _sent_to(address: str) -> int:
    return sum(message.to == [address] for message in _mails())


def test_too_many_wrong_passwords_block_sign_in(acme: Customer, client: Client) -> None:
    member(acme, "owner")
    for _ in range(4):
        wrong = client.post("/account/login/", {"username": "owner@acme", "password": "wrong"})
        assert wrong.status_code == 400
    assert client.post("/account/login/", {"username": "owner@acme", "password": "wrong"}).status_code == 429
    right = client.post("/account/login/", {"username": "owner@acme", "password": PASSWORD})
    assert right.status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.9").post(
        "/account/login/", {"username": "owner@acme", "password": PASSWORD}
    )
    assert elsewhere.status_code == 303


@pytest.mark.django_db(transaction=True)  # the check of the code needs a transaction of its own
def test_an_authenticator_is_asked_for_before_any_page_and_the_admin(acme: Customer) -> None:
    user = member(acme, "owner")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = signed_in(user)
    page = client.get("/account/authenticator/")
    seed = b32decode(page.context["secret"])
    code = f"{totp(seed):06d}"
    assert client.post("/account/authenticator/", {"code": code}).status_code == 303
    assert client.get("/console/acme/").status_code == 200
    later = signed_in(user)
    for path in ("/console/acme/", "/admin/", "/account/password/", "/account/authenticator/remove/"):
        assert later.get(path)["Location"] == "/account/code/"
    assert later.post("/account/code/", {"code": "000000"}).status_code == 400
    Authenticator.objects.update(last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None)
    assert later.post("/account/code/", {"code": f"{totp(seed):06d}"})["Location"] == "/console/"
    assert later.get("/console/acme/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_authenticator_is_removed_with_the_password_and_shown_to_nobody(acme: Customer) -> None:
    """An open session is not enough, and no operator sees a seed."""
    user = member(acme, "owner")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = signed_in(user)
    secret = client.get("/account/authenticator/").context["secret"]
    client.post("/account/authenticator/", {"code": f"{totp(b32decode(secret)):06d}"})
    device = Authenticator.objects.get(user=user)
    assert secret not in (client.get("/account/authenticator/").content + client.get("/account/").content).decode()
    for address in ("", f"{device.pk}/change/", f"{device.pk}/delete/"):
        page = client.get(f"/admin/tenants/authenticator/{address}")
        assert page.status_code == 200
        assert secret not in page.content.decode()
        assert b"otpauth" not in page.content
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    remove = "/account/authenticator/remove/"
    assert client.get(remove).status_code == 200
    assert client.post(remove, {"password": "a guess"}).status_code == 400
    assert client.post(remove).status_code == 400
    assert Authenticator.objects.filter(user=user, confirmed=True).exists()
    assert client.post(remove, {"password": PASSWORD})["Location"] == "/account/"
    assert not Authenticator.objects.filter(user=user).exists()


def test_guesses_of_the_password_for_removal_count_as_at_the_sign_in(acme: Customer) -> None:
    client = signed_in(member(acme, "owner"))
    answers = [client.post("/account/authenticator/remove/", {"password": "a guess"}).status_code for _ in range(5)]
    assert answers == [400, 400, 400, 400, 429]


@pytest.mark.usefixtures("counts")
def test_a_forgotten_password_is_renewed_by_mail(acme: Customer, client: Client) -> None:
    member(acme, "owner")
    for address in ("owner@example.com", "nobody@example.com"):
        assert client.post("/account/forgotten/", {"email": address})["Location"] == "/account/forgotten/sent/"
    (message,) = _mails()
    link = path_of(next(word for word in message.body.split() if "/account/forgotten/" in word))
    form = client.get(link)["Location"]
    client.post(form, {"new_password1": "a wholly new phrase", "new_password2": "a wholly new phrase"})
    renewed = client.post("/account/login/", {"username": "owner@acme", "password": "a wholly new phrase"})
    assert renewed["Location"] == "/console/"


@pytest.mark.usefixtures("counts")
def test_no_link_leads_where_a_request_s_host_says(acme: Customer, settings: Settings) -> None:
    """ALLOWED_HOSTS accepts any port, so a Host header can name another server."""
    settings.PUBLIC_URL = "https://faces.example.com:8443"
    owner, strange = member(acme, "owner"), {"Host": "localhost:6666", "X-Forwarded-Host": "evil.example"}
    Client(headers=strange).post("/account/forgotten/", {"email": "owner@example.com"})
    (message,) = _mails()
    page = Client(headers=strange)
    page.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    invited = page.post(page_url("members"), {"email": "new@example.com", "role": "operator"}, follow=True)
    made = page.post(page_url("keys"), {"name": "gate", "scopes": ["search"]}, follow=True)
    for shown in (message.body, invited.content.decode(), made.content.decode()):
        assert "https://faces.example.com:8443/" in shown
        assert ":6666" not in shown
        assert "evil" not in shown


@pytest.mark.usefixtures("counts")
def test_a_slow_mail_server_does_not_reveal_who_is_known(acme: Customer, client: Client) -> None:
    """The response does not wait for the mail, which is in the language of the page."""
    member(acme, "owner")
    gate = Event()
    MAILER.submit(gate.wait, 10)
    client.post("/account/forgotten/", {"email": "owner@example.com"}, headers={"Accept-Language": "ko"})
    assert mail.outbox == []
    gate.set()
    assert [message.subject for message in _mails()] == ["Faceplane 비밀번호 재설정"]


@pytest.mark.usefixtures("counts")
def test_few_mails_an_hour_go_to_one_account_and_nobody_sees_which(acme: Customer) -> None:
    member(acme, "owner")
    member(acme, "admin")
    seen = {_forgets("owner@example.com", f"192.0.2.{number}") for number in range(8)}
    seen |= {_forgets("nobody@example.com", f"192.0.2.{number}") for number in range(8)}
    assert _sent_to("owner@example.com") == len(_mails()) == 5
    (one,) = seen
    assert one[:2] == (303, "/account/forgotten/sent/")
    _forgets("admin@example.com", "192.0.2.1")
    assert _sent_to("admin@example.com") == 1


@pytest.mark.usefixtures("counts")
@pytest.mark.parametrize(
    ("places", "another"),
    [
        (["192.0.2.1", "::ffff:192.0.2.1"], "::ffff:192.0.2.2"),
        (["2001:db8::1", "2001:db8::ffff:1"], "2001:db8:0:1::1"),
        (["", "nonsense"], "192.0.2.1"),
    ],
)
def test_few_mails_an_hour_are_sent_for_one_address(acme: Customer, places: list[str], another: str) -> None:
    """Requests for unknown addresses count too, else the limit would reveal known ones."""
    member(acme, "owner")
    for number in range(20):
        _forgets("nobody@example.com", places[number % 2])
    for place in places:
        _forgets("owner@example.com", place)
    assert _mails() == []
    _forgets("owner@example.com", another)
    assert len(_mails()) == 1
    assert RateWindow.objects.exists()
    forget()
    assert RateWindow.objects.exists()
    RateWindow.objects.update(start=1_800_000_000 - 86_400)
    forget()
    assert not RateWindow.objects.exists()
