"""Where kept images lie: STORAGE_URL in Django's terms."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.config import Config  # type: ignore[import-untyped]
from django.core.exceptions import ImproperlyConfigured


def storage_at(url: str) -> dict[str, Any]:
    """Return the storage of file:///path or s3://bucket/prefix?endpoint=…&region=… (credentials as boto3 reads them).

    An S3 that does not answer is given up in time for the request's own answer.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "file":
        private = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": parts.path, **private},
        }
    if parts.scheme == "s3":
        return {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": parts.netloc,
                "location": parts.path.strip("/"),
                "endpoint_url": options.get("endpoint"),
                "region_name": options.get("region"),
                "default_acl": None,
                "file_overwrite": False,
                "client_config": Config(connect_timeout=3, read_timeout=8, retries={"total_max_attempts": 2}),
            },
        }
    message = f"STORAGE_URL must begin with file:// or s3://; it begins with {parts.scheme!r}."
    raise ImproperlyConfigured(message)
