"""Sealed bytes can be opened in their own context only."""

import base64
import os

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from tenants import vault
from tenants.errors import MasterKeyUnusable, SealBroken
from tenants.models import DataKey
from tenants.vault import Vault
from tests.conftest import Customer


def test_what_is_sealed_opens_again(acme: Customer) -> None:
    kept = Vault.of(acme.tenant)
    sealed = kept.seal(b"a template", "template:1")
    assert b"a template" not in sealed
    assert Vault.of(acme.tenant).open(sealed, "template:1") == b"a template"


def test_it_opens_in_no_other_place(acme: Customer, globex: Customer) -> None:
    sealed = Vault.of(acme.tenant).seal(b"a template", "template:1")
    with pytest.raises(SealBroken):
        Vault.of(acme.tenant).open(sealed, "template:2")
    with pytest.raises(SealBroken):
        Vault.of(globex.tenant).open(sealed, "template:1")


def test_no_changed_byte_goes_unnoticed(acme: Customer) -> None:
    kept = Vault.of(acme.tenant)
    sealed = kept.seal(b"a template", "template:1")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            kept.open(bytes(changed), "template:1")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            kept.open(sealed[:length], "template:1")


def test_a_new_data_key_seals_and_the_old_one_still_opens(acme: Customer) -> None:
    before = Vault.of(acme.tenant).seal(b"old", "x")
    vault.add_data_key(acme.tenant)
    after = Vault.of(acme.tenant).seal(b"new", "x")
    assert before[:4] != after[:4]
    assert [Vault.of(acme.tenant).open(sealed, "x") for sealed in (before, after)] == [b"old", b"new"]


def test_a_tenant_without_data_keys_is_unreadable(acme: Customer) -> None:
    sealed = Vault.of(acme.tenant).seal(b"old", "x")
    DataKey.objects.of(acme.tenant).delete()
    with pytest.raises(SealBroken):
        Vault.of(acme.tenant).open(sealed, "x")
    with pytest.raises(MasterKeyUnusable):
        Vault.of(acme.tenant).seal(b"new", "x")


def test_another_master_key_opens_nothing_and_an_added_one_wraps(acme: Customer, settings: Settings) -> None:
    sealed = Vault.of(acme.tenant).seal(b"old", "x")
    old, new = settings.MASTER_KEYS, base64.urlsafe_b64encode(os.urandom(32)).decode()
    vault._cipher.cache_clear()  # noqa: SLF001 -- as in a new process
    settings.MASTER_KEYS = [new]
    with pytest.raises(MasterKeyUnusable):
        Vault.of(acme.tenant)
    settings.MASTER_KEYS = [new, *old]
    assert Vault.of(acme.tenant).open(sealed, "x") == b"old"
    assert bytes(vault.add_data_key(acme.tenant).wrapped)[:8] != bytes(DataKey.objects.of(acme.tenant)[0].wrapped)[:8]


@pytest.mark.parametrize("key", ["short", "!" * 44, base64.urlsafe_b64encode(bytes(31)).decode()])
def test_a_master_key_of_the_wrong_form_is_refused_with_a_sentence(settings: Settings, key: str) -> None:
    settings.MASTER_KEYS = [key]
    with pytest.raises(ImproperlyConfigured, match="32 bytes"):
        vault.wrap(bytes(32), "x")
