"""A collection's unguessable id bore one vendor's word for it."""

from django.db import migrations


class Migration(migrations.Migration):
    """Rename it; the values stay."""

    dependencies = [("collections_app", "0007_near_match_beside")]

    operations = [migrations.RenameField("collection", "node", "alias")]
