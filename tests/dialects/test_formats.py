"""Which formats of images a contract accepts: those of phones and browsers too, unless its documents name others."""

import io

import pillow_heif
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from tests import hostile
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.dialects.clients import send
from tests.dialects.examples import EXAMPLES
from tests.dialects.examples.descriptor import IMAGE
from tests.make import base64_of, portrait

pytestmark = pytest.mark.django_db
pillow_heif.register_heif_opener()  # for the tests, which write HEIC
KINDS = {"WEBP": "WEBP", "AVIF": "AVIF", "HEIC": "HEIF"}  # as refusals name them; as Pillow does


def _picture(kind: str) -> bytes:
    return hostile.stored(Image.open(io.BytesIO(portrait("obama"))).convert("RGB"), KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_contract_accepts_them_or_names_the_format(acme: Customer, dialect: Dialect, kind: str) -> None:
    call, key = EXAMPLES[dialect.name].add, acme.key(dialect)
    path, body = call.filled(key.key.pk, acme.people.alias)
    other = body.replace(IMAGE.encode(), base64_of(_picture(kind)).encode())
    assert other != body
    answer, usual = (send(dialect, key, call.method, path, sent) for sent in (other, body))
    if EXAMPLES[dialect.name].any_format:
        assert (answer.status_code, answer.json().keys()) == (usual.status_code, usual.json().keys())
    else:
        assert f"the format {kind} is not supported" in answer.get("X-Reason", "") + answer.content.decode()


@pytest.mark.parametrize("kind", KINDS)
def test_the_console_accepts_them(acme: Customer, kind: str) -> None:
    file = SimpleUploadedFile("face", _picture(kind))
    answer = signed_in(member(acme, "operator")).post("/console/acme/playground/detect/", {"image": file})
    assert len(answer.context["result"].faces) == 1
