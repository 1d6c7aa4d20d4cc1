"""Give every collection's name and every person's reference the key that it is compared by."""

from django.db import migrations, models
from django.db.models import F, Q

from collections_app.identifiers import LONGEST, comparison_key, exact_key


def fill(rows, text, key, within):
    """Key rows: as they are spelt where that is the key already, else by the key, unless somebody has it.

    Who comes second keeps his own spelling for a key: nobody is merged, and everybody is found.
    """
    rows.update(**{key: F(text)})
    spelt_otherwise = [
        (pk, home, wanted)
        for pk, home, spelt in rows.order_by("created_at", "pk").values_list("pk", within, text).iterator()
        if (wanted := comparison_key(spelt)) != spelt
    ]
    for pk, home, wanted in spelt_otherwise:
        row = rows.filter(pk=pk)
        taken = rows.filter(**{within: home, key: wanted}).exclude(pk=pk).exists()
        row.update(**{key: exact_key(row.get().__dict__[text]) if taken or not 0 < len(wanted) <= LONGEST else wanted})


def forward(apps, schema_editor):
    """Fill both keys."""
    collections = apps.get_model("collections_app", "Collection")._base_manager
    fill(collections.filter(state="active"), "name", "name_key", "tenant_id")
    for pk, name in collections.exclude(state="active").values_list("pk", "name"):
        collections.filter(pk=pk).update(name_key=comparison_key(name)[:LONGEST])
    fill(apps.get_model("collections_app", "Person")._base_manager.all(), "reference", "reference_key", "collection_id")


class Migration(migrations.Migration):
    """Columns first, then the rows, then what holds them."""

    dependencies = [("collections_app", "0002_most_retention")]

    operations = [
        migrations.AddField("collection", "name_key", models.CharField(default="", editable=False, max_length=255)),
        migrations.AddField("person", "reference_key", models.CharField(default="", editable=False, max_length=255)),
        migrations.RunPython(forward, migrations.RunPython.noop),
        migrations.RemoveConstraint("collection", "collection_name_of_tenant"),
        migrations.RemoveConstraint("person", "person_reference"),
        migrations.AddIndex("collection", models.Index(fields=["tenant", "name_key"], name="collection_by_key")),
        migrations.AddConstraint(
            "collection",
            models.UniqueConstraint(
                condition=Q(state="active"), fields=("tenant", "name_key"), name="collection_name_of_tenant"
            ),
        ),
        migrations.AddConstraint(
            "person", models.UniqueConstraint(fields=("collection", "reference_key"), name="person_reference")
        ),
    ]
