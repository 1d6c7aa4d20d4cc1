"""Check 22: uploads stay in memory, and a stranger can send little."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files import uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory

from tests.conftest import Customer
from tests.console.conftest import member, signed_in

pytestmark = pytest.mark.django_db
PAGES = ("/account/login/", "/account/forgotten/", "/admin/login/", "/console/acme/playground/search/")


@pytest.fixture(autouse=True)
def _no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if an upload would be written to a file."""
    monkeypatch.setattr(uploadhandler, "TemporaryUploadedFile", lambda *_: pytest.fail("written to disk"))


@pytest.fixture
def most(settings: Any) -> int:
    """Set the limit for everybody a little above that for strangers."""
    most: int = django_settings.STRANGER_BYTES + 10_000
    settings.MAX_BODY_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.FILE_UPLOAD_MAX_MEMORY_SIZE = most
    return most


def _upload(size: int) -> dict[str, SimpleUploadedFile]:
    return {"image": SimpleUploadedFile("face.jpg", bytes(size))}


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_sends_a_few_fields_and_no_more(acme: Customer, page: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies["csrftoken"] = "a" * 32
    assert browser.post(page, _upload(django_settings.STRANGER_BYTES - 1_000)).status_code != 413
    answer = browser.post(page, _upload(django_settings.STRANGER_BYTES), headers={"Accept-Language": "ko"})
    assert answer.status_code == 413
    assert "크기" in answer.content.decode()


def test_a_member_sends_what_the_server_takes_and_no_more(acme: Customer, most: int) -> None:
    page = "/console/acme/playground/search/"
    browser = signed_in(member(acme, "operator"))
    assert browser.post(page, _upload(most - 1_000)).status_code != 413
    assert browser.post(page, _upload(most)).status_code == 413


def test_a_dialect_refuses_what_is_too_large_in_its_own_words(acme: Customer, most: int) -> None:
    key = {"X-DF-API-ID": str(acme.issued.key.pk), "X-DF-API-SECRET": acme.issued.secret}
    answer = Client().post("/faceset/v2/add_face", _upload(most), headers=key)
    assert "status" in answer.json(), answer.content


def test_what_is_too_large_for_memory_is_dropped(most: int) -> None:
    request = RequestFactory().post("/", _upload(most))
    assert list(request.FILES) == []
