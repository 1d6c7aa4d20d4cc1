"""Absolute links: what is sent or shown to be opened elsewhere leads where the operator said, not where a Host does."""

from urllib.parse import urljoin

from django.conf import settings


def absolute(path: str) -> str:
    """Return the URL of one of our paths, which begins with a slash and holds any prefix already."""
    return urljoin(settings.PUBLIC_URL, path)
