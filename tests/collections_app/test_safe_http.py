"""The pinned HTTP client: names, redirects, sizes, slow servers, certificates."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collections_app import safe_http
from collections_app.errors import ImageUrlRefused, ImageUrlTimeout
from recognition.errors import ImageTooLarge
from tests.collections_app.urls import ZONE, get
from tests.collections_app.web_server import content, served

pytestmark = pytest.mark.usefixtures("zone")


def test_a_name_is_resolved_once(local: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers otherwise the second time is not asked a second time."""
    asked = []
    with served(content(b"picture")) as port:

        def resolve(host: str, number: int, *rest: Any, **how: Any) -> list[Any]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert get(f"http://rebind.example:{port}/") == b"picture"
    assert [host for host in asked if host == "rebind.example"] == ["rebind.example"]


def test_the_request_names_the_host_and_nothing_else(local: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setitem(ZONE, "pictures.example", ["127.0.0.1"])

    def answer(handler: Any) -> None:
        seen.update(path=handler.path, **{name.lower(): value for name, value in handler.headers.items()})
        content(b"picture")(handler)

    with served(answer) as port:
        assert get(f"http://pictures.example:{port}/a%20b.jpg?x=1#part") == b"picture"
    assert seen.pop("path") == "/a%20b.jpg?x=1"
    assert seen.pop("host") == f"pictures.example:{port}"
    assert set(seen) == {"user-agent", "accept", "accept-encoding"}
    assert seen["accept-encoding"] == "identity"


def test_redirects_are_followed_a_few_times(local: None) -> None:
    def answer(handler: Any) -> None:
        left = int(handler.path.strip("/"))
        content(b"", 302, Location=f"/{left - 1}")(handler) if left else content(b"picture")(handler)

    with served(answer) as port:
        assert get(f"http://127.0.0.1:{port}/3") == b"picture"
        with pytest.raises(ImageUrlRefused, match="too many redirects"):
            get(f"http://127.0.0.1:{port}/4")


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
def test_only_200_is_an_image(local: None, status: int) -> None:
    with served(content(b"" if status in {204, 304} else b"picture", status)) as port, pytest.raises(ImageUrlRefused):
        get(f"http://127.0.0.1:{port}/")


def test_size_is_counted_as_it_comes(local: None) -> None:
    sent = []

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(100_000))
            sent.append(100_000)

    with served(endless) as port, pytest.raises(ImageTooLarge):
        get(f"http://127.0.0.1:{port}/", max_bytes=1_000_000)
    assert sum(sent) < 50_000_000  # what a socket's buffers take, and no more
    with served(content(bytes(1001))) as port, pytest.raises(ImageTooLarge):
        get(f"http://127.0.0.1:{port}/")
    with served(content(bytes(1000))) as port:
        assert len(get(f"http://127.0.0.1:{port}/")) == 1000


def test_a_compressed_answer_is_not_unpacked(local: None) -> None:
    with served(content(b"\x1f\x8bpacked", Content_Encoding="gzip")) as port:
        assert get(f"http://127.0.0.1:{port}/") == b"\x1f\x8bpacked"


def test_a_truncated_answer_is_refused(local: None) -> None:
    with served(content(b"pic", Content_Length="100")) as port, pytest.raises(ImageUrlRefused):
        get(f"http://127.0.0.1:{port}/")


def _drip_head(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(handler)


def _drip_body(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    _drip(handler)


def _drip(handler: Any) -> None:
    for _ in range(200):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def _silence(handler: Any) -> None:
    time.sleep(8)


@pytest.mark.parametrize("slow", [_drip_head, _drip_body, _silence])
def test_a_slow_server_is_ended_by_the_clock(
    local: None, monkeypatch: pytest.MonkeyPatch, slow: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(safe_http, "TOTAL_SECONDS", 0.5)
    started = time.monotonic()
    with served(slow) as port:
        with pytest.raises(ImageUrlTimeout):
            get(f"http://127.0.0.1:{port}/")
        assert time.monotonic() - started < 6  # of eight and more that the server takes


def test_a_slow_resolver_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_http, "TOTAL_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1))
    with pytest.raises(ImageUrlTimeout):
        get("http://slow.example/")


def test_nobody_listening_is_refused(local: None) -> None:
    with served(content(b"")) as port:
        pass
    with pytest.raises(ImageUrlRefused):
        get(f"http://127.0.0.1:{port}/")


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's side of TLS for pictures.example, whose issuer the platform trusts for the test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*plain))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    safe_http._tls.cache_clear()  # noqa: SLF001 -- the context is read once a process
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield context
    safe_http._tls.cache_clear()  # noqa: SLF001


def test_a_certificate_is_checked_against_the_name_not_the_address(
    local: None, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pictures.example", "other.example"):
        monkeypatch.setitem(ZONE, name, ["127.0.0.1"])
    asked = []
    certificate.sni_callback = lambda _, name, __: asked.append(name)
    with served(content(b"picture"), certificate) as port:
        assert get(f"https://pictures.example:{port}/") == b"picture"
        assert asked == ["pictures.example"]
        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(ImageUrlRefused, match="SSLCertVerificationError"):
                get(f"https://{host}:{port}/")
