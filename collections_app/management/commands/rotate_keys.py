"""manage.py rotate_keys master | data: replace the keys of all stored data while the product is in use.

master: add the new key after the old one in MASTER_KEYS and restart every process; move it to the front and restart
again; run this; remove the old key. So every process knows the new key before anything is wrapped with it. Only wrapped
keys are rewritten, a few rows a tenant.

data: each tenant gets a new data key, and templates, kept images and index files are encrypted again, batch by batch.
It may be stopped at any point and run again: what the newest key encrypts is skipped. The old keys are removed last,
when every process that might still use one has had time to finish and nothing needs it any more.

Damaged data that no key opens is left unchanged and listed; the rest is done, and then the command fails.
"""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, NoReturn

from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction
from tqdm import tqdm

from collections_app.models import Collection, Face
from recognition.models import Gallery, IndexSegment
from recognition.tasks import rebuild_index
from tenants import audit, vault, wrapped
from tenants.access import system
from tenants.errors import MasterKeyUnusable, SealBroken
from tenants.models import DataKey, Tenant
from tenants.vault import Vault

# The columns of sealed bytes, and the context that each is bound to. A test finds columns of bytes that are
# neither here nor in tenants.wrapped.
SEALED = {
    "recognition.Embedding.sealed": "template:{0.face_id}",
    "tenants.KeptSecret.sealed": "kept-secret:{0.pk}",
    "recognition.Calibration.sealed": "calibration:{0.pk}",
    "tenants.Webhook.sealed_secret": "webhook:{0.pk}",
    "collections_app.Bucket.sealed_secret": "bucket:{0.pk}",
    "collections_app.KeyedRequest.answer": "answer:{0.pk}",
    "collections_app.BulkJob.sealed_key": "job-key:{0.pk}",
}
BY_JOB_KEY = {"collections_app.JobUnit.payload", "collections_app.JobUnit.result"}  # opened by their job's key
BATCH = 500
GRACE_SECONDS = 120  # longer than any request or task holds a tenant's vault open


class Command(BaseCommand):
    """Rotate keys."""

    help = "Rotate the master key or the tenants' data keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which keys, and whose."""
        parser.add_argument("which", choices=("master", "data"))
        parser.add_argument("--tenant", help="for data: the tenant's slug; without it every tenant")
        parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds before old keys are removed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate them."""
        self._damaged: set[str] = set()
        if options["which"] == "master":
            changed = sum(self._rewrap(rows, field, context) for rows, field, context in wrapped.COLUMNS)
            self.stdout.write(f"{changed} keys were wrapped again, with master key {vault.fingerprints()[0]}.")
        else:
            self._rotate_data_keys(options)
        if self._damaged:
            message = f"No key at hand opens these, and they are left as they are: {', '.join(sorted(self._damaged))}."
            raise CommandError(message)

    def _rotate_data_keys(self, options: dict[str, Any]) -> None:
        tenants = Tenant.objects.exclude(state=Tenant.State.ERASED).order_by("slug")  # erased tenants have no keys
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                message = f"There is no tenant {options['tenant']!r}."
                raise CommandError(message)
        rotations: list[tuple[Tenant, int]] = []
        for tenant in tenants:
            try:
                newest = self._begin(tenant)
                self._reseal(tenant, newest)
            except MasterKeyUnusable:
                self._damaged.add(f"keys of {tenant.slug}")
                continue
            _rebuild_segments(tenant, newest)
            rotations.append((tenant, newest))
        if rotations:
            time.sleep(options["grace"])
        for tenant, newest in rotations:
            self._finish(tenant, newest)

    def _begin(self, tenant: Tenant) -> int:
        """Add a data key, unless a stopped rotation already added one; return its version."""
        versions: list[int] = sorted(DataKey.objects.of(tenant).values_list("version", flat=True))
        if len(versions) == 1:
            with transaction.atomic():
                versions.append(vault.add_data_key(tenant).version)
                audit.record(system(tenant, "rotate_keys"), "data_key.added", tenant, version=versions[-1])
        return versions[-1]

    def _reseal(self, tenant: Tenant, newest: int) -> int:
        """Encrypt again what the newest key does not encrypt; return the number of rows and files."""
        done = 0
        opened = Vault.of(tenant)
        for path, context in SEALED.items():
            model, field = _column(path)
            rows = model.unscoped.filter(tenant=tenant).exclude(**{field: None})  # type: ignore[attr-defined]
            with _progress(f"{tenant.slug} {model._meta.verbose_name}", rows.count()) as progress:
                for batch in _batches(rows):
                    done += self._reseal_batch(opened, batch, field, context, newest)
                    progress.update(len(batch))
        kept = Face.unscoped.filter(tenant=tenant).exclude(stored_image="")
        images = kept.values_list("image", "stored_image").distinct().order_by("stored_image")
        with _progress(f"{tenant.slug} image", images.count()) as progress:
            for image, stored in images.iterator(chunk_size=BATCH):
                done += self._reseal_image(opened, image, stored, newest)
                progress.update()
        return done

    def _finish(self, tenant: Tenant, newest: int) -> None:
        """Remove the old keys when a whole pass finds nothing that needs them."""
        late = self._reseal(tenant, newest)
        while self._reseal(tenant, newest):
            pass
        with transaction.atomic():
            removed, _ = DataKey.unscoped.filter(tenant=tenant, version__lt=newest).delete()
            audit.record(system(tenant, "rotate_keys"), "data_key.removed", tenant, newest=newest, removed=removed)
        self.stdout.write(
            f"{tenant.slug}: data key {newest} seals everything; {removed} old removed, {late} came late."
        )

    def _reseal_batch(self, opened: Vault, batch: list[Any], field: str, context: str, newest: int) -> int:
        """Encrypt a batch again; rows that changed since they were read are left to the next pass."""
        done = 0
        with transaction.atomic():
            for row in batch:
                sealed = bytes(getattr(row, field))
                if vault.version_of(sealed) == newest:
                    continue
                resealed = self._resealed(opened, sealed, context.format(row))
                if resealed is None:
                    continue
                done += type(row).unscoped.filter(**{"pk": row.pk, field: sealed}).update(**{field: resealed})
        return done

    def _reseal_image(self, opened: Vault, image: str, stored: str, newest: int) -> int:
        """Write the image to a new file named after the key's version, move its faces there, remove the old file."""
        try:
            with default_storage.open(stored) as file:
                sealed = file.read()
        except FileNotFoundError:
            return 0  # erased in the meantime
        if vault.version_of(sealed) == newest:
            return 0
        resealed = self._resealed(opened, sealed, f"image:{image}")
        if resealed is None:
            return 0
        name = f"{stored.partition('.v')[0]}.v{newest}"
        default_storage.delete(name)  # left by a run that was stopped here; no face refers to it
        name = default_storage.save(name, ContentFile(resealed))
        faces = Face.unscoped.filter(image=image, stored_image=stored)
        with transaction.atomic():
            # An erasure of these faces has read the old name under this lock: wait for it, and find no face.
            read = Collection.unscoped.filter(pk__in=faces.values("collection_id")).values("gallery_id")
            Gallery.unscoped.select_for_update(no_key=True).filter(pk__in=read).first()
            moved = faces.update(stored_image=name)
        default_storage.delete(stored if moved else name)
        return 1

    def _resealed(self, opened: Vault, sealed: bytes, bound: str) -> bytes | None:
        """Encrypt with the newest key; None: it is damaged."""
        try:
            return opened.seal(opened.open(sealed, bound), bound)
        except SealBroken:
            self._damaged.add(bound)
            return None

    def _rewrap(self, rows: "models.Manager[Any]", field: str, context: str) -> int:
        done = 0
        for batch in _batches(rows.all()):
            for row in batch:
                key = bytes(getattr(row, field))
                if vault.fingerprint(key) == vault.fingerprints()[0]:
                    continue
                bound = context.format(row)
                try:
                    resealed = vault.wrap(vault.unwrap(key, bound), bound)
                except MasterKeyUnusable:
                    self._damaged.add(bound)
                else:
                    done += rows.filter(**{"pk": row.pk, field: key}).update(**{field: resealed})
        return done


def _progress(what: str, total: int) -> "tqdm[NoReturn]":
    """Return a progress bar; without a terminal it shows nothing."""
    return tqdm(desc=what, total=total, leave=False, disable=None)


def _column(path: str) -> tuple[type[models.Model], str]:
    app, name, field = path.split(".")
    return apps.get_model(app, name), field


def _batches(rows: "models.QuerySet[Any]") -> Iterator[list[Any]]:
    """Iterate over rows in batches by primary key; rows may be added and deleted in the meantime."""
    last = None
    while True:
        batch = list((rows if last is None else rows.filter(pk__gt=last)).order_by("pk")[:BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1].pk


def _rebuild_segments(tenant: Tenant, newest: int) -> None:
    """Rebuild the index of galleries with files older than the newest key; searches use the database until then."""
    since = DataKey.objects.of(tenant).get(version=newest).created_at
    older = IndexSegment.unscoped.filter(tenant=tenant, made_at__lt=since)
    for gallery in set(older.values_list("gallery_id", flat=True)):
        rebuild_index.run(gallery)
