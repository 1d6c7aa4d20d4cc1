"""Seeds of authenticators are sealed, keys know which key issued them, and several secrets before the present one.

django-otp kept the seeds in clear, in a table of its own, which goes. Sessions were found by what the cookie says: they
go too, and everybody signs in again.
"""

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from tenants import vault

_CLEAR = "otp_totp_totpdevice"


def seal(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    if _CLEAR not in schema.connection.introspection.table_names():
        return
    sealed = apps.get_model("tenants", "Authenticator").objects
    with schema.connection.cursor() as cursor:
        cursor.execute(f"SELECT user_id, name, confirmed, key, drift, last_t FROM {_CLEAR} ORDER BY id")
        for user, name, confirmed, key, drift, last_t in cursor.fetchall():
            wrapped = vault.wrap(bytes.fromhex(key), f"authenticator:{user}")
            sealed.create(
                user_id=user, name=name, confirmed=bool(confirmed), wrapped_seed=wrapped, drift=drift, last_t=last_t
            )
    schema.execute(f"DROP TABLE {_CLEAR}")


def keep(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    for key in apps.get_model("tenants", "ApiKey").everywhere.exclude(previous_until=None):
        key.previous = [[bytes(key.previous_hash).hex(), key.previous_until.isoformat()]]
        key.save(update_fields=["previous"])


def sign_out(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("sessions", "Session").objects.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ("sessions", "0001_initial"),
        ("tenants", "0002_inviter_and_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="parent",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="issued",
                to="tenants.apikey",
            ),
        ),
        migrations.AddField(
            model_name="apikey", name="previous", field=models.JSONField(default=list, editable=False)
        ),
        migrations.RunPython(keep, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField(model_name="apikey", name="previous_hash"),
        migrations.RemoveField(model_name="apikey", name="previous_until"),
        migrations.CreateModel(
            name="Authenticator",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                (
                    "throttling_failure_timestamp",
                    models.DateTimeField(
                        blank=True,
                        default=None,
                        help_text="A timestamp of the last failed verification attempt. Null if last attempt succeeded.",
                        null=True,
                    ),
                ),
                (
                    "throttling_failure_count",
                    models.PositiveIntegerField(default=0, help_text="Number of successive failed attempts."),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True,
                        help_text="The date and time when this device was initially created in the system.",
                        null=True,
                    ),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True, help_text="The most recent date and time this device was used.", null=True
                    ),
                ),
                ("wrapped_seed", models.BinaryField()),
                ("drift", models.SmallIntegerField(default=0)),
                ("last_t", models.BigIntegerField(default=-1)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The user that this device belongs to.",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.RunPython(seal, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(sign_out, migrations.RunPython.noop, elidable=True),
    ]
