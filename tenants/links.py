"""Absolute links, for mail and invitations: built from PUBLIC_URL, never from a request's Host header."""

from urllib.parse import urljoin

from django.conf import settings


def absolute(path: str) -> str:
    """Return the URL of one of our paths, which begins with a slash and includes any prefix."""
    return urljoin(settings.PUBLIC_URL, path)
