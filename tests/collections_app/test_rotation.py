"""Check 22: keys change under everything that is stored, and nothing becomes unreadable or unfindable."""

import base64
import os
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import models
from pytest_django import Settings

from collections_app import storage
from collections_app.management.commands import rotate_keys
from collections_app.models import Face
from collections_app.operations.collections import create_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.search import search_by_image
from recognition.index import store
from recognition.models import Embedding
from tenants import audit, authenticators, events, signing, vault, wrapped
from tenants.errors import MasterKeyUnusable, SealBroken
from tenants.models import DataKey, Event, Webhook
from tenants.scope import random_id
from tenants.vault import Vault
from tests.conftest import Customer
from tests.make import flipped, portrait

PEOPLE = ("macron_2025", "ardern_2018", "obama")


def _new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@pytest.fixture
def enrolled(acme: Customer, tmp_path: Any, settings: Settings) -> list[Face]:
    """Three people with their images kept."""
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    }
    create_collection(acme.caller, name="album", images="original")
    return [
        enrol_face(acme.caller, collection="album", image=portrait(name), person=PersonDetails(name=name)).faces[0]
        for name in PEOPLE
    ]


def _everything_works(customer: Customer, faces: list[Face]) -> None:
    found = search_by_image(customer.caller, collection="album", image=portrait("macron_2014"))
    assert [match.face.person.name for match in found.matches] == ["macron_2025"]
    for face, name in zip(Face.objects.of(customer.tenant).order_by("number"), PEOPLE, strict=True):
        assert face.pk in {known.pk for known in faces}
        assert storage.read(customer.tenant, face.image, face.stored_image) == portrait(name)
        assert np.linalg.norm(store.vector(face.collection.gallery, face.pk)) == pytest.approx(1, abs=1e-5)
    assert audit.verify(customer.tenant).sound


def _versions(customer: Customer) -> set[int]:
    rows = Embedding.objects.of(customer.tenant).values_list("sealed", flat=True)
    files = Face.objects.of(customer.tenant).values_list("stored_image", flat=True)
    found = {vault.version_of(bytes(sealed)) for sealed in rows}
    for name in files:
        with default_storage.open(name) as file:
            found.add(vault.version_of(file.read()))
    return found


def test_after_a_rotation_of_data_keys_everything_is_sealed_anew_and_found(
    acme: Customer, globex: Customer, enrolled: list[Face]
) -> None:
    """Check 22: 100 % searchable, the old key gone, no old file left, and another tenant's keys untouched."""
    hook = Webhook(tenant=acme.tenant, url="https://example.com/hook", kinds=["face.enrolled"], id=random_id())
    events.seal_secret(hook, events.new_secret())
    hook.save(force_insert=True)
    sealed = bytes(hook.sealed_secret)
    before = bytes(Embedding.objects.of(acme.tenant).get(face=enrolled[0]).sealed)
    call_command("rotate_keys", "data", tenant="acme", grace=0, verbosity=0)
    assert list(DataKey.objects.of(acme.tenant).values_list("version", flat=True)) == [2]
    assert list(DataKey.objects.of(globex.tenant).values_list("version", flat=True)) == [1]
    assert _versions(acme) == {2}
    _everything_works(acme, enrolled)
    names = {face.stored_image for face in Face.objects.of(acme.tenant)}
    assert set(storage.names(acme.tenant.pk)) == names
    hook.refresh_from_db()
    assert vault.version_of(sealed) == 1
    assert vault.version_of(bytes(hook.sealed_secret)) == 2
    assert events.headers(hook, Event(tenant=acme.tenant), b"{}")["webhook-signature"].startswith("v1,")
    with pytest.raises(SealBroken):
        Vault.of(acme.tenant).open(before, f"template:{enrolled[0].pk}")


def test_what_is_damaged_holds_up_no_rotation(
    acme: Customer, globex: Customer, enrolled: list[Face], settings: Settings
) -> None:
    """Check 22: a template, an image, a whole tenant's key: each is named, and the rest is sealed anew all the same."""
    template, image = Embedding.objects.of(acme.tenant).get(face=enrolled[0]), enrolled[1]
    template.sealed = flipped(template.sealed)
    template.save()
    with default_storage.open(image.stored_image) as file:
        broken = flipped(file.read())
    default_storage.delete(image.stored_image)
    default_storage.save(image.stored_image, ContentFile(broken))
    key = DataKey.objects.of(globex.tenant).get()
    DataKey.objects.of(globex.tenant).update(wrapped=flipped(key.wrapped))
    named = rf"image:{image.image}, keys of globex, template:{enrolled[0].pk}\."
    with pytest.raises(CommandError, match=named):
        call_command("rotate_keys", "data", grace=0, verbosity=0)
    assert list(DataKey.objects.of(acme.tenant).values_list("version", flat=True)) == [2]
    found = search_by_image(acme.caller, collection="album", image=portrait("obama"))
    assert [match.face.person.name for match in found.matches] == ["obama"]
    settings.MASTER_KEYS = [_new_key(), *settings.MASTER_KEYS]
    with pytest.raises(CommandError, match=rf"data-key:{globex.tenant.pk}:1\."):
        call_command("rotate_keys", "master", verbosity=0)
    settings.MASTER_KEYS = settings.MASTER_KEYS[:1]
    assert audit.verify(acme.tenant).sound


@pytest.mark.parametrize("stop_after", [0, 1, 2, 4])
def test_a_rotation_that_was_stopped_goes_on_where_it_was(
    acme: Customer, enrolled: list[Face], monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    """Check 22: killed between any two items it loses nothing, works meanwhile, and the next run ends it."""
    steps = 0
    seal = Vault.seal

    def stopping(self: Vault, plain: bytes, context: str) -> bytes:
        nonlocal steps
        steps += 1
        if steps > stop_after:
            raise KeyboardInterrupt
        return seal(self, plain, context)

    with monkeypatch.context() as patched:
        patched.setattr(Vault, "seal", stopping)
        patched.setattr(rotate_keys, "BATCH", 1)
        with pytest.raises(KeyboardInterrupt):
            call_command("rotate_keys", "data", tenant="acme", grace=0, verbosity=0)
    _everything_works(acme, enrolled)
    call_command("rotate_keys", "data", tenant="acme", grace=0, verbosity=0)
    assert _versions(acme) == {2}
    _everything_works(acme, enrolled)


def test_the_master_key_changes_without_a_pause(acme: Customer, enrolled: list[Face], settings: Settings) -> None:
    """Check 22: with both at hand everything opens before, during and after; then the old one is not needed."""
    old, new = settings.MASTER_KEYS[0], _new_key()
    signed = signing.signed({"kind": "test"})
    device = authenticators.offered(User.objects.create_user("somebody"))
    seed = authenticators.shown(device)
    settings.MASTER_KEYS = [new, old]
    _everything_works(acme, enrolled)
    call_command("rotate_keys", "master", verbosity=0)
    settings.MASTER_KEYS = [new]
    vault._cipher.cache_clear()  # noqa: SLF001 -- a new process would begin without it
    _everything_works(acme, enrolled)
    signing.check(signed)
    device.refresh_from_db()
    assert authenticators.shown(device) == seed
    assert signing.signed({"kind": "test"})["signature"]["key"] == signed["signature"]["key"]
    settings.MASTER_KEYS = [old]
    vault._cipher.cache_clear()  # noqa: SLF001
    with pytest.raises(MasterKeyUnusable):
        Vault.of(acme.tenant)


def test_no_column_of_bytes_is_forgotten() -> None:
    """Check 22: a new column of sealed bytes that rotation does not know fails here."""
    columns = {
        f"{model._meta.app_label}.{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField)
    }
    hashed = ("ApiKey", "OperatorKey", "Invitation", "RecoveryCode", "CaptureToken")
    hashes = {f"tenants.{model}.secret_hash" for model in hashed} | {"tenants.CaptureToken.browser_hash"}
    public = {"tenants.SigningKey.public"}
    keys = {f"{rows.model._meta.app_label}.{rows.model.__name__}.{column}" for rows, column, _ in wrapped.COLUMNS}
    assert columns - hashes - public == rotate_keys.SEALED.keys() | rotate_keys.BY_JOB_KEY | keys


def test_a_backup_names_the_master_key_of_every_wrapped_key(acme: Customer, settings: Settings) -> None:
    """The seed of an authenticator may be the only thing that an old master key still opens."""
    signing.signed({"kind": "test"})
    authenticators.offered(User.objects.create_user("somebody"))
    current = vault.fingerprints()
    for rows, column, context in wrapped.COLUMNS:
        row = rows.get()
        before = bytes(getattr(row, column))
        plain = vault.unwrap(before, context.format(row))
        settings.MASTER_KEYS = [_new_key(), *settings.MASTER_KEYS]
        rows.filter(pk=row.pk).update(**{column: vault.wrap(plain, context.format(row))})
        assert wrapped.master_keys() - set(current) == {vault.fingerprints()[0]}, column
        rows.filter(pk=row.pk).update(**{column: before})
