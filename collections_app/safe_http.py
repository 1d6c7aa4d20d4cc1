"""A pinned HTTP client, safe against server-side request forgery: it fetches images by URL and sends webhooks.

A host name is resolved once and all its addresses are checked; the connection then goes to one of the checked
addresses. So a name that resolves differently a second time (DNS rebinding) gains nothing. Every redirect is checked in
the same way as the first URL. An answer is plain bytes: its Content-Type is ignored, and nothing is unpacked.

Each user turns UrlRefused, UrlTimeout and BodyTooLarge into its own errors: no dialect sees these.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urljoin

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as NoAnswer
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, parse_url

from collections_app.addresses import may_connect

TOTAL_SECONDS = 8.0  # for a whole call: name resolution, redirects, the last byte
SILENT_SECONDS = 3.0  # to connect once, and between two parts of an answer
REDIRECTS = 3
_LONGEST_URL = 2048
_CHECK_SECONDS = 2.0
_UNKNOWN_HOST = "unknown host"
_CHUNK = 64 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}

# The ports that our own API allows for images and webhooks: 80, 443 and all unprivileged ports.
PORTS = frozenset({80, 443, *range(1024, 65536)})

# getaddrinfo has no timeout, so a thread runs it and the caller stops waiting; the thread may be busy for 30 s more.
_RESOLVERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolve")


class UrlRefused(Exception):
    """The URL is malformed or not allowed, or no usable answer comes from it."""

    def __init__(self, reason: str) -> None:
        """Keep why."""
        super().__init__(reason)
        self.reason = reason


class UrlTimeout(Exception):
    """The server took too long."""


class BodyTooLarge(Exception):
    """The answer is longer than allowed."""

    def __init__(self, limit: int, received: int) -> None:
        """Keep the allowed and the received number of bytes; reading stopped there."""
        super().__init__(limit, received)
        self.limit = limit
        self.received = received


def get(url: str, *, accept: str, ports: frozenset[int], max_bytes: int) -> bytes:
    """Return the bytes at a URL, following up to REDIRECTS redirects.

    Raises:
        UrlRefused: the URL or a redirect is malformed or not allowed, or the status is not 200.
        UrlTimeout: the server took too long.
        BodyTooLarge: there are more than `max_bytes`.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    for _ in range(REDIRECTS + 1):
        target = _target(url, ports)
        with _connected(target, _addresses(target, ports, deadline), deadline) as connection:
            location, content = _answer(connection, target, accept, max_bytes)
        if not location:
            return content
        url = _joined(url, location)
    raise UrlRefused("too many redirects")


def check(url: str, ports: frozenset[int]) -> None:
    """Refuse a URL that can never be used; a host name that does not resolve now may resolve later.

    Raises:
        UrlRefused: it is malformed, or leads to an address that is not allowed.
    """
    target = _target(url, ports)
    try:
        _addresses(target, ports, time.monotonic() + _CHECK_SECONDS)
    except UrlTimeout:
        return
    except UrlRefused as error:
        if error.reason != _UNKNOWN_HOST:
            raise


def post(url: str, content: bytes, *, headers: Mapping[str, str], ports: frozenset[int]) -> int:
    """Send content to a URL and return the answer's status; redirects are not followed.

    Raises:
        UrlRefused: the URL is malformed or not allowed, or no server answers.
        UrlTimeout: the server took too long.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    target = _target(url, ports)
    with _connected(target, _addresses(target, ports, deadline), deadline) as connection:
        headers = {**_headers(target), **headers}
        connection.request("POST", target.request_uri, content, headers, preload_content=False, decode_content=False)
        return connection.getresponse().status


def _target(url: str, ports: frozenset[int]) -> Url:
    """Parse and check a URL. The request is built from this parse, so no second parser can read another host."""
    if len(url) > _LONGEST_URL or not url.isprintable() or " " in url or "\\" in url:
        raise UrlRefused("malformed")
    try:
        target = parse_url(url)
    except HTTPError:
        raise UrlRefused("malformed") from None
    if target.scheme not in _PORTS or not target.host or "%" in target.host or target.auth is not None:
        raise UrlRefused("not an http or https URL of a plain host")
    if _port(target) not in ports | {port for _, port in settings.ALLOWED_NETWORKS if port is not None}:
        raise UrlRefused("port not allowed")
    return target


def _joined(url: str, location: str) -> str:
    """Return the URL that a redirect leads to."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise UrlRefused("malformed") from None


def _port(target: Url) -> int:
    return _PORTS[target.scheme or ""] if target.port is None else target.port


def _addresses(target: Url, ports: frozenset[int], deadline: float) -> list[str]:
    """Resolve the host to addresses, all of which must be allowed."""
    host = (target.host or "").strip("[]")
    answer = _RESOLVERS.submit(socket.getaddrinfo, host, _port(target), type=socket.SOCK_STREAM)
    try:
        found = answer.result(timeout=_left(deadline))
    except TimeoutError:
        answer.cancel()
        raise UrlTimeout from None
    except (OSError, UnicodeError):
        raise UrlRefused(_UNKNOWN_HOST) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(may_connect(ip_address(address), _port(target), ports) for address in addresses):
        raise UrlRefused("address not allowed")
    return addresses


@contextmanager
def _connected(target: Url, addresses: list[str], deadline: float) -> Iterator[HTTPConnection]:
    """Connect, and close the connection at the deadline.

    A socket's timeout starts again with every byte received, so a timer stops a server that sends a byte at a time.
    """
    over = threading.Event()
    connection = None
    try:
        connection = _connect(target, addresses, deadline)
        clock = threading.Timer(_left(deadline), _end, (connection.sock, over))
        clock.daemon = True
        clock.start()
        try:
            yield connection
        finally:
            clock.cancel()
    except NewConnectionError as error:  # urllib3 makes it a timeout, but nothing listens there
        raise UrlRefused("no connection") from error
    except (TimeoutError, NoAnswer):
        raise UrlTimeout from None
    except (OSError, http.client.HTTPException, HTTPError) as error:
        if over.is_set():
            raise UrlTimeout from None
        raise UrlRefused(type(error).__name__) from error
    finally:
        if connection:
            connection.close()
    if over.is_set():  # a body that was cut off may look complete
        raise UrlTimeout


def _connect(target: Url, addresses: list[str], deadline: float) -> HTTPConnection:
    """Connect to the first address that accepts; TLS checks the certificate against the host name."""
    failure: Exception = UrlTimeout()
    for address in addresses:
        timeout = min(SILENT_SECONDS, _left(deadline))
        if target.scheme == "https":
            name = (target.host or "").strip("[]")
            connection: HTTPConnection = HTTPSConnection(
                address, _port(target), timeout=timeout, server_hostname=name, ssl_context=_tls()
            )
        else:
            connection = HTTPConnection(address, _port(target), timeout=timeout)
        try:
            connection.connect()
        except (OSError, HTTPError) as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _headers(target: Url) -> dict[str, str]:
    return {"Host": target.netloc or "", "User-Agent": "faceplane"}


def _answer(connection: HTTPConnection, target: Url, accept: str, max_bytes: int) -> tuple[str, bytes]:
    """Send a GET request; return where a redirect leads, or "" and the body."""
    headers = {**_headers(target), "Accept": accept}
    # The body is not decompressed: it cannot grow in memory, and the image decoder refuses it.
    connection.request("GET", target.request_uri, headers=headers, preload_content=False, decode_content=False)
    response = connection.getresponse()
    location = response.headers.get("Location", "")
    if response.status in _MOVED and location:
        return location, b""
    if response.status != http.client.OK:
        reason = f"status {response.status}"
        raise UrlRefused(reason)
    return "", _content(response, max_bytes)


def _content(response: BaseHTTPResponse, max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := response.read1(_CHUNK):  # what has arrived; read() would wait for a whole chunk
        content += chunk
        if len(content) > max_bytes:
            raise BodyTooLarge(max_bytes, len(content))
    return bytes(content)


def _left(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        UrlTimeout: none are.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise UrlTimeout
    return left


def _end(connection: socket.socket, over: threading.Event) -> None:
    """Shut a connection down; the thread that reads from it gets an error."""
    over.set()
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:  # already closed
        return


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
