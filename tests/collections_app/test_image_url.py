"""Images by URL: how many are fetched at once, and who waits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Any

import pytest
from django.test import Client

from collections_app import image_url
from collections_app.image_url import load
from recognition.errors import Busy
from tests.collections_app.urls import get
from tests.collections_app.web_server import content, served
from tests.conftest import Customer

pytestmark = pytest.mark.usefixtures("zone")


def test_bytes_are_what_they_are() -> None:
    assert load(b"picture", lane=1, max_bytes=1) == b"picture"


def test_slow_servers_hold_few_threads_and_one_tenant_s_not_another_s(local: None) -> None:
    """Check 21: of ten that one tenant has fetched from a slow server, two hold it up, and others go on meanwhile."""
    asked, release = threading.Semaphore(0), threading.Event()

    def slow(handler: Any) -> None:
        asked.release()
        release.wait(10)
        content(b"late")(handler)

    def fetched(lane: int) -> tuple[bytes, float]:
        began = time.monotonic()
        try:
            return get(f"http://127.0.0.1:{port}/", lane=lane), time.monotonic() - began
        except Busy:
            return b"busy", time.monotonic() - began

    with served(slow) as port, served(content(b"quick")) as other, ThreadPoolExecutor(12) as pool:
        flood = [pool.submit(fetched, 1) for _ in range(10)]
        assert all(asked.acquire(timeout=5) for _ in range(2))
        assert get(f"http://127.0.0.1:{other}/", lane=2) == b"quick"
        refused = [each.result(0) for each in islice(as_completed(flood, timeout=8), 8)]
        assert [answered for answered, _ in refused] == [b"busy"] * 8
        assert sum(seconds >= 1 for _, seconds in refused) >= 3  # three waited for a second
        second = [pool.submit(fetched, 2) for _ in range(2)]
        assert all(asked.acquire(timeout=5) for _ in range(2))
        with pytest.raises(Busy):  # all four are taken
            get(f"http://127.0.0.1:{other}/", lane=3)
        release.set()
        assert {each.result(5)[0] for each in second} == {b"late"}
        assert sorted(each.result(5)[0] for each in flood) == [b"busy"] * 8 + [b"late"] * 2
    assert not asked.acquire(blocking=False)


def test_who_comes_to_a_full_house_is_told_to_come_again(acme: Customer, settings: Any) -> None:
    """Check 21: in the dialect's own words."""
    image_url._fetching.cache_clear()  # type: ignore[attr-defined]  # noqa: SLF001 -- it has a size of its own here
    settings.FETCH_SLOTS = 1
    client, headers = Client(), {"x-api-key": acme.issued.token}
    try:
        with image_url._fetching().admit(acme.tenant.pk):  # noqa: SLF001
            body = {"image_url": "http://93.184.215.14/face.jpg"}
            path = "/api/v1/collections/people/search"
            answer = client.post(path, body, content_type="application/json", headers=headers)
    finally:
        image_url._fetching.cache_clear()  # type: ignore[attr-defined]  # noqa: SLF001
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "1")
