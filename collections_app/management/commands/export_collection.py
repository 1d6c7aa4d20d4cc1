"""manage.py export_collection TENANT COLLECTION FILE: write a collection, with its templates, as a sealed bundle."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from collections_app.management import bundles
from collections_app.operations.export_bundle import export_collection
from tenants.access import system
from tenants.management.options import tenant_named


class Command(BaseCommand):
    """Export a collection."""

    help = "Write a collection with its people, faces and templates as a sealed bundle, for import_bundle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the collection and the seal."""
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("collection")
        bundles.add_seal(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        caller = system(tenant_named(options["tenant"]), "export_collection")
        with bundles.saying_why():
            seal = bundles.seal(options)
            with bundles.written(options["file"]) as out:
                counts = export_collection(
                    caller, collection=options["collection"], out=out, seal=seal, images=options["images"]
                )
        self.stderr.write(f"Wrote {bundles.counted(counts)} to {options['file']}.")
