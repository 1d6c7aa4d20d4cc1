"""manage.py restore DIR: bring a backup back, and erase again what was erased since."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import F

from collections_app import storage, tasks
from collections_app.models import Face
from config import backup
from config.backup import engine, erasures
from recognition.models import Gallery, IndexSegment
from tenants import audit, schema, vault
from tenants.models import Tenant


class Command(BaseCommand):
    """Restore a backup into an empty installation, or with --replace in place of what is there."""

    help = "Restore a backup. The services must be stopped. Everything is checked before anything is changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the folder, the permission to overwrite, and receipts."""
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument("--replace", action="store_true", help="remove what this installation holds")
        parser.add_argument(
            "--receipts",
            metavar="PATH",
            type=Path,
            nargs="+",
            default=[],
            help="files or folders with receipts of erasures made after the backup, such as those that were handed out",
        )

    def handle(self, *args: Any, folder: Path, replace: bool, receipts: list[Path], **options: Any) -> None:
        """Check, load, erase again, verify."""
        manifest = backup.Manifest.read(folder)
        _check(manifest)
        backup.compare_sums(folder)
        occupied = engine.holds_rows() or next(storage.all_names(), None) is not None
        if occupied and not replace:
            raise CommandError("This installation holds data: --replace would remove it. Nothing was restored.")
        if engine.in_use():
            raise CommandError("Others use the database: stop web server, worker and beat. Nothing was restored.")
        known = [*erasures.of_database(), *erasures.of_storage(), *erasures.of_files(receipts)]

        engine.empty()
        engine.load(folder)
        call_command("migrate", verbosity=0)
        _restore_images(folder / backup.FILES)
        _begin_index_anew()
        genuine, refused = erasures.unknown(known)
        for document in genuine:
            erasures.apply(document)
        tasks.purge_due.run()
        self._verify(manifest, len(genuine), refused)

    def _verify(self, manifest: backup.Manifest, erased_again: int, refused: list[str]) -> None:
        """Recompute the audit chains, look for every image, and report."""
        broken = [tenant.slug for tenant in Tenant.objects.order_by("slug") if not audit.verify(tenant).sound]
        names = Face.unscoped.exclude(stored_image="").values_list("stored_image", flat=True)
        lost = sum(not storage.exists(name) for name in names.iterator())
        self.stdout.write(
            f"Restored the backup of {manifest.made_at}: {manifest.tenants} tenants, {manifest.faces} faces, "
            f"{manifest.images} images; {erased_again} later erasures applied again. Searches are exact until the "
            f"worker has rebuilt the index. Keys that were revoked, and members who were removed, after that time are "
            f"back: revoke and remove them again, then start the services."
        )
        faults = {
            "their audit chain is broken": broken,
            "kept images are missing": [str(lost)] if lost else [],
            "these receipts were changed, or another installation signed them": refused,
        }
        if found := [f"{what}: {', '.join(which)}" for what, which in faults.items() if which]:
            message = f"Restored, but not sound: {'; '.join(found)}."
            raise CommandError(message)


def _check(manifest: backup.Manifest) -> None:
    """Refuse a backup that this installation cannot read.

    Raises:
        CommandError: another database, a later version, or a master key that is not configured.
    """
    vendor = connection.vendor
    if manifest.vendor != vendor:
        message = f"The backup is of {manifest.vendor}; DATABASE_URL names {vendor}. Nothing was restored."
        raise CommandError(message)
    if strange := schema.unknown(manifest.migrations):
        message = f"Version {manifest.version} made the backup, and this one does not know {', '.join(strange)}."
        raise CommandError(message)
    if missing := sorted(set(manifest.master_keys) - set(vault.fingerprints())):
        message = f"The backup needs the master key {', '.join(missing)}: add it to MASTER_KEYS. Nothing was restored."
        raise CommandError(message)


def _restore_images(folder: Path) -> None:
    """Make the storage hold the backup's images and no others."""
    there = set(storage.all_names())
    ours = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    for name in there - ours:
        storage.erase(name)
    for name in sorted(ours - there):
        storage.put_sealed(name, (folder / name).read_bytes())


def _begin_index_anew() -> None:
    """Remove the index's files, and have the worker rebuild every segment from the templates."""
    for place in (settings.INDEX_DIR, settings.INDEX_OPEN_DIR):
        shutil.rmtree(place, ignore_errors=True)
    IndexSegment.unscoped.update(condition=IndexSegment.Condition.MISSING)
    Gallery.unscoped.update(version=F("version") + 1, mirrored=False)
    if settings.FACE_INDEX == "pgvector":
        call_command("move_index", to="pgvector")
