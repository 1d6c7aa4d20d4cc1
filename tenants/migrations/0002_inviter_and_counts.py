"""Invitations know who gave them, and counts are of anything that is limited.

Who gave those that wait is not known, and counts are of a day at most: both are dropped.
"""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def withdraw(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("tenants", "Invitation").everywhere.all().delete()


class Migration(migrations.Migration):

    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.RunPython(withdraw, migrations.RunPython.noop, elidable=True),
        migrations.AddField(
            model_name="invitation",
            name="inviter",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.member"
            ),
        ),
        migrations.DeleteModel(name="Allowance"),
        migrations.CreateModel(
            name="Allowance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject",
                    models.CharField(
                        help_text="What is limited: a key, a tenant, letters to an account.", max_length=64
                    ),
                ),
                ("seconds", models.PositiveIntegerField(help_text="How long a window is.")),
                (
                    "start",
                    models.PositiveBigIntegerField(
                        default=0, help_text="When the present one began, in epoch seconds."
                    ),
                ),
                ("taken", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("subject", "seconds"), name="allowance_of_subject"),
                ],
            },
        ),
    ]
