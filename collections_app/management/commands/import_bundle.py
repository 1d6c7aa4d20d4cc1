"""manage.py import_bundle TENANT FILE: bring the collection of a sealed bundle into a tenant, or a whole tenant."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from collections_app.management import bundles
from collections_app.operations.import_bundle import Imported, Place, import_collection
from collections_app.operations.import_tenant import import_tenant
from tenants.access import system
from tenants.management.options import tenant_named


class Command(BaseCommand):
    """Import a bundle."""

    help = "Bring the collection of a bundle into a tenant; run it again to finish an import that was stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the tenant, the bundle and where it goes."""
        parser.add_argument("tenant", help="the tenant's slug; a whole tenant is made under it")
        bundles.add_key(parser)
        parser.add_argument(
            "--ids", choices=("keep", "new"), default="keep", help="new: for a copy beside the original"
        )
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--name", default="", help="the collection's name here; default: as it was")
        where.add_argument("--into", default="", metavar="COLLECTION", help="add the faces to this collection")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import it."""
        slug = options["tenant"]
        with bundles.opened(options) as bundle:
            if bundle.manifest["kind"] == "tenant":
                tenant, all_done = import_tenant(bundle, slug, options["ids"])
                self.stdout.write(f"Tenant {tenant.slug}: rotate its keys, switch its webhooks on, invite its members.")
            else:
                place = Place(options["ids"], options["name"], options["into"])
                caller = system(tenant_named(slug), "import_bundle")
                all_done = [import_collection(caller, bundle=bundle, place=place)]
        for done in all_done:
            self._tell(done)

    def _tell(self, done: Imported) -> None:
        self.stdout.write(f"Collection {done.collection.name} (alias {done.collection.alias}):")
        for what, counts in (("new", done.added), ("there already", done.present), ("refused", done.refused)):
            rows = {kind: count for kind, count in sorted(counts.items()) if count}
            self.stdout.write(f"  {what}: {bundles.counted(rows) or 'none'}")
