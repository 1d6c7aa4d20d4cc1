"""Too many passwords, codes and links tried from one address are refused before anything is hashed."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from collections_app.console import entrances, urls
from collections_app.console.base import not_found
from recognition.admission import AdmissionQueue
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member

MOST = 3
ENTRANCES = (
    "/account/login/",
    "/account/code/",
    "/account/authenticator/remove/",
    "/account/invitation/whatever/",
    "/account/password/",
    "/account/forgotten/",
    "/account/forgotten/MQ/set-password/",
    "/admin/login/",
    "/admin/password_change/",
)


@pytest.fixture(autouse=True)
def _few(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow few attempts, count from zero, within one minute."""
    settings.ATTEMPTS_PER_MINUTE, settings.LIMITS_URL = MOST, "database"
    monkeypatch.setattr("tenants.limits._leases", {})
    monkeypatch.setattr("tenants.limits.time.time", lambda: 1_800_000_010.0)


def _status(path: str, address: str, number: int = 0) -> int:
    form = {"username": f"nobody-{number}", "password": "wrong", "email": f"{number}@example.com", "code": "000000"}
    return Client(REMOTE_ADDR=address).post(path, form).status_code


@pytest.mark.parametrize("path", ENTRANCES)
def test_one_address_tries_so_often_a_minute_and_another_as_often_again(db: None, path: str) -> None:
    """New names, links and mail addresses do not help."""
    assert 429 not in [_status(path, "192.0.2.1", number) for number in range(MOST)]
    assert [_status(path, address) for address in ("192.0.2.1", "::ffff:192.0.2.1")] == [429, 429]
    assert _status(path, "192.0.2.2") != 429
    assert Client(REMOTE_ADDR="192.0.2.1").get(path).status_code != 429


@pytest.mark.parametrize(
    ("network", "another"),
    [("192.0.2.{}", "198.51.100.1"), ("2001:db8:0:{}::1", "2001:db8:1::1")],
)
def test_a_network_tries_four_times_as_often_as_an_address(db: None, network: str, another: str) -> None:
    """Many addresses do not give as many attempts; refused attempts do not count against other addresses."""
    addresses = [network.format(number) for number in range(1, 6)]
    seen = [_status("/account/login/", address, number) for address in addresses for number in range(MOST + 1)]
    assert [status == 429 for status in seen] == ([False] * MOST + [True]) * 4 + [True] * (MOST + 1)
    assert _status("/account/login/", another) != 429


def test_one_s_attempts_at_all_entrances_count_together(db: None) -> None:
    assert [_status(path, "192.0.2.1") for path in ENTRANCES[:MOST]].count(429) == 0
    assert {_status(path, "192.0.2.1") for path in ENTRANCES} == {429}


@pytest.mark.parametrize(("language", "words"), [("en", "Too many attempts"), ("ko", "시도가 너무 많습니다")])
def test_the_refusal_is_a_page_in_the_reader_s_language(acme: Customer, language: str, words: str) -> None:
    """It says when to try again; the right password is refused like a wrong one, before it is checked."""
    member(acme, "owner")
    for _ in range(MOST):
        _status("/account/login/", "127.0.0.1")
    form = {"username": "owner@acme", "password": PASSWORD}
    refused = Client().post("/account/login/", form, headers={"Accept-Language": language})
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert f"<h1>{words}</h1>" in refused.content.decode()


def test_few_are_hashed_at_once_and_the_rest_wait_or_come_again(
    acme: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member(acme, "owner")
    queue = AdmissionQueue(tmp_path / "passwords", slots=1, queue=1, seconds=0.1)
    monkeypatch.setattr(entrances, "_hashing", lambda: queue)
    monkeypatch.setattr(User, "check_password", lambda *_: pytest.fail("it was hashed"))
    form = {"username": "owner@acme", "password": PASSWORD}
    with queue.admit("somebody else"):
        refused = Client().post("/account/login/", form)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    monkeypatch.undo()
    assert Client().post("/account/login/", form).status_code == 303


def test_no_page_of_a_person_s_own_is_left_out_unawares() -> None:
    """Pages without a limit neither check nor hash a secret; a provider's count their GETs (test_provider.py)."""
    pages: Any = urls._ACCOUNT  # noqa: SLF001 -- each page's view
    code = entrances.limited(not_found).__code__
    assert {page.name for page in pages if page.callback.__code__ is not code} == {
        "account",
        "authenticator",
        "forgotten_sent",
        "logout",
        "provider",
        "provider_return",
        "sessions",
    }
