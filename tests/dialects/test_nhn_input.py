"""NHN Face Recognition's answers to invalid input and to images by URL.

One file although it is longer than 300 lines: one contract, small tests.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from collections_app.models import Collection, Face, SearchRecord
from recognition.models import Gallery
from tests.conftest import Customer
from tests.dialects.test_nhn import (
    INVALID,
    NO_ACCESS,
    NO_GROUP,
    OK,
    PREFIX,
    NhnClient,
    image,
    nhn,  # noqa: F401 -- a fixture
)
from tests.make import base64_of, blank, portrait

TOO_LARGE = (-45000, "ImageTooLargeException")
FORMAT = (-45000, "InvalidImageFormatException")
URL = (-45000, "InvalidImageURLException")
TIMEOUT = (-45000, "ImageTimeoutError")
GROUP_ID = (-40000, "InvalidGroupID")
OBAMA = base64_of(portrait("obama"))


@pytest.fixture(autouse=True)
def _nothing_is_stored(db: None) -> Iterator[None]:
    """After a refused request nothing is stored."""
    yield
    assert not Face.unscoped.exists()
    assert Collection.unscoped.count() <= 1


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, INVALID),
        ([], INVALID),
        (None, INVALID),
        ("my-group", INVALID),
        ({"groupId": None}, INVALID),
        ({"groupId": 7}, INVALID),
        ({"groupId": ["a"]}, INVALID),
        ({"groupId": ""}, GROUP_ID),
        ({"groupId": " "}, GROUP_ID),
        ({"groupId": "My-Group"}, GROUP_ID),
        ({"groupId": "my_group"}, GROUP_ID),
        ({"groupId": "my-group\n"}, GROUP_ID),
        ({"groupId": "a" * 256}, GROUP_ID),
        ({"groupId": "그룹"}, GROUP_ID),
        ({"groupId": "people"}, (-40000, "DuplicatedGroupID")),
    ],
)
def test_an_invalid_group_id(nhn: NhnClient, body: object, answer: tuple[int, str]) -> None:  # noqa: F811
    assert nhn.refused("POST", "groups", body) == answer


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"image": None},
        {"image": "x"},
        {"image": []},
        {"image": {}},
        {"image": {"url": None, "bytes": None}},
        {"image": {"url": "https://pictures.example/", "bytes": OBAMA}},
        {"image": {"url": 7}},
        {"image": {"bytes": 7}},
        {"image": {"bytes": [OBAMA]}},
        {"image": {"bytes": OBAMA}, "orientation": "yes"},
        {"image": {"bytes": OBAMA}, "orientation": 1},
        {"image": {"bytes": OBAMA}, "mask": "no"},
        {"image": {"bytes": base64_of(blank(79, 200))}},
        {"image": {"bytes": base64_of(blank(200, 79))}},
    ],
)
def test_no_image_or_two(nhn: NhnClient, body: object) -> None:  # noqa: F811
    assert nhn.refused("POST", "detect", body) == INVALID


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("", FORMAT),
        ("no base64!", FORMAT),
        ("QUJD", FORMAT),
        (base64_of(portrait("obama")[:5000]), FORMAT),
        (base64_of(blank(kind="GIF")), FORMAT),
        (base64_of(blank(kind="WEBP")), FORMAT),
        (base64_of(portrait("obama") + bytes(5_000_000)), TOO_LARGE),
    ],
    ids=["empty", "not base64", "no image", "truncated", "gif", "webp", "too large"],
)
def test_an_image_that_cannot_be_used(nhn: NhnClient, content: str, answer: tuple[int, str]) -> None:  # noqa: F811
    with_image = {"image": {"bytes": content}}
    assert nhn.refused("POST", "detect", with_image) == answer
    assert nhn.refused("POST", "groups/people", with_image | {"limit": 1}) == answer
    assert nhn.refused("POST", "groups/people/search", with_image, limit=1, threshold=1) == answer
    named = (answer[0], f"Image{answer[1]}")
    for role in ("source", "target"):  # decision H8
        body: dict[str, Any] = {"sourceImage": image("obama"), "targetImage": image("obama"), "threshold": 1}
        body[f"{role}Image"] = {"bytes": content}
        assert nhn.refused("POST", "compare", body) == (named[0], f"{named[1]}:{role.capitalize()}")


def test_the_edges_of_size(nhn: NhnClient) -> None:  # noqa: F811
    for good in (blank(80, 80), blank(3000, 2100), blank(kind="PNG"), portrait("obama").ljust(5_000_000, b"\0")):
        assert nhn("POST", "detect", {"image": image(good)})["header"] == OK


@pytest.mark.parametrize("limit", [None, 0, -1, 101, 1.0, 1.5, "1", True, [1], 10**30])
def test_an_invalid_limit_of_registration(nhn: NhnClient, limit: object) -> None:  # noqa: F811
    assert nhn.refused("POST", "groups/people", {"image": {"bytes": OBAMA}, "limit": limit}) == INVALID


@pytest.mark.parametrize("label", ["", " ", "a b", "a/b", "a" * 256, "얼굴", "a\n", 7])
def test_an_invalid_label(nhn: NhnClient, label: object) -> None:  # noqa: F811
    body = {"image": {"bytes": OBAMA}, "limit": 1, "externalImageId": label}
    assert nhn.refused("POST", "groups/people", body) == INVALID


@pytest.mark.parametrize("number", ["", "0", "-1", "1.0", "x", "+1", " 1", "１", "true", "1e1", "9" * 30])  # noqa: RUF001
def test_an_invalid_number_in_a_query(nhn: NhnClient, number: str) -> None:  # noqa: F811
    search = {"image": {"bytes": OBAMA}}
    assert nhn.refused("GET", "groups", limit=number) == INVALID
    assert nhn.refused("GET", "groups/people/faces", limit=number) == INVALID
    assert nhn.refused("POST", "groups/people/search", search, limit=number, threshold=1) == INVALID
    assert nhn.refused("POST", "groups/people/search", search, limit=1, threshold=number) == INVALID
    compared = {"sourceImage": image("obama"), "targetImage": image("obama")}
    assert nhn.refused("POST", "compare", compared, threshold=number) == INVALID


def test_the_edges_of_numbers(nhn: NhnClient) -> None:  # noqa: F811
    search = {"image": {"bytes": OBAMA}}
    assert nhn.refused("GET", "groups", limit=201) == INVALID
    assert nhn.refused("GET", "groups") == INVALID
    assert nhn.refused("GET", "groups/people/faces", limit=201) == INVALID
    assert nhn.refused("POST", "groups/people/search", search, limit=4097, threshold=1) == INVALID
    assert nhn.refused("POST", "groups/people/search", search, limit=1, threshold=101) == INVALID
    assert nhn.refused("POST", "groups/people/search", search) == INVALID
    assert nhn("GET", "groups/people/faces", limit=200)["header"] == OK
    assert nhn("POST", "groups/people/search", search, limit=4096, threshold=100)["header"] == OK
    assert SearchRecord.unscoped.count() == 1


@pytest.mark.parametrize("threshold", [None, 0, 101, 1.0, "80", True])
def test_an_invalid_threshold_of_comparison(nhn: NhnClient, threshold: object) -> None:  # noqa: F811
    body = {"sourceImage": image("obama"), "targetImage": image("obama"), "threshold": threshold}
    assert nhn.refused("POST", "compare", body) == INVALID


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"groupId": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"limit":' + b"9" * 9999 + b"}",
    ],
    ids=["empty", "cut", "not utf-8", "nan", "deep list", "deep object", "long number"],
)
def test_a_body_that_is_not_json(nhn: NhnClient, acme: Customer, content: bytes) -> None:  # noqa: F811
    for path in ("groups", "detect", "compare", "groups/people"):
        answer = nhn.raw("POST", f"{PREFIX}/appkeys/{acme.issued.key.pk}/{path}", content)
        assert (answer["header"]["resultCode"], answer["header"]["resultMessage"]) == INVALID


@pytest.mark.parametrize("charset", ["zlib", "base64", "utf-7", "utf-16", "none", ""])
def test_a_body_is_utf_8_whatever_its_header_says(nhn: NhnClient, acme: Customer, charset: str) -> None:  # noqa: F811
    kind = f"application/json; charset={charset}"
    path = f"{PREFIX}/appkeys/{acme.issued.key.pk}"
    content = json.dumps({"image": image(blank())}).encode()
    assert nhn.raw("POST", f"{path}/detect", content, kind)["header"] == OK
    assert nhn.raw("GET", f"{path}/groups", b"", kind, limit=1)["header"] == OK


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"])
def test_a_body_of_another_kind(nhn: NhnClient, acme: Customer, kind: str) -> None:  # noqa: F811
    path = f"{PREFIX}/appkeys/{acme.issued.key.pk}/groups"
    header = nhn.raw("POST", path, b'{"groupId": "x"}', kind)["header"]
    assert (header["resultCode"], header["resultMessage"]) == INVALID


def test_a_body_of_100_megabytes(nhn: NhnClient, acme: Customer) -> None:  # noqa: F811
    header = nhn.raw("POST", f"{PREFIX}/appkeys/{acme.issued.key.pk}/detect", bytes(100_000_000))["header"]
    assert (header["resultCode"], header["resultMessage"]) == TOO_LARGE


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path", ["", "/", "/groups", "/appkeys/{key}", "/appkeys/{key}/nothing", "/appkeys/{key}/groups/"]
)
def test_an_unknown_path(nhn: NhnClient, acme: Customer, method: str, path: str) -> None:  # noqa: F811
    header = nhn.raw(method, f"{PREFIX}/{path.lstrip('/')}".format(key=acme.issued.key.pk))["header"]
    assert (header["resultCode"], header["resultMessage"]) == INVALID


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "groups"),
        ("DELETE", "groups"),
        ("PATCH", "groups/people"),
        ("POST", "groups/people/faces"),
        ("GET", "detect"),
        ("GET", "compare"),
    ],
)
def test_an_unknown_method(nhn: NhnClient, method: str, path: str) -> None:  # noqa: F811
    assert nhn.refused(method, path) == INVALID
    assert NhnClient("fp_none", "none").refused(method, path) == NO_ACCESS


def test_an_unexpected_error_is_an_internal_error(nhn: NhnClient, acme: Customer) -> None:  # noqa: F811
    Gallery.unscoped.filter(pk=acme.people.pk).delete()  # as a damaged database
    search = {"image": {"bytes": OBAMA}}
    internal = (-50000, "InternalServerError")
    assert nhn.refused("POST", "groups/people/search", search, limit=1, threshold=1) == internal


class _Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.fetched.append(self.path)  # type: ignore[attr-defined]
        body = portrait(self.path.strip("/")) if self.path != "/none" else b"<html>"
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the parent's name
        """Log nothing."""


@pytest.fixture
def pictures() -> Iterator[HTTPServer]:
    """A server of portraits at a port that the contract allows; `fetched` has the requested paths."""
    for port in range(10_000, 10_500):
        try:
            server = HTTPServer(("127.0.0.1", port), _Pictures)
            break
        except OSError:
            continue
    server.fetched = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_images_by_url(nhn: NhnClient, settings: Any, pictures: Any) -> None:  # noqa: F811
    settings.ALLOW_PRIVATE_URLS = True
    base = f"http://127.0.0.1:{pictures.server_port}"
    seen = nhn("POST", "detect", {"image": {"url": f"{base}/obama"}})
    assert seen == nhn("POST", "detect", {"image": image("obama")})
    body = {"sourceImage": {"url": f"{base}/macron_2014"}, "targetImage": {"url": f"{base}/macron_2025"}}
    assert nhn("POST", "compare", body, threshold=80)["data"]["matchedFaceDetailCount"] == 1
    found = nhn("POST", "groups/people/search", {"image": {"url": f"{base}/obama"}}, limit=1, threshold=80)
    assert found["data"]["matchFaceCount"] == 0
    assert nhn.refused("POST", "detect", {"image": {"url": f"{base}/none"}}) == FORMAT  # declared as image/jpeg
    assert pictures.fetched == ["/obama", "/macron_2014", "/macron_2025", "/obama", "/none"]


def test_no_image_is_fetched_for_a_caller_without_permission(
    nhn: NhnClient,  # noqa: F811
    settings: Any,
    pictures: Any,
) -> None:
    settings.ALLOW_PRIVATE_URLS = True
    picture = {"url": f"http://127.0.0.1:{pictures.server_port}/obama"}
    assert nhn.refused("POST", "groups/none", {"image": picture, "limit": 1}) == NO_GROUP
    assert nhn.refused("POST", "groups/none/search", {"image": picture}, limit=1, threshold=1) == NO_GROUP
    assert nhn.refused("POST", "groups/people", {"image": picture}) == INVALID
    assert NhnClient("fp_none", "none").refused("POST", "detect", {"image": picture}) == NO_ACCESS
    assert pictures.fetched == []


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://8.8.8.8/", "http://127.0.0.1:10000/", "http://8.8.8.8:8080/", "\ud800"]
)
def test_an_unusable_url(nhn: NhnClient, url: str) -> None:  # noqa: F811
    answer = nhn.refused("POST", "detect", {"image": {"url": url}})
    assert answer == (INVALID if url == "\ud800" else URL)
    if answer == URL:
        body = {"sourceImage": image("obama"), "targetImage": {"url": url}, "threshold": 80}
        assert nhn.refused("POST", "compare", body) == (-45000, "ImageInvalidImageURLException:Target")


def test_a_server_that_takes_too_long(nhn: NhnClient, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    settings.ALLOW_PRIVATE_URLS = True
    monkeypatch.setattr("collections_app.safe_http.TOTAL_SECONDS", 0.3)
    with HTTPServer(("127.0.0.1", 0), _Pictures, bind_and_activate=False) as server:
        for port in range(11_000, 11_500):
            server.server_address = ("127.0.0.1", port)
            try:
                server.server_bind()
                break
            except OSError:
                continue
        server.server_activate()  # accepts connections and never answers
        picture = {"url": f"http://127.0.0.1:{port}/obama"}
        assert nhn.refused("POST", "detect", {"image": picture}) == TIMEOUT
        body = {"sourceImage": picture, "targetImage": image("obama"), "threshold": 80}
        assert nhn.refused("POST", "compare", body) == (-45000, "ImageImageTimeoutError:Source")
