"""API keys: limits, rotation, revocation, and the errors of wrong forms."""

from datetime import datetime

import pytest
from django.utils.formats import date_format

from collections_app.operations.keys import issue_key, revoke_key
from tenants import access, keys
from tenants.models import ApiKey
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in


def test_revoking_a_key_keeps_or_revokes_the_keys_that_it_issued(acme: Customer) -> None:
    owner = signed_in(member(acme, "owner"))
    entered = access.caller_for_key(*keys.split(acme.issued.token), via="tests")
    made = [issue_key(entered, name=f"made {number}", scopes=["search"]).key for number in range(2)]
    assert b'name="issued"' in owner.get(page_url("keys")).content
    living = ApiKey.objects.of(acme.tenant).filter(revoked_at=None)
    owner.post(page_url("key_revoke", key=made[0].pk))
    owner.post(page_url("key_revoke", key=acme.issued.key.pk), {"issued": "keep"})
    assert [key.name for key in living] == ["made 1"]
    owner.post(page_url("key_revoke", key=acme.issued.key.pk), {"issued": "revoke"})
    assert not living.all()
    assert b'name="issued"' not in owner.get(page_url("keys")).content


def test_a_key_of_the_console_keeps_to_its_limits(acme: Customer) -> None:
    admin = signed_in(member(acme, "admin"))
    body = {"name": "gate", "scopes": ["search"], "collections": ["people"], "networks": "192.0.2.0/24, 198.51.100.7"}
    admin.post(page_url("keys"), {**body, "days": 7, "requests_per_minute": 60, "calls_per_day": 1000})
    key = ApiKey.objects.of(acme.tenant).get(name="gate")
    assert (key.requests_per_minute, key.calls_per_day) == (60, 1000)
    assert key.networks == ["192.0.2.0/24", "198.51.100.7/32"]
    assert key.collections == [acme.people.pk]


def test_the_page_says_that_a_key_s_secret_is_kept(acme: Customer) -> None:
    """When it is made, with the names of what to put where, and on the key's card; other keys have neither."""
    admin, told = signed_in(member(acme, "admin")), "The server keeps this secret, encrypted"
    for signs in (True, False):
        body = {"name": f"signs {signs}", "scopes": ["search"]} | ({"signs": "on"} if signs else {})
        page = admin.post(page_url("keys"), body, follow=True).content.decode()
        assert (told in page, "secret access key" in page, "Whole key" in page) == (signs, signs, not signs)
        assert ApiKey.objects.of(acme.tenant).get(name=body["name"]).signs == signs
    assert admin.get(page_url("keys")).content.decode().count("secret kept, for signing") == 1


@pytest.mark.parametrize("role", ["owner", "admin", "operator", "auditor"])
def test_a_key_s_page_says_what_it_does_not_do_and_does_not_do_it(acme: Customer, role: str) -> None:
    """Without the right, with wrong forms, and for revoked or unknown keys."""
    client, may, key = signed_in(member(acme, role)), role in {"owner", "admin"}, acme.issued.key
    gone = keys.issue(acme.tenant, name="gone", scopes=["read"]).key
    revoke_key(acme.caller, key=gone.pk)
    rotate, revoke = (
        {of: page_url(f"key_{name}", key=of) for of in (key.pk, gone.pk, "x\0")} for name in ("rotate", "revoke")
    )
    right = {"name": "gate", "scopes": ["search"]}
    for address, body, status, sentence in (
        (rotate[key.pk], {"hours": "5"}, 400, "5 is not one of the available choices"),
        (rotate[key.pk], {}, 400, "This field is required"),
        (rotate[gone.pk], {"hours": "0"}, 400, "is revoked"),
        (rotate["x\0"], {"hours": "0"}, 404, "There is no such key"),
        (revoke["x\0"], {}, 404, "There is no such key"),
        (page_url("keys"), {}, 400, "This field is required"),
        (page_url("keys"), {**right, "days": "0"}, 400, "greater than or equal to 1"),
        (page_url("keys"), {**right, "days": "4000"}, 400, "less than or equal to 3650"),
        (page_url("keys"), {**right, "calls_per_day": "1" * 20}, 400, "less than or equal to 2147483647"),
        (page_url("keys"), {**right, "networks": "here"}, 400, "does not appear to be an IPv4 or IPv6 network"),
        (page_url("keys"), {**right, "scopes": ["all"]}, 400, "all is not one of the available choices"),
    ):
        answer = client.post(address, body)
        assert answer.status_code == (status if may else 403), (address, body)
        assert (sentence if may else "Your role does not allow this") in answer.content.decode(), (address, body)
    before, hashed = ApiKey.objects.of(acme.tenant).count(), bytes(key.secret_hash)
    key.refresh_from_db()
    assert (before, bytes(key.secret_hash), key.revoked_at) == (2, hashed, None)
    assert client.post(rotate[key.pk], {"hours": "24"}).status_code == (303 if may else 403)
    assert client.post(revoke[key.pk]).status_code == (303 if may else 403)


def test_the_page_says_until_when_a_rotated_key_s_old_secret_works(acme: Customer) -> None:
    owner, sentence = signed_in(member(acme, "owner")), "The old secret works until"
    assert sentence not in owner.get(page_url("keys")).content.decode()
    for hours in ("24", "168"):
        owner.post(page_url("key_rotate", key=acme.issued.key.pk), {"hours": hours})
    last = datetime.fromisoformat(max(until for _, until in ApiKey.objects.of(acme.tenant).get().previous))
    page = owner.get(page_url("keys")).content.decode()
    assert f"{sentence} {date_format(last, 'SHORT_DATETIME_FORMAT')}." in page
    assert " UTC." in page
    owner.post(page_url("key_rotate", key=acme.issued.key.pk), {"hours": "0"})
    assert sentence not in owner.get(page_url("keys")).content.decode()


def test_keys_are_listed_in_the_order_of_the_address(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, also where two have one name."""
    monkeypatch.setattr("collections_app.console.views.keys._PAGE", 2)
    for name in ("zebra", "ant", "ant", "moth"):
        keys.issue(acme.tenant, name=name, scopes=["read"])
    client, first = signed_in(member(acme, "owner")), acme.issued.key.name
    wanted = {
        "newest": ["moth", "ant", "ant", "zebra", first],
        "oldest": [first, "zebra", "ant", "ant", "moth"],
        "name": sorted(["moth", "ant", "ant", "zebra", first]),
        "nonsense": ["moth", "ant", "ant", "zebra", first],
    }
    for order, names in wanted.items():
        seen: list[tuple[str, str]] = []
        after = ""
        while after is not None:
            page = client.get(page_url("keys"), {"order": order, "after": after}).context
            seen += [(key.name, key.pk) for key, *_ in page["keys"]]
            after = page["after"]
        assert [name for name, _ in seen] == names
        assert len(set(seen)) == 5
