"""Images by URL: what is fetched, what is refused, and that a refusal opens no socket."""

import http.server
import ipaddress
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from urllib3.connection import HTTPConnection

from collections_app import addresses, image_url, safe_http
from collections_app.errors import ImageUrlRefused, ImageUrlTimeout, InvalidRequest
from collections_app.image_url import ImageUrl, load
from collections_app.operations.webhooks import create_webhook
from config import env
from recognition.errors import Busy, ImageTooLarge
from tests.conftest import Customer

PORTS = frozenset({80, 443, *range(10_000, 12_001)})
# Names that lead inside: plainly, beside a public address, or by an address in disguise.
ZONE = {
    "inside.example": ["10.0.0.5"],
    "loop.example": ["127.0.0.1"],
    "loop6.example": ["::1"],
    "mixed.example": ["93.184.215.14", "192.168.1.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::a00:1"],
    "scoped.example": ["fe80::1%lo"],
    "nothing.example": [],
}
HOSTILE = [
    # loopback, in every spelling that a resolver takes
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.255.255.254/",
    "https://127.0.0.1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://loop.example/",
    "http://loop6.example/",
    # unspecified
    "http://0.0.0.0/",
    "http://0/",
    "http://[::]/",
    # private
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]/",
    "http://inside.example/",
    "http://mixed.example/",
    "http://100.64.0.1/",
    # link-local and metadata services
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://scoped.example/",
    "http://metadata.example/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    # IPv4 in the disguise of IPv6
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://mapped.example/",
    "http://nat64.example/",
    # multicast, broadcast, documentation, benchmarks, reserved
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://[ff02::1]/",
    "http://255.255.255.255/",
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://198.18.0.1/",
    "http://240.0.0.1/",
    "http://192.88.99.1/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[fec0::1]/",
    "http://[5f00::1]/",
    # ports
    "http://8.8.8.8:22/",
    "http://8.8.8.8:6379/",
    "http://8.8.8.8:9999/",
    "http://8.8.8.8:12001/",
    "http://8.8.8.8:0/",
    "http://8.8.8.8:65536/",
    "http://8.8.8.8:80:22/",
    "http://8.8.8.8:-80/",
    # parsers that disagree
    "http://8.8.8.8@127.0.0.1/",
    "http://user:secret@8.8.8.8/",
    "http://127.0.0.1\\@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http://127.0.0.1#@8.8.8.8/",
    "http://127.0.0.1?@8.8.8.8/",
    "http://127.0.0.1 .example/",
    "http://127.0.0.1\t/",
    "http://8.8.8.8/\r\nHost: localhost",
    "http://127.0.0.1\x00.example/",
    "http://%31%32%37.0.0.1/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http:///etc/passwd",
    "http://",
    "http:",
    "//127.0.0.1/",
    "127.0.0.1",
    "",
    "http://[::1/",
    "http://" + "a" * 64 + ".example/",
    "http://8.8.8.8/" + "a" * 2100,
    "http://nothing.example/",
    "http://unknown.example/",
    # schemes
    "file:///etc/passwd",
    "ftp://8.8.8.8/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "https+unix://x/",
]

_connections: list[Any] = []
_watching = threading.Event()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _watching.is_set():
        _connections.append(arguments[1])


sys.addaudithook(_watch)  # the interpreter's own word, whatever library connects; it cannot be removed, only ignored


@pytest.fixture
def connections() -> Iterator[list[Any]]:
    """Every address that a socket was connected to."""
    _connections.clear()
    _watching.set()
    yield _connections
    _watching.clear()


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for .example from ZONE; addresses and localhost go to the real resolver, which asks nobody for them."""
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **how: Any) -> list[Any]:
        if not host.rstrip(".").endswith(".example"):
            return real(host, port, *rest, **how)
        if host not in ZONE:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ZONE[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def local(settings: Any) -> None:
    """Allow local addresses."""
    settings.ALLOW_PRIVATE_URLS = True


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what is tested."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.answers(self)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the parent's name
        """Say nothing."""


@contextmanager
def served(answers: Callable[[Any], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve at a loopback port that the rule allows; give the port."""
    for port in range(10_500, 12_001):
        try:
            server = _Server(("127.0.0.1", port), _Handler)
            break
        except OSError:
            continue
    server.answers = answers  # type: ignore[attr-defined]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def content(body: bytes, status: int = 200, **headers: str) -> Callable[[Any], None]:
    """Answer with a body."""

    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def get(url: str, *, lane: int = 1, max_bytes: int = 1000) -> bytes:
    return load(ImageUrl(url, PORTS), lane=lane, max_bytes=max_bytes)


def test_the_table_is_long_enough() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


@pytest.mark.parametrize("url", HOSTILE, ids=ascii)
def test_a_hostile_url_opens_no_socket(connections: list[Any], url: str) -> None:
    with pytest.raises(ImageUrlRefused):
        get(url)
    assert connections == []


@pytest.mark.parametrize("url", [url for url in HOSTILE if ":" in url or url.startswith("//")], ids=ascii)
def test_a_redirect_to_a_hostile_url_opens_no_further_socket(
    connections: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """The first hop alone may be local: it stands for the attacker's public server."""
    monkeypatch.setattr(addresses, "_LOCAL", (ipaddress.ip_network("127.77.0.0/16"),))
    settings.ALLOW_PRIVATE_URLS = True
    location = url.encode("utf-8").decode("latin-1").replace("\r\n", "%0d%0a").replace("\x00", "%00")
    with served(content(b"", 302, Location=location)) as port:
        monkeypatch.setitem(ZONE, "attacker.example", ["127.77.0.1"])
        real = HTTPConnection

        def reach(host: str, number: int, **how: Any) -> Any:
            return real("127.0.0.1" if host == "127.77.0.1" else host, number, **how)

        monkeypatch.setattr(safe_http, "HTTPConnection", reach)
        with pytest.raises(ImageUrlRefused):
            get(f"http://attacker.example:{port}/")
    assert {address[1] for address in connections} == {port}


def test_the_watch_sees_a_connection(connections: list[Any], local: None) -> None:
    with served(content(b"picture")) as port:
        assert get(f"http://127.0.0.1:{port}/") == b"picture"
    assert connections == [("127.0.0.1", port)]


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(address))


def test_local_addresses_do_not_open_beside_https(local: None, settings: Any, connections: list[Any]) -> None:
    settings.HTTPS = True
    with pytest.raises(ImageUrlRefused, match="address not allowed"):
        get("http://127.0.0.1/")
    assert connections == []
    assert "collections_app.E001" in [
        found.id for found in run_checks(include_deployment_checks=True, tags=["security"])
    ]
    settings.ALLOW_PRIVATE_URLS = False
    assert "collections_app.E001" not in [
        found.id for found in run_checks(include_deployment_checks=True, tags=["security"])
    ]


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://224.0.0.1/"])
def test_metadata_and_multicast_stay_closed_where_local_is_open(local: None, connections: list[Any], url: str) -> None:
    with pytest.raises(ImageUrlRefused):
        get(url)
    assert connections == []


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
        assert [said for said, _ in refused] == [b"busy"] * 8
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
    image_url._fetching.cache_clear()  # noqa: SLF001 -- it has a size of its own here
    settings.FETCH_SLOTS = 1
    client, headers = Client(), {"x-api-key": acme.issued.token}
    try:
        with image_url._fetching().admit(acme.tenant.pk):  # noqa: SLF001
            body = {"image_url": "http://93.184.215.14/face.jpg"}
            path = "/api/v1/collections/people/search"
            answer = client.post(path, body, content_type="application/json", headers=headers)
    finally:
        image_url._fetching.cache_clear()  # noqa: SLF001
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "1")


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


def _networks(monkeypatch: pytest.MonkeyPatch, text: str) -> Any:
    monkeypatch.setenv("X", text)
    return env.networks("X")


def test_what_the_operator_named_opens_beside_https_and_nothing_else(
    settings: Any, monkeypatch: pytest.MonkeyPatch, connections: list[Any]
) -> None:
    settings.HTTPS = True
    with served(content(b"image")) as port:
        settings.ALLOWED_NETWORKS = _networks(monkeypatch, f"127.0.0.1:{port}")
        assert get(f"http://127.0.0.1:{port}/") == b"image"
        assert len(connections) == 1
        for closed in (f"http://127.0.0.2:{port}/", f"http://127.0.0.1:{port + 1}/", f"http://[::1]:{port}/"):
            with pytest.raises(ImageUrlRefused, match="not allowed"):
                get(closed)
        assert len(connections) == 1


def test_a_named_port_opens_in_its_network_alone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOWED_NETWORKS = _networks(monkeypatch, "10.0.0.0/8:22,10.1.0.0/16,[fd00::/8]:8443")
    for url in ("http://10.9.9.9:22/", "http://10.1.9.9:10500/", "https://[fd00::1]:8443/"):
        safe_http.check(url, PORTS)
    for url in ("http://8.8.8.8:22/", "http://10.9.9.9:10500/", "http://10.1.9.9:21/", "https://[fd00::1]:8444/"):
        with pytest.raises(safe_http.UrlRefused, match="not allowed"):
            safe_http.check(url, PORTS)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://168.63.129.16/", "http://100.100.100.200/"]
)
def test_no_setting_opens_a_metadata_service(
    settings: Any, monkeypatch: pytest.MonkeyPatch, connections: list[Any], url: str
) -> None:
    settings.ALLOWED_NETWORKS = _networks(monkeypatch, "0.0.0.0/0,::/0")
    with pytest.raises(ImageUrlRefused, match="address not allowed"):
        get(url)
    assert connections == []


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/8:0", "10.0.0.0/8:x", "host", "[::1", "::1:80:"])
def test_a_network_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"X must name networks as in 10\.0\.0\.0/8:443"):
        _networks(monkeypatch, text)


def test_a_webhook_that_nothing_can_be_sent_to_is_refused_when_it_is_made(acme: Customer, settings: Any) -> None:
    for url in ("http://10.1.2.3/hook", "https://localhost/hook", "http://[::1]:8080/", "http://127.0.0.1:8080/"):
        with pytest.raises(InvalidRequest, match="address not allowed"):
            create_webhook(acme.caller, url=url, kinds=["face.enrolled"])
    settings.ALLOWED_NETWORKS = ((ipaddress.ip_network("10.0.0.0/8"), None),)
    create_webhook(acme.caller, url="http://10.1.2.3/hook", kinds=["face.enrolled"])
    create_webhook(acme.caller, url="https://not-yet.example/hook", kinds=["face.enrolled"])
