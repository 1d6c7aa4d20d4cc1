"""manage.py export_tenant TENANT FILE: write a whole tenant as a sealed bundle."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from collections_app.management import bundles
from collections_app.operations.export_tenant import export_tenant
from tenants.access import system
from tenants.management.options import tenant_named


class Command(BaseCommand):
    """Export a tenant."""

    help = "Write a tenant with its collections, keys, webhooks, receipts and audit log as a sealed bundle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the tenant and the seal."""
        parser.add_argument("tenant", help="the tenant's slug")
        bundles.add_seal(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        caller = system(tenant_named(options["tenant"]), "export_tenant")
        with bundles.saying_why():
            seal = bundles.seal(options)
            with bundles.written(options["file"]) as out:
                counts = export_tenant(caller, out=out, seal=seal, images=options["images"])
        self.stderr.write(f"Wrote {bundles.counted(counts)} to {options['file']}.")
