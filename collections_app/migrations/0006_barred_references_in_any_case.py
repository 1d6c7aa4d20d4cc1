"""Do-not-enrol lists compare capitals as people's references do: a column for it, with an index."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from collections_app.identifiers import folded_key

_BATCH = 2000


def fold(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Compute the column of the entries that are there."""
    entry = apps.get_model("collections_app", "BarredReference")
    rows = entry._base_manager.using(schema.connection.alias)
    last = 0
    while entries := list(rows.filter(pk__gt=last).order_by("pk").only("pk", "reference")[:_BATCH]):
        for one in entries:
            one.reference_folded = folded_key(one.reference)
        rows.bulk_update(entries, ["reference_folded"])
        last = entries[-1].pk


class Migration(migrations.Migration):
    """Add the column and the index, then fill the column."""

    dependencies = [("collections_app", "0005_answers_name_their_faces")]

    operations = [
        migrations.AddField(
            model_name="barredreference",
            name="reference_folded",
            field=models.CharField(default="", editable=False, max_length=765),
        ),
        migrations.AddIndex(
            model_name="barredreference",
            index=models.Index(fields=["collection", "reference_folded"], name="barred_in_any_case"),
        ),
        migrations.RunPython(fold, migrations.RunPython.noop),
    ]
