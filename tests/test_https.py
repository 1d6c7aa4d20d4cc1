"""HTTPS behind a proxy: redirects, HSTS, and health checks."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.test import Client

BEHIND_A_PROXY = {"X-Forwarded-Proto": "https"}


@pytest.fixture
def https(settings: Any) -> None:
    """Set what HTTPS=true and TRUSTED_PROXIES=1 set."""
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = 1
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def test_a_request_without_tls_is_redirected(https: None) -> None:
    assert Client().get("/account/login/").status_code == 301
    assert Client().get("/account/login/", headers=BEHIND_A_PROXY).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_health_check_is_answered_for_any_host_and_scheme(https: None, path: str) -> None:
    answer = Client().get(path, headers={"host": "10.1.2.3:8000"})
    assert answer.status_code == 200
    assert answer.json()["status"] in {"ok", "ready", "degraded"}


def test_https_without_a_trusted_proxy_is_a_warning(https: None, settings: Any) -> None:
    def found() -> set[str | None]:
        return {message.id for message in run_checks(include_deployment_checks=True, tags=["security"])}

    assert "collections_app.W001" not in found()
    settings.TRUSTED_PROXIES = 0
    assert "collections_app.W001" in found()


@pytest.mark.parametrize(
    ("hsts", "expected"),
    [
        ("", (31_536_000, False, False)),
        ("off", (0, False, False)),
        ("subdomains", (31_536_000, True, False)),
        ("preload", (31_536_000, True, True)),
    ],
)
def test_hsts_covers_this_host_and_more_only_on_request(hsts: str, expected: tuple[int, bool, bool]) -> None:
    code = (
        "from config import settings as s;"
        "print((s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD))"
    )
    env = os.environ | {"HTTPS": "true", "HSTS": hsts}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=django_settings.BASE_DIR, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(expected)
