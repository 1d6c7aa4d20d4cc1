"""Check 22: uploads stay in memory, and a stranger can send little."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files import uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory

from config.server.bridge import KNOWN_BYTES, Bridge
from tenants.access import CALLER
from tests.conftest import Customer
from tests.console.conftest import member, signed_in

pytestmark = pytest.mark.django_db
_SECONDS = 20
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


async def ask(bridge: Bridge, method: str, key: str, size: int) -> None:
    """Send a request, and wait until it is answered."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(size), "more_body": False}

    async def send(_: dict[str, Any]) -> None:
        pass

    head = [(b"x-api-key", key.encode()), (b"content-length", str(size).encode())]
    place = {"method": method, "raw_path": b"/", "query_string": b"", "scheme": "http", "http_version": "1.1"}
    await bridge({**place, "headers": head, "server": ("::1", 80), "client": ("::1", 9)}, receive, send)


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


def test_a_body_is_received_before_the_first_call_once_its_credential_is_known(acme: Customer) -> None:
    """And of a usual size; otherwise the view is asked first, without the body."""
    called: list[str] = []

    def application(environ: dict[str, Any], start: Callable[[str, list[Any]], object]) -> list[bytes]:
        environ[CALLER] = acme.caller if environ.get("HTTP_X_API_KEY") == "right" else None
        called.append(type(environ["wsgi.input"]).__name__)
        if environ[CALLER]:
            environ["wsgi.input"].read()
        start("200 OK", [])
        return [b""]

    async def calls(bridge: Bridge, key: str, size: int) -> list[str]:
        called.clear()
        await ask(bridge, "POST", key, size)
        return list(called)

    async def scene() -> None:
        bridge = Bridge(application, threads=1)
        large = django_settings.STRANGER_BYTES + 1
        assert await calls(bridge, "right", large) == ["UnreceivedBody", "BytesIO"]
        assert await calls(bridge, "right", large) == ["BytesIO"]
        assert await calls(bridge, "right", KNOWN_BYTES + 1) == ["UnreceivedBody", "BytesIO"]
        assert await calls(bridge, "wrong", large) == ["UnreceivedBody"]

    asyncio.run(scene())


def test_a_tenant_reads_while_its_pictures_wait(acme: Customer) -> None:
    """They take every thread that they may have, and leave some to its requests without a body."""
    go, waiting = threading.Event(), threading.Semaphore(0)

    def application(environ: dict[str, Any], start: Callable[[str, list[Any]], object]) -> list[bytes]:
        environ[CALLER] = acme.caller
        if environ["REQUEST_METHOD"] == "POST":
            waiting.release()
            go.wait(_SECONDS)
        start("200 OK", [])
        return [b""]

    async def scene() -> None:
        bridge = Bridge(application, threads=8)
        await ask(bridge, "GET", "right", 0)
        pictures = [asyncio.create_task(ask(bridge, "POST", "right", 9)) for _ in range(20)]
        try:
            for _ in range(5):
                assert await asyncio.to_thread(waiting.acquire, timeout=_SECONDS)
            await asyncio.wait_for(ask(bridge, "GET", "right", 0), _SECONDS)
            assert not any(picture.done() for picture in pictures)
        finally:
            go.set()
            await asyncio.gather(*pictures)

    asyncio.run(scene())
