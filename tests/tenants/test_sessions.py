"""A stolen database gives no login: it holds no cookie, second factor, invitation or password token."""

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from tenants.sessions import SessionStore
from tenants.tasks import forget

HELD = "an-invitation-s-secret"


def _cookie(client: Client) -> str:
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


@pytest.mark.django_db
def test_the_table_of_sessions_reveals_nothing() -> None:
    """A row's key is not a cookie's, and the session's content is encrypted."""
    client = Client()
    client.force_login(User.objects.create_user("somebody"), backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session["invitation"] = HELD
    session.save()
    assert client.get("/account/").status_code == 200
    row = Session.objects.get()
    assert _cookie(client) not in f"{row.session_key}{row.session_data}"
    assert SessionStore(_cookie(client)).decode(row.session_data)["invitation"] == HELD
    assert SessionStore(row.session_key).decode(row.session_data) == {}
    thief = Client()
    thief.cookies[django_settings.SESSION_COOKIE_NAME] = row.session_key
    assert thief.get("/account/").status_code == 302
    assert Session.objects.count() == 1


@pytest.mark.django_db
def test_a_session_lives_half_a_day_and_ends_at_the_sign_out() -> None:
    client = Client()
    client.force_login(User.objects.create_user("somebody"), backend="django.contrib.auth.backends.ModelBackend")
    assert django_settings.SESSION_COOKIE_AGE == 12 * 3600
    old = _cookie(client)
    store = SessionStore(old)
    store.cycle_key()
    assert not SessionStore(old).exists(old)
    assert store.get("_auth_user_id")
    client.cookies[django_settings.SESSION_COOKIE_NAME] = str(store.session_key)
    client.post("/account/logout/")
    assert Session.objects.count() == 0
    Session.objects.create(session_key="x" * 40, session_data="", expire_date="2020-01-01T00:00:00Z")
    forget()
    assert Session.objects.count() == 0


@pytest.mark.django_db
def test_a_row_that_cannot_be_decrypted_is_an_empty_session() -> None:
    """An unencrypted row, a changed one, and one of another cookie are empty sessions."""
    store = SessionStore()
    store["a"] = 1
    store.create()
    key = str(store.session_key)
    for data in (
        "",
        "x",
        "bm9uc2Vuc2U=",
        "eyJhIjoxfQ:1:signed",
        SessionStore("another-key-of-a-cookie").encode({"a": 1}),
    ):
        Session.objects.update(session_data=data)
        assert SessionStore(key).load() == {}
