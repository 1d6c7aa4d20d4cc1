"""The do-not-enrol lists of collections."""

import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models

import tenants.scope
from tenants import wall


class Migration(migrations.Migration):
    """A table, held by tenant like every other."""

    dependencies = [
        ("collections_app", "0003_comparison_keys"),
        ("tenants", "0002_inviter_and_counts"),
    ]

    operations = [
        migrations.CreateModel(
            name="BarredReference",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        default=tenants.scope.random_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reference", models.CharField(max_length=255)),
                ("reference_key", models.CharField(default="", editable=False, max_length=255)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="do_not_enrol",
                        to="collections_app.collection",
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
            managers=[("everywhere", django.db.models.manager.Manager())],
        ),
        migrations.AddConstraint(
            "barredreference",
            models.UniqueConstraint(fields=("collection", "reference_key"), name="barred_reference"),
        ),
        wall.raised("collections_app", "barredreference"),
    ]
