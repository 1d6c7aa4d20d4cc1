"""Pictures in a folder, or under a prefix of a bucket."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from collections_app.importers import Item, Source, SourceFailed
from recognition.images import DEFAULT_LIMITS

_MANIFESTS = ("manifest.csv", "manifest.jsonl")


def items(source: Source) -> Iterator[Item]:
    """Yield every file, by its place below the source, in the order of names.

    A file that is too large for a picture is yielded without its bytes.
    """
    for name, size, read in files(source.place):
        small = size <= DEFAULT_LIMITS.max_bytes or name in _MANIFESTS
        yield Item(name, read() if small else None)


def files(place: str) -> Iterator[tuple[str, int, Any]]:
    """Yield name, bytes and a function that reads each file of a folder or of an `s3://` prefix.

    Raises:
        SourceFailed: it is not there, or went away.
    """
    try:
        yield from _of_bucket(place) if place.startswith("s3://") else _of_folder(Path(place))
    except (OSError, BotoCoreError, ClientError) as error:
        message = f"{place} cannot be read: {error}"
        raise SourceFailed(message) from error


def _of_folder(folder: Path) -> Iterator[tuple[str, int, Any]]:
    if not folder.is_dir():
        raise NotADirectoryError("it is not a folder")
    for where, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(where) / name
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path.stat().st_size, path.read_bytes


def _of_bucket(url: str) -> Iterator[tuple[str, int, Any]]:
    """Yield the objects below a prefix; credentials are those that boto3 finds, as for STORAGE_URL."""
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 -- takes long to load, and few use it

    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    client = boto3.client("s3", endpoint_url=options.get("endpoint"), region_name=options.get("region"))
    prefix = parts.path.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=prefix):
        for found in page.get("Contents", ()):
            key = found["Key"]

            def read(key: str = key) -> bytes:
                content: bytes = client.get_object(Bucket=parts.netloc, Key=key)["Body"].read()
                return content

            if not key.endswith("/"):
                yield key.removeprefix(prefix), found["Size"], read
