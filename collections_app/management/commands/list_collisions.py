"""manage.py list_collisions: list names and references that look the same and are different."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand
from django.db import IntegrityError, transaction

from collections_app.identifiers import comparison_key
from collections_app.models import Collection, Person


class Command(BaseCommand):
    """List collections and people from before there were comparison keys, whose key another row has.

    They are found by their exact spelling and by their ids. Nothing is merged: rename one of the two collections, merge
    or erase one of the two people. A row that no longer collides gets its comparison key when this runs again.
    """

    help = "List collections of one tenant, and people of one collection, whose names or references look the same."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each with the row that has its key."""
        del args, options
        count = 0
        for line in (*_collisions(Collection, "name", "tenant"), *_collisions(Person, "reference", "collection")):
            self.stdout.write(line)
            count += 1
        self.stdout.write(f"{count} collisions.")


def _collisions(model: type[Collection | Person], text: str, within: str) -> Iterator[str]:
    for row in model.unscoped.filter(**{f"{text}_key__startswith": "\x1f"}).select_related("tenant").order_by("pk"):
        plain = comparison_key(getattr(row, text))
        setattr(row, f"{text}_key", plain)
        try:
            with transaction.atomic():
                row.save(update_fields=[f"{text}_key"])
        except IntegrityError:
            other = model.unscoped.exclude(pk=row.pk).get(
                **{within: getattr(row, within), f"{text}_key": plain},
                **({"state": Collection.State.ACTIVE} if model is Collection else {}),
            )
            spelt = f"{getattr(row, text)!a} ({row.pk}) and {getattr(other, text)!a} ({other.pk})"
            place = f"{row.tenant.slug}, collection {row.collection_id}" if isinstance(row, Person) else row.tenant.slug
            yield f"{place}: {text} {spelt}"
