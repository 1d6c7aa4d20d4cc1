"""Sign-in with OpenID Connect, at a real provider: who gets in, as what, and what is refused."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import urllib3
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from config import openid
from tenants import authenticators
from tenants.models import AuditEntry, Member, ProvidedAccount, SignIn
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, page_url
from tests.processes import READY_SECONDS, free_port

HTTP = urllib3.PoolManager(retries=False)
ROLES = (("faces-admins", "acme", "admin"), ("faces-auditors", "acme", "auditor"), ("faces-rivals", "globex", "owner"))


class Company:
    """The provider: people with groups, and what it was asked."""

    def __init__(self, issuer: str) -> None:
        """Remember the address."""
        self.issuer = issuer

    def knows(self, subject: str, *groups: str, **claims: object) -> None:
        """Set a person's groups."""
        body = json.dumps({"email": f"{subject}@example.com", "groups": groups, **claims})
        told = HTTP.request(
            "PUT", f"{self.issuer}/users/{subject}", body=body, headers={"Content-Type": "application/json"}
        )
        assert told.status == 204

    def lies(self, **lies: str) -> None:
        """Answer wrongly from now on."""
        HTTP.request("GET", f"{self.issuer}/lie", fields=lies)

    def asked(self) -> list[str]:
        """Return the paths that it was asked for."""
        paths: list[str] = HTTP.request("GET", f"{self.issuer}/asked").json()
        return paths


@pytest.fixture(scope="module")
def provider() -> Iterator[Company]:
    """Run the provider."""
    port = free_port()
    command = [sys.executable, "-m", "tests.console.provider", str(port)]
    process = subprocess.Popen(command, cwd=django_settings.BASE_DIR, stderr=subprocess.DEVNULL)
    company, ends = Company(f"http://127.0.0.1:{port}"), time.monotonic() + READY_SECONDS
    while True:
        try:
            company.asked()
            break
        except urllib3.exceptions.HTTPError:
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.1)
    yield company
    process.kill()
    process.wait()


@pytest.fixture
def company(provider: Company, settings: Settings) -> Company:
    """Set the provider, which tells the truth."""
    provider.lies()
    settings.OIDC = openid.Provider(
        issuer=provider.issuer,
        client_id="faceplane",
        client_secret="a secret",  # noqa: S106 -- the provider takes any
        origins=frozenset({provider.issuer}),
        claim="groups",
        roles=ROLES,
    )
    return provider


def _leave(client: Client, subject: str, following: str = "") -> str:
    """Go to the provider, sign in there, and return the path with which the browser comes back."""
    away = client.get(f"/account/provider/?next={quote(following)}")
    assert away.status_code == 302, away
    back = HTTP.request("POST", away["Location"], fields={"sub": subject}, encode_multipart=False, redirect=False)
    location = back.headers["Location"]
    assert location.startswith(f"{django_settings.PUBLIC_URL}/account/provider/return/?")
    return location.removeprefix(django_settings.PUBLIC_URL)


def _enter(subject: str, following: str = "") -> tuple[Client, Any]:
    client = Client()
    return client, client.get(_leave(client, subject, following))


def _roles() -> list[tuple[str, str, str]]:
    return sorted(Member.unscoped.values_list("user__username", "tenant__slug", "role"))


def _entries(customer: Customer) -> list[tuple[str, str, str, Any]]:
    found = AuditEntry.objects.of(customer.tenant).filter(action__startswith="member.").order_by("number")
    return [
        (one.action, one.actor_kind, one.actor_name, one.facts.get("role", one.facts.get("after"))) for one in found
    ]


def test_roles_of_the_provider_are_memberships_here(acme: Customer, company: Company) -> None:
    """A person enters with the highest role, gets another one, loses it, and does not come in again."""
    company.knows("kim", "faces-auditors", "faces-admins", "others")
    client, answer = _enter("kim")
    assert (answer.status_code, answer["Location"]) == (302, "/console/")
    assert client.get(page_url("members")).status_code == 200
    user = User.objects.get()
    assert _roles() == [("kim@example.com", "acme", "admin")]
    assert not user.has_usable_password()
    assert SignIn.objects.filter(user=user).count() == 1
    assert client.session.get_expiry_age() == django_settings.SESSION_COOKIE_AGE
    assert b"company's account: name" in client.get("/account/").content

    company.knows("kim", "faces-auditors", email="kim.new@example.com")
    _enter("kim")
    assert _roles() == [("kim@example.com", "acme", "auditor")]
    assert User.objects.get().email == "kim.new@example.com"

    company.knows("kim")
    refused, answer = _enter("kim")
    assert answer["Location"] == "/account/login/"
    assert b"has no role here" in refused.get("/account/login/").content
    assert _roles() == []
    assert client.get(page_url("members")).status_code == 404, "open sessions reach nothing either"
    by = ("system", "OpenID Connect")
    assert _entries(acme) == [
        ("member.joined", *by, "admin"),
        ("member.role_changed", *by, "auditor"),
        ("member.removed", *by, "auditor"),
    ]


def test_a_stranger_of_the_company_gets_no_account(acme: Customer, company: Company) -> None:
    company.knows("stranger", "others")
    client, answer = _enter("stranger")
    assert answer["Location"] == "/account/login/"
    assert not User.objects.exists()
    assert client.get("/account/").status_code == 302


def test_an_account_with_a_password_is_never_taken_over(acme: Customer, company: Company) -> None:
    """Neither by its name nor by its address."""
    owner = member(acme, "owner")
    company.knows("thief", "faces-auditors", preferred_username=owner.username, email=owner.email)
    _enter("thief")
    theirs = ProvidedAccount.objects.get(subject="thief").user
    assert theirs != owner
    assert theirs.username.startswith("owner@acme-")
    assert (owner.username, "acme", "owner") in _roles()


def test_a_page_of_ours_follows_and_no_other(acme: Customer, company: Company) -> None:
    company.knows("kim", "faces-admins")
    ours = page_url("keys")
    assert _enter("kim", ours)[1]["Location"] == ours
    for other in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert _enter("kim", other)[1]["Location"] == "/console/", other


def test_the_second_factor_is_the_provider_s(acme: Customer, company: Company) -> None:
    company.knows("kim", "faces-admins")
    _enter("kim")
    device = authenticators.offered(User.objects.get())
    device.confirmed = True
    device.save()
    client, _ = _enter("kim")
    assert client.get(page_url("keys")).status_code == 200


def test_what_comes_back_must_be_what_was_asked_for(acme: Customer, company: Company) -> None:
    """A state of another browser, a code used twice, a refusal, and a code of another sign-in (PKCE)."""
    company.knows("kim", "faces-admins")
    victim, thief = Client(), Client()
    stolen = _leave(thief, "kim")
    assert victim.get(stolen)["Location"] == "/account/login/"
    assert thief.get(stolen)["Location"] == "/console/"
    thief.logout()
    assert thief.get(stolen)["Location"] == "/account/login/"
    assert Client().get("/account/provider/return/?error=access_denied")["Location"] == "/account/login/"

    client = Client()
    path = _leave(client, "kim")
    code = parse_qs(urlsplit(_leave(Client(), "kim")).query)["code"][0]
    state = parse_qs(urlsplit(path).query)["state"][0]
    assert client.get(f"/account/provider/return/?code={code}&state={state}")["Location"] == "/account/login/"
    assert client.get("/account/").status_code == 302


def test_an_id_token_must_be_signed_and_of_this_sign_in(acme: Customer, company: Company) -> None:
    """None without a signature, with another content, or from a sign-in of somebody else; its own is accepted."""
    company.knows("kim", "faces-admins")
    _enter("kim")
    given: dict[str, str] = HTTP.request("GET", f"{company.issuer}/token").json()
    former = {name: given[name] for name in ("id_token", "access_token")}
    header, content, signature = former["id_token"].split(".")
    for lies in (
        {"id_token": "eyJhbGciOiJub25lIn0.e30."},
        {"id_token": f"eyJhbGciOiJub25lIn0.{content}."},
        {"id_token": f"{header}.e30.{signature}"},
        former,
    ):
        client = Client()
        path = _leave(client, "kim")
        company.lies(**lies)
        assert client.get(path)["Location"] == "/account/login/", lies
        assert client.get("/account/").status_code == 302
        company.lies()
    assert _enter("kim")[1]["Location"] == "/console/"


@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
def test_no_other_address_is_contacted(acme: Customer, company: Company, settings: Settings, endpoint: str) -> None:
    """An endpoint elsewhere is refused, unless the operator named its host."""
    company.knows("kim", "faces-admins")
    settings.OIDC = replace(settings.OIDC, claim="nowhere" if endpoint == "userinfo_endpoint" else "groups")
    client = Client()
    path = _leave(client, "kim")
    elsewhere = f"http://localhost:{urlsplit(company.issuer).port}"
    company.lies(**{endpoint: f"{elsewhere}/elsewhere"})
    answer = client.get("/account/provider/" if endpoint == "authorization_endpoint" else path)
    assert answer["Location"] == "/account/login/"
    assert b"failed. Try again" in client.get("/account/login/").content
    assert "/elsewhere" not in company.asked()


def test_a_document_of_another_issuer_is_refused(company: Company, db: None) -> None:
    company.lies(issuer="https://evil.example")
    assert Client().get("/account/provider/")["Location"] == "/account/login/"


@pytest.mark.parametrize(
    ("language", "words"), [("en", b"Sign in with your company"), ("ko", "회사 계정으로 로그인".encode())]
)
def test_the_button_is_on_the_page(company: Company, db: None, language: str, words: bytes) -> None:
    page = Client(headers={"Accept-Language": language}).get("/account/login/?next=/console/acme/").content
    assert words in page
    assert b'href="/account/provider/?next=/console/acme/"' in page
    assert b'name="password"' in page


def test_passwords_can_be_switched_off(acme: Customer, company: Company, settings: Settings) -> None:
    member(acme, "owner")
    settings.LOCAL_PASSWORDS = False
    client = Client()
    assert b'name="password"' not in client.get("/account/login/").content
    answer = client.post("/account/login/", {"username": "owner@acme", "password": PASSWORD})
    assert answer["Location"] == "/account/login/"
    assert client.get("/account/").status_code == 302
    for path in ("/account/forgotten/", "/account/password/", "/account/forgotten/MQ/set-password/"):
        assert client.get(path).status_code == 404


def test_without_a_provider_there_is_nothing_to_see(client: Client, db: None) -> None:
    assert client.get("/account/provider/").status_code == 404
    assert client.get("/account/provider/return/").status_code == 404
    assert b"/account/provider/" not in client.get("/account/login/").content


def test_attempts_are_counted(company: Company, settings: Settings, db: None) -> None:
    settings.ATTEMPTS_PER_MINUTE = 1
    answers = [Client(REMOTE_ADDR="192.0.2.77").get("/account/provider/return/?code=1&state=1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 429]
