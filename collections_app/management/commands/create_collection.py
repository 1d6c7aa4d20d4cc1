"""manage.py create_collection TENANT NAME [--pack …] [--liveness]: make a collection."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from collections_app.errors import CollectionExists, InvalidRequest
from collections_app.operations.collections import create_collection
from recognition import packs
from tenants.access import system
from tenants.management.options import tenant_named


class Command(BaseCommand):
    """Make a collection."""

    help = "Make a collection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the tenant, the name and the policy."""
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("name")
        parser.add_argument("--pack", choices=packs.names(), default=packs.DEFAULT)
        parser.add_argument("--liveness", action="store_true", help="check liveness on enrolment and search")
        parser.add_argument("--images", choices=("none", "crop", "original"), default="none", help="what is kept")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        caller = system(tenant_named(options["tenant"]), "create_collection")
        try:
            collection = create_collection(
                caller,
                name=options["name"],
                pack=options["pack"],
                liveness_on_enrol=options["liveness"],
                liveness_on_search=options["liveness"],
                images=options["images"],
            )
        except CollectionExists:
            message = f"The tenant has a collection {options['name']!r} already."
            raise CommandError(message) from None
        except InvalidRequest as error:
            message = f"{error.field}: {error.problem}."
            raise CommandError(message) from None
        self.stdout.write(f"Made collection {collection.name} (pack {collection.pack}, alias {collection.alias}).")
