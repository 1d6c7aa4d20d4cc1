"""Which addresses are opened: public ones and ALLOWED_NETWORKS; a refusal opens no socket."""

import ipaddress
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from urllib3.connection import HTTPConnection

from collections_app import addresses, safe_http
from collections_app.errors import ImageUrlRefused, InvalidRequest
from collections_app.operations.webhooks import create_webhook
from config import env
from tests.collections_app.urls import HOSTILE, PORTS, ZONE, get
from tests.collections_app.web_server import content, served
from tests.conftest import Customer

pytestmark = pytest.mark.usefixtures("zone")


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
