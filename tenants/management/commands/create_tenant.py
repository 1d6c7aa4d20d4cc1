"""manage.py create_tenant SLUG [NAME]: make a tenant."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from tenants.lifecycle import create_tenant


class Command(BaseCommand):
    """Make a tenant with its data key and audit chain."""

    help = "Make a tenant."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ask for slug and name."""
        parser.add_argument("slug")
        parser.add_argument("name", nargs="?", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        try:
            tenant = create_tenant(options["slug"], options["name"] or options["slug"])
        except IntegrityError:
            message = f"There is a tenant {options['slug']!r} already."
            raise CommandError(message) from None
        self.stdout.write(f"Tenant {tenant.slug} is there (id {tenant.pk}).")
