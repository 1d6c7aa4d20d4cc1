"""STORAGE_URL, where kept images are stored, as Django's STORAGES entry."""

import os
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

_EXAMPLE = "s3://bucket/prefix?endpoint=https://…&region=… (in quotes where a shell reads it)"
_PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPTIONS = frozenset({"endpoint", "region"})


def storage_at(url: str) -> dict[str, Any]:
    """Return the storage for `file:///path` or `s3://bucket/prefix?endpoint=…&region=…`.

    Credentials are those that boto3 finds: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), a
    profile (AWS_PROFILE), or the machine's role. The timeouts are below a request's deadline.

    Raises:
        ImproperlyConfigured: the URL is incomplete or not understood.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _files(parts)
    if parts.scheme == "s3":
        return _s3(parts)
    message = f"STORAGE_URL must begin with file:// or s3://; it begins with {parts.scheme!r}."
    raise ImproperlyConfigured(message)


def _files(parts: SplitResult) -> dict[str, Any]:
    if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        message = f"STORAGE_URL must be file:///an/absolute/path without more; it is {parts.geturl()!r}."
        raise ImproperlyConfigured(message)
    private = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": parts.path, **private},
    }


def _s3(parts: SplitResult) -> dict[str, Any]:
    from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415 -- .2 s that only S3 needs

    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := sorted(options.keys() - OPTIONS):
        message = f"STORAGE_URL has the unknown option {', '.join(unknown)}; it must be {_EXAMPLE}."
        raise ImproperlyConfigured(message)
    if not parts.netloc or parts.username or parts.fragment or not all(options.values()):
        message = f"STORAGE_URL must be {_EXAMPLE}, with a value for each option."
        raise ImproperlyConfigured(message)
    endpoint = options.get("endpoint")
    if endpoint and urlsplit(endpoint).scheme not in {"http", "https"}:
        message = f"STORAGE_URL's endpoint must begin with https:// or http://; it is {endpoint!r}."
        raise ImproperlyConfigured(message)
    if sum(bool(os.environ.get(name)) for name in _PAIR) == 1:
        message = f"STORAGE_URL names S3, but of its credentials {' and '.join(_PAIR)} only one is set."
        raise ImproperlyConfigured(message)
    if not (options.get("region") or endpoint or _region()):
        message = (
            f"STORAGE_URL names S3 without endpoint or region; it must be {_EXAMPLE}. "
            f"The region can also be in AWS_DEFAULT_REGION, or in the profile that AWS_PROFILE names."
        )
        raise ImproperlyConfigured(message)
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "endpoint_url": endpoint,
            "region_name": options.get("region"),
            "default_acl": None,
            "file_overwrite": False,
            "client_config": Config(connect_timeout=3, read_timeout=8, retries={"total_max_attempts": 2}),
        },
    }


def _region() -> str | None:
    """Return the region that boto3 finds in its variables and files, without using the network."""
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # noqa: PLC0415 -- as above
    from botocore.session import Session  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        return str(Session().get_config_variable("region") or "") or None
    except BotoCoreError as error:
        message = f"STORAGE_URL names S3, but the AWS profile or configuration file cannot be read: {error}."
        raise ImproperlyConfigured(message) from error
