"""Images by URL, safe against server-side request forgery.

A host's name is resolved once, every address it has is checked, and the connection goes to an address that was checked,
so a name that answers otherwise the second time gains nothing. Every redirect starts again from the top. What comes
back is bytes and no more: what they are is for the decoder to find out, whatever the server says they are.

Whoever waits for a slow server keeps one of our threads waiting. So a few images are fetched at once, half of them for
one tenant at most, and as many wait for a moment; whoever comes then is told to come again.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urljoin

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as NoAnswer
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, parse_url

from collections_app.errors import ImageUrlRefused, ImageUrlTimeout
from recognition.admission import AdmissionQueue, host_file
from recognition.errors import ImageTooLarge
from recognition.pipeline.decoding.formats import MEDIA_TYPES

TOTAL_SECONDS = 8.0  # for everything: names, redirects, the last byte
SILENT_SECONDS = 3.0  # for one connection to come about, and between two parts of an answer
REDIRECTS = 3
_LONGEST_URL = 2048
_WAIT_SECONDS = 1.0
_CHECK_SECONDS = 2.0
_UNKNOWN_HOST = "unknown host"
_CHUNK = 64 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}

# IANA's special-purpose registries. The `is_global` of Python 3.11 calls multicast, 6to4 and NAT64 addresses global.
_SPECIAL = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; a cloud's metadata service among them
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's metadata service at a public address
        "169.254.0.0/16",  # link-local, with most clouds' metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
    )
)
# Every other IPv6 block is special: loopback, mapped and NAT64 addresses, unique-local, link-local, multicast.
_UNICAST = ip_network("2000::/3")
_LOCAL = tuple(
    ip_network(block)
    for block in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# Clouds' metadata services hand out credentials to whoever asks: no setting opens them.
_METADATA = tuple(
    ip_network(block)
    for block in ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32", "fe80::/10")
)

# Where our own API lets images and webhooks be: the web's well-known ports, and every one that needs no privilege.
PORTS = frozenset({80, 443, *range(1024, 65536)})

# getaddrinfo knows no timeout, so it is waited for from outside; what was given up may go on for half a minute.
_RESOLVERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolve")


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """Where an image lies, and the ports at which the caller's contract lets it lie."""

    url: str
    ports: frozenset[int]


def load(image: bytes | ImageUrl, *, lane: int, max_bytes: int) -> bytes:
    """Return an image's bytes, fetched where they are given by URL; a lane is a tenant, as in recognition.admission.

    Raises:
        ImageUrlRefused: the URL is malformed or not allowed, or there is nothing at it.
        ImageUrlTimeout: the server took too long.
        recognition.errors.ImageTooLarge: it is larger than `max_bytes`; no more than that was read.
        recognition.errors.Busy: too many images are being fetched.
    """
    if isinstance(image, bytes):
        return image
    with _fetching().admit(lane):
        return _fetched(image, max_bytes)


def _fetched(image: ImageUrl, max_bytes: int) -> bytes:
    deadline = time.monotonic() + TOTAL_SECONDS
    url = image.url
    for _ in range(REDIRECTS + 1):
        place = _place(url, image.ports)
        moved, content = _get(place, _addresses(place, image.ports, deadline), deadline, max_bytes)
        if not moved:
            return content
        url = _joined(url, moved)
    raise ImageUrlRefused("too many redirects")


def check(url: str, ports: frozenset[int]) -> None:
    """Refuse a URL that could never be asked; a name that nobody knows now may be known when it is.

    Raises:
        ImageUrlRefused: it is malformed, or it leads to an address that is not allowed.
    """
    place = _place(url, ports)
    try:
        _addresses(place, ports, time.monotonic() + _CHECK_SECONDS)
    except ImageUrlTimeout:
        return
    except ImageUrlRefused as error:
        if error.reason != _UNKNOWN_HOST:
            raise


def post(url: str, content: bytes, *, headers: Mapping[str, str], ports: frozenset[int]) -> int:
    """Send content to a URL under the same guard; return the status of the answer, and follow no redirect.

    Raises:
        ImageUrlRefused: the URL is malformed or not allowed, or nobody answers at it.
        ImageUrlTimeout: the server took too long.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    place = _place(url, ports)
    with _connected(place, _addresses(place, ports, deadline), deadline) as connection:
        said = {"Host": place.netloc or "", "User-Agent": "faceplane", **headers}
        connection.request("POST", place.request_uri, content, said, preload_content=False, decode_content=False)
        return connection.getresponse().status


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether the address is one of the public internet, and no other address in disguise."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _UNICAST):
        return False
    return not any(address in block for block in _SPECIAL)


def _may_connect(address: IPv4Address | IPv6Address, port: int, ports: frozenset[int]) -> bool:
    """Allow public addresses and those that the operator named; in development, local ones too.

    A port that the operator named with a network is open in that network alone, whatever the contract's ports are.
    """
    if any(address in block for block in _METADATA):
        return False
    for network, named in settings.ALLOWED_NETWORKS:
        if address in network and (port in ports if named is None else port == named):
            return True
    local = any(address in block for block in _LOCAL) and settings.ALLOW_PRIVATE_URLS and not settings.HTTPS
    return port in ports and (is_public(address) or local)


def _place(url: str, ports: frozenset[int]) -> Url:
    """Take the URL apart, once and for all: the parser that judges it is the one that builds the request."""
    if len(url) > _LONGEST_URL or not url.isprintable() or " " in url or "\\" in url:
        raise ImageUrlRefused("malformed")
    try:
        place = parse_url(url)
    except HTTPError:
        raise ImageUrlRefused("malformed") from None
    if place.scheme not in _PORTS or not place.host or "%" in place.host or place.auth is not None:
        raise ImageUrlRefused("not an http or https URL of a plain host")
    if _port(place) not in ports | {port for _, port in settings.ALLOWED_NETWORKS if port is not None}:
        raise ImageUrlRefused("port not allowed")
    return place


def _joined(url: str, moved: str) -> str:
    """Return where a redirect leads."""
    try:
        return urljoin(url, moved)
    except ValueError:
        raise ImageUrlRefused("malformed") from None


def _port(place: Url) -> int:
    return _PORTS[place.scheme or ""] if place.port is None else place.port


def _addresses(place: Url, ports: frozenset[int], deadline: float) -> list[str]:
    """Resolve the host; one address that is not allowed spoils the name."""
    host = (place.host or "").strip("[]")
    answer = _RESOLVERS.submit(socket.getaddrinfo, host, _port(place), type=socket.SOCK_STREAM)
    try:
        found = answer.result(timeout=_left(deadline))
    except TimeoutError:
        answer.cancel()
        raise ImageUrlTimeout from None
    except (OSError, UnicodeError):
        raise ImageUrlRefused(_UNKNOWN_HOST) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(_may_connect(ip_address(address), _port(place), ports) for address in addresses):
        raise ImageUrlRefused("address not allowed")
    return addresses


def _get(place: Url, addresses: list[str], deadline: float, max_bytes: int) -> tuple[str, bytes]:
    """Ask for the image; return where it moved to, or its content."""
    with _connected(place, addresses, deadline) as connection:
        return _answer(connection, place, max_bytes)


@contextmanager
def _connected(place: Url, addresses: list[str], deadline: float) -> Iterator[HTTPConnection]:
    """Connect, and end what takes longer than the deadline.

    A socket's timeout begins anew with every byte, so a server that drips is ended by a clock of its own.
    """
    over = threading.Event()
    connection = None
    try:
        connection = _connect(place, addresses, deadline)
        clock = threading.Timer(_left(deadline), _end, (connection.sock, over))
        clock.daemon = True
        clock.start()
        try:
            yield connection
        finally:
            clock.cancel()
    except NewConnectionError as error:  # to urllib3 a timeout, though nobody is there
        raise ImageUrlRefused("no connection") from error
    except (TimeoutError, NoAnswer):
        raise ImageUrlTimeout from None
    except (OSError, http.client.HTTPException, HTTPError) as error:
        if over.is_set():
            raise ImageUrlTimeout from None
        raise ImageUrlRefused(type(error).__name__) from error
    finally:
        if connection:
            connection.close()
    if over.is_set():  # what was cut off may look whole
        raise ImageUrlTimeout


def _connect(place: Url, addresses: list[str], deadline: float) -> HTTPConnection:
    """Connect to the first address that answers; the certificate must be the name's."""
    failure: Exception = ImageUrlTimeout()
    for address in addresses:
        timeout = min(SILENT_SECONDS, _left(deadline))
        if place.scheme == "https":
            name = (place.host or "").strip("[]")
            connection: HTTPConnection = HTTPSConnection(
                address, _port(place), timeout=timeout, server_hostname=name, ssl_context=_tls()
            )
        else:
            connection = HTTPConnection(address, _port(place), timeout=timeout)
        try:
            connection.connect()
        except (OSError, HTTPError) as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _answer(connection: HTTPConnection, place: Url, max_bytes: int) -> tuple[str, bytes]:
    headers = {"Host": place.netloc or "", "User-Agent": "faceplane", "Accept": ", ".join(MEDIA_TYPES.values())}
    # Nothing is unpacked: a compressed answer would be refused by the decoder, and cannot swell in memory.
    connection.request("GET", place.request_uri, headers=headers, preload_content=False, decode_content=False)
    response = connection.getresponse()
    moved = response.headers.get("Location", "")
    if response.status in _MOVED and moved:
        return moved, b""
    if response.status != http.client.OK:
        reason = f"status {response.status}"
        raise ImageUrlRefused(reason)
    return "", _content(response, max_bytes)


def _content(response: BaseHTTPResponse, max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := response.read1(_CHUNK):  # returns what has come; read() would wait for the whole chunk
        content += chunk
        if len(content) > max_bytes:
            raise ImageTooLarge(max_bytes, len(content), "bytes")
    return bytes(content)


def _left(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        ImageUrlTimeout: none are.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise ImageUrlTimeout
    return left


def _end(connection: socket.socket, over: threading.Event) -> None:
    """End a connection under whoever reads from it."""
    over.set()
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:  # it ended by itself just now
        return


@lru_cache(maxsize=1)
def _fetching() -> AdmissionQueue:
    slots = settings.FETCH_SLOTS
    bounds = {"slots": slots, "own": max(1, slots // 2), "queue": slots}
    return AdmissionQueue(host_file("fetch"), seconds=_WAIT_SECONDS, **bounds)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
