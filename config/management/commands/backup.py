"""manage.py backup DIR: copy database and kept images into a new folder, while everything is in use."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from collections_app import storage
from config import backup
from config.backup import engine
from recognition.models import Gallery
from tenants import heartbeat, schema, wrapped
from tenants.models import Tenant


class Command(BaseCommand):
    """Make a backup; it appears under its name only when it is complete."""

    help = "Copy database and kept images into a new folder; never the master key. Everything may be in use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the folder."""
        parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that does not exist yet")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        """Copy, list the digests, and record that a backup was made."""
        folder = folder.absolute()
        if folder.exists():
            message = f"{folder} exists. Nothing was backed up."
            raise CommandError(message)
        if pending := schema.pending():
            message = f"Migrations that are not applied: {len(pending)}. Run manage.py migrate first."
            raise CommandError(message)
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            made_at = timezone.now().isoformat()
            keys = wrapped.master_keys()
            engine.dump(unfinished)
            images = _copy_images(unfinished / backup.FILES)
            manifest = backup.Manifest(
                version=settings.VERSION,
                made_at=made_at,
                database=engine.file_name(),
                vendor=connection.vendor,
                migrations=schema.applied(),
                master_keys=sorted(keys),
                tenants=Tenant.objects.count(),
                faces=Gallery.unscoped.filter(serves__isnull=False).aggregate(faces=Sum("size"))["faces"] or 0,
                images=images,
            )
            manifest.write(unfinished)
            backup.write_sums(unfinished)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        heartbeat.note("backup")
        self.stdout.write(
            f"{folder}: {manifest.tenants} tenants, {manifest.faces} faces, {images} kept images. It needs the master "
            f"key {', '.join(manifest.master_keys)}, which it does not hold."
        )


def _copy_images(folder: Path) -> int:
    copied = 0
    for name in storage.all_names():
        try:
            sealed = storage.sealed(name)
        except FileNotFoundError:  # erased meanwhile
            continue
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(sealed)
        copied += 1
    return copied
