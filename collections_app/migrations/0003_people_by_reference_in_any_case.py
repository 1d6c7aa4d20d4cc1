"""People are found by their references in any case of letters, too: a column for it, with an index."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from collections_app.identifiers import folded_key

_BATCH = 2000


def fold(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Compute the column of the people that are there."""
    person = apps.get_model("collections_app", "Person")
    rows = person._base_manager.using(schema.connection.alias)
    last = 0
    while people := list(rows.filter(pk__gt=last).order_by("pk").only("pk", "reference")[:_BATCH]):
        for one in people:
            one.reference_folded = folded_key(one.reference)
        rows.bulk_update(people, ["reference_folded"])
        last = people[-1].pk


class Migration(migrations.Migration):
    """Add the column and the index, then fill the column."""

    dependencies = [("collections_app", "0002_tags_and_named_people")]

    operations = [
        migrations.AddField(
            model_name="person",
            name="reference_folded",
            field=models.CharField(default="", editable=False, max_length=765),
        ),
        migrations.AddIndex(
            model_name="person",
            index=models.Index(fields=["collection", "reference_folded"], name="person_in_any_case"),
        ),
        migrations.RunPython(fold, migrations.RunPython.noop),
    ]
