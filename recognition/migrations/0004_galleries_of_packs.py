"""A collection may have several galleries, and a face a template in each: both keys change.

Until now a gallery's key was its collection's, and a template's its face's: they keep these values.
"""

import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tenants.scope

_POSTGRESQL = """
ALTER TABLE recognition_gallery RENAME COLUMN collection_id TO id;
DO $$
DECLARE one text;
BEGIN
  FOR one IN
    SELECT conname FROM pg_constraint r
    JOIN pg_attribute f ON f.attrelid = r.conrelid AND f.attnum = r.conkey[1]
    WHERE r.contype = 'f' AND r.conrelid = 'recognition_gallery'::regclass AND f.attname = 'id'
  LOOP
    EXECUTE format('ALTER TABLE recognition_gallery DROP CONSTRAINT %I', one);
  END LOOP;
END $$;
ALTER TABLE recognition_gallery ADD COLUMN collection_id bigint, ADD COLUMN made_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE recognition_gallery ALTER COLUMN made_at DROP DEFAULT, ALTER COLUMN collection_id TYPE bigint USING id;
ALTER TABLE recognition_gallery ALTER COLUMN collection_id SET NOT NULL,
  ADD CONSTRAINT recognition_gallery_of_collection FOREIGN KEY (collection_id)
    REFERENCES collections_app_collection (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT gallery_of_pack UNIQUE (collection_id, pack);
CREATE INDEX recognition_gallery_collection ON recognition_gallery (collection_id);
ALTER TABLE recognition_embedding DROP CONSTRAINT recognition_embedding_pkey CASCADE,
  ADD PRIMARY KEY (face_id, gallery_id);
DO $$
BEGIN
  IF to_regclass('recognition_vector') IS NOT NULL THEN
    ALTER TABLE recognition_vector DROP CONSTRAINT recognition_vector_pkey,
      ADD PRIMARY KEY (tenant_id, gallery_id, face_id),
      ADD FOREIGN KEY (face_id, gallery_id)
        REFERENCES recognition_embedding (face_id, gallery_id) ON DELETE CASCADE;
  END IF;
END $$;
"""
_SQLITE = (
    "ALTER TABLE recognition_gallery RENAME COLUMN collection_id TO id",
    "ALTER TABLE recognition_gallery ADD COLUMN collection_id bigint",
    "ALTER TABLE recognition_gallery ADD COLUMN made_at datetime",
    "UPDATE recognition_gallery SET collection_id = id, made_at = strftime('%Y-%m-%d %H:%M:%S', 'now')",
)


def change(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Change the tables; SQLite's get their keys in `make_again`."""
    if schema.connection.vendor == "postgresql":
        schema.execute(_POSTGRESQL, params=None)
        return
    with schema.connection.cursor() as cursor:
        for statement in _SQLITE:
            cursor.execute(statement, None)


def make_again(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Give SQLite's tables their keys, which it cannot change in place."""
    if schema.connection.vendor == "sqlite":
        for name in ("Gallery", "Embedding"):
            schema._remake_table(apps.get_model("recognition", name))  # type: ignore[attr-defined]  # noqa: SLF001


class Migration(migrations.Migration):
    """Change both keys."""

    dependencies = [("recognition", "0003_calibrated_head"), ("collections_app", "0012_export_jobs")]

    operations = [
        migrations.RunPython(change),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("gallery", "collection"),
                migrations.AddField(
                    "gallery",
                    "id",
                    models.BigIntegerField(
                        default=tenants.scope.random_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                migrations.AddField(
                    "gallery",
                    "collection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="galleries",
                        to="collections_app.collection",
                    ),
                ),
                migrations.AddField(
                    "gallery", "made_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)
                ),
                migrations.AddConstraint(
                    "gallery", models.UniqueConstraint(fields=("collection", "pack"), name="gallery_of_pack")
                ),
                migrations.AlterField(
                    "embedding",
                    "face",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="embeddings",
                        to="collections_app.face",
                    ),
                ),
                migrations.AddField(
                    "embedding",
                    "pk",
                    models.CompositePrimaryKey(
                        "face", "gallery", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
            ]
        ),
        migrations.RunPython(make_again),
    ]
