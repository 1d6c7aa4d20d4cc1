"""A lower end for collections that open one, and no threshold below a score of 70: one stranger in a hundred is there."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_LOWEST = {"light": 0.303, "accurate": 0.257}  # the cosine of a score of 70, by pack


def raise_low_thresholds(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
    """Raise what is below 70 to 70."""
    for pack, lowest in _LOWEST.items():
        low = apps.get_model("collections_app", "Collection").everywhere.filter(
            pack=pack, similarity_threshold__lt=lowest
        )
        low.update(similarity_threshold=lowest)


class Migration(migrations.Migration):

    dependencies = [
        ('collections_app', '0002_most_retention'),
    ]

    operations = [
        migrations.AddField(
            model_name='collection',
            name='similarity_floor',
            field=models.FloatField(blank=True, help_text='Opens a lower end; null: the threshold.', null=True),
        ),
        migrations.RunPython(raise_low_thresholds, migrations.RunPython.noop, elidable=True),
    ]
