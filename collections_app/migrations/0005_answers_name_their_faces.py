"""A kept answer may describe several faces: each is named in a row of its own, without a foreign key."""

import django.db.models.deletion
import django.db.models.manager
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from tenants import rls


def name_faces(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Name the face of each answer that is there; there are those of one day."""
    request, answered = (apps.get_model("collections_app", name) for name in ("KeyedRequest", "AnsweredFace"))
    rows = request._base_manager.using(schema.connection.alias).exclude(face=None)
    told = rows.values("tenant_id", "face_id", request_id=models.F("pk"), collection_id=models.F("face__collection_id"))
    answered._base_manager.using(schema.connection.alias).bulk_create([answered(**one) for one in told], 1000)


class Migration(migrations.Migration):
    """Make the table, fill it, and drop the column that it replaces."""

    dependencies = [
        ("collections_app", "0004_scale_and_calibration"),
        ("tenants", "0003_plain_help_texts"),
    ]

    operations = [
        migrations.CreateModel(
            name="AnsweredFace",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("face_id", models.BigIntegerField(db_index=True)),
                (
                    "collection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="collections_app.collection",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="collections_app.keyedrequest",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={"abstract": False},
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
        rls.enable("collections_app", "answeredface"),
        migrations.RunPython(name_faces, migrations.RunPython.noop),
        migrations.RemoveField(model_name="keyedrequest", name="face"),
    ]
