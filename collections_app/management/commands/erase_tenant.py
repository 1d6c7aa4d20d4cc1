"""manage.py erase_tenant: remove a tenant for good."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from collections_app import erasure
from tenants.access import system
from tenants.models import Tenant


class Command(BaseCommand):
    """Erase a tenant and print the signed receipt."""

    help = "Erase a tenant: its keys, people, faces, templates and images. This cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the slug, and the confirmation."""
        parser.add_argument("slug")
        parser.add_argument("--yes", action="store_true", help="do it without asking")

    def handle(self, *args: Any, slug: str, yes: bool, **options: Any) -> None:
        """Erase, and print the receipt."""
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            message = f"No tenant is called {slug}. One that was half erased is called erased-, then its id."
            raise CommandError(message)
        if not yes and input(f"Type {slug} to erase it for good: ") != slug:
            raise CommandError("Nothing was erased.")
        receipt = erasure.erase_tenant(system(tenant, "erase_tenant"))
        if not receipt.document:
            raise CommandError("Not everything is gone yet; the worker goes on, and so does this command if run again.")
        self.stdout.write(json.dumps(receipt.document, indent=2, ensure_ascii=False))
