"""The installation's signature."""

import copy
import json

import pytest

from tenants import signing
from tenants.errors import SignatureBroken
from tenants.models import SigningKey

DOCUMENT = {"what": "face.erased", "name": "Zoë", "count": 3, "stores": ["database", "files"], "note": None}

pytestmark = pytest.mark.django_db


def test_a_signed_document_passes_after_a_trip_through_json() -> None:
    signing.check(json.loads(json.dumps(signing.signed(DOCUMENT), indent=2)))


@pytest.mark.parametrize("change", [{"count": 4}, {"stores": ["database"]}, {"extra": 1}, {"signature": None}])
def test_a_changed_document_does_not_pass(change: dict[str, object]) -> None:
    with pytest.raises(SignatureBroken):
        signing.check(signing.signed(DOCUMENT) | change)


def test_a_document_signed_by_another_installation_does_not_pass() -> None:
    foreign = signing.signed(DOCUMENT)
    SigningKey.objects.all().delete()
    with pytest.raises(SignatureBroken):
        signing.check(foreign)


def test_anyone_with_the_public_key_can_check_without_our_database() -> None:
    document = signing.signed(DOCUMENT)
    pem = signing.public_keys()[document["signature"]["key"]]
    SigningKey.objects.all().delete()
    signing.check(document, signing.from_pem(pem.encode()))
    other = copy.deepcopy(document) | {"count": 4}
    with pytest.raises(SignatureBroken):
        signing.check(other, signing.from_pem(pem.encode()))


def test_every_process_signs_with_the_same_key_and_the_database_does_not_hold_it_in_plain() -> None:
    keys = {signing.sign(b"one").key, signing.sign(b"two").key}
    assert len(keys) == SigningKey.objects.count() == 1
    row = SigningKey.objects.get()
    assert len(bytes(row.wrapped)) > 32
    assert bytes(row.public) not in bytes(row.wrapped)
