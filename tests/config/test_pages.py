"""Which requests pass the middleware of pages."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from collections_app.dialects import DIALECTS
from config import pages
from tests.conftest import Customer


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, route)
        elif not hasattr(getattr(one.callback, "view_class", None), "dialect"):
            yield route


def test_every_view_that_is_no_dialects_is_a_page() -> None:
    plain = {route for route in _routes(get_resolver().url_patterns) if "(" not in route}
    assert {"/console/", "/admin/login/", "/docs/native/", "/"} <= plain
    assert [route for route in plain if not pages.PAGE.match(route)] == []


def test_no_dialect_has_a_page_prefix() -> None:
    assert [one.name for one in DIALECTS if pages.PAGE.match(f"/{one.prefix}x")] == []


INSIDE = {"SessionMiddleware", "OTPMiddleware", "AxesMiddleware", "HtmxMiddleware", "locale", "CSPMiddleware"}


@pytest.mark.parametrize("path", ["/api/v1/collections", "/console/", "/docs/native/"])
def test_a_dialects_request_passes_no_middleware_of_pages(path: str, acme: Customer) -> None:
    begin, end = map(settings.MIDDLEWARE.index, ("config.pages.begin", "config.pages.end"))
    assert {name.rpartition(".")[2] for name in settings.MIDDLEWARE[begin:end]} >= INSIDE
    answer = Client().get(path, headers={"x-api-key": acme.issued.token})
    page = not path.startswith("/api/")
    assert [hasattr(answer.wsgi_request, name) for name in ("session", "htmx", "_messages")] == [page] * 3
    assert ("X-Frame-Options" in answer.headers) is page
