"""Absolute links, for mail and invitations: built from PUBLIC_URL, never from a request's Host header."""

from urllib.parse import urljoin, urlsplit

from django.conf import settings


def absolute(path: str) -> str:
    """Return the URL of one of our paths, which begins with a slash and includes any prefix."""
    return urljoin(settings.PUBLIC_URL, path)


def own_origin() -> str:
    """Return the origin of our own pages."""
    return origin_of(settings.PUBLIC_URL)


def origin_of(url: str) -> str:
    """Return the origin of an http or https URL as browsers write it; empty: it is none."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        return ""
    usual = {"http": 80, "https": 443}
    if parts.scheme not in usual or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port in {None, usual[parts.scheme]} else f":{port}")
