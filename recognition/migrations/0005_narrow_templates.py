"""Templates of the pack accurate have 352 numbers, not 640: those that are stored are projected (recognition.packs.earlier).

It can be stopped, and goes on when it is started again. Templates that are damaged stay as they are. The worker
makes the segments again, and searches are exact until then, and the calibrations. What is in pgvector's table is copied again.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from django.apps.registry import Apps
from django.db import connection, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F

from recognition import models as present
from recognition import packs
from recognition.index import pgvector, pgvector_table
from recognition.packs import earlier
from tenants.errors import SealBroken
from tenants.models import Tenant
from tenants.vault import Vault

_PACK, _BATCH, _FLOAT = "accurate", 1000, 4


def narrow(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Convert each gallery's templates; then remove, with the lock of its row, what was made from the wider ones."""
    gallery, calibration, segment, tombstone = (
        apps.get_model("recognition", name)._base_manager for name in ("Gallery", "Calibration", "IndexSegment", "Tombstone")
    )
    for pk, tenant_id, mirrored in list(gallery.filter(pack=_PACK).values_list("pk", "tenant_id", "mirrored")):
        vault = Vault.of(Tenant(pk=tenant_id))
        for rows in _embeddings(apps, pk):
            _convert(vault, rows)
        with transaction.atomic():
            gallery.filter(pk=pk).update(base=0, version=F("version") + 1, calibrated=0)
            calibration.filter(pk=pk).delete()
            segment.filter(gallery=pk).delete()
            tombstone.filter(gallery=pk).delete()
        if mirrored and pgvector_table.tables():
            there = present.Gallery(pk=pk, tenant=Tenant(pk=tenant_id), pack=_PACK)
            pgvector.move_out(there)
            pgvector.move_in(there)


def _embeddings(apps: Apps, gallery: int) -> Iterator[list[tuple[int, Any]]]:
    rows = apps.get_model("recognition", "Embedding")._base_manager.filter(gallery=gallery).order_by("face_id")
    last = 0
    while found := list(rows.filter(face_id__gt=last).values_list("face_id", "sealed")[:_BATCH]):
        yield found
        last = found[-1][0]


def _convert(vault: Vault, rows: Iterable[tuple[int, Any]]) -> None:
    """Project the templates of these rows that have the earlier width, and seal them again."""
    pack = packs.get(_PACK)
    wide = {}
    for pk, sealed in rows:
        try:
            plain = vault.open(bytes(sealed), f"template:{pk}")
        except SealBroken:
            continue
        if len(plain) != pack.dimension * _FLOAT:
            wide[pk] = np.frombuffer(plain, dtype="<f4")
    if wide:
        vectors = earlier.narrowed(pack, np.stack(list(wide.values())))
        sealed = [
            (vault.seal(vector.astype("<f4").tobytes(), f"template:{pk}"), pk)
            for pk, vector in zip(wide, vectors, strict=True)
        ]
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE recognition_embedding SET sealed = %s WHERE face_id = %s", sealed)


class Migration(migrations.Migration):
    """Convert what is stored; a template has no way back, and needs none: a later code reads the narrower ones."""

    atomic = False
    dependencies = [("recognition", "0004_galleries_of_packs"), ("tenants", "0009_provided_accounts")]
    operations = [migrations.RunPython(narrow, migrations.RunPython.noop)]
