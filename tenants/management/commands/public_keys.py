"""manage.py public_keys: print the keys that verify our signatures."""

from typing import Any

from django.core.management.base import BaseCommand

from tenants import signing


class Command(BaseCommand):
    """Print the installation's public keys."""

    help = "Print the public keys that this installation signs receipts and audit exports with, as PEM."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each key."""
        for pem in signing.public_keys().values():
            self.stdout.write(pem, ending="")
